"""`hbimg doctor`: examine a store, with all the servers behind it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from hbimg.cli.options import json_option, store_option, store_url

if TYPE_CHECKING:
    from hbimg.doctor import Finding


@click.command()
@store_option
@click.option("--via", metavar="COMMAND", help="Runs a command on a node, to look for Python and hbimg there: "
              "'ssh {host}', 'docker exec -i {name}' ({name} is {host} up to its first dot).")  # fmt: skip
@click.option("--python", default="python3", show_default=True, metavar="PATH", help="The nodes' Python, with --via.")
@click.option("--namenode", metavar="HOST[:PORT]", help="The NameNode's web page. Default: found by HBase's settings.")
@click.option("--resourcemanager", metavar="HOST[:PORT]", help="The ResourceManager's web page. Default: found.")
@click.option("--master", metavar="HOST[:PORT]", help="The HMaster's web page. Default: looked for on likely hosts.")
@click.option("--thrift-info-port", type=click.IntRange(1, 65535), default=9095, show_default=True,
              help="Port of the Thrift servers' web pages.")  # fmt: skip
@click.option("--timeout", "timeout_s", type=click.FloatRange(0.1, 600), default=10.0, show_default=True,
              metavar="SECONDS", help="How long one answer may take.")  # fmt: skip
@click.option("--all", "-a", "everything", is_flag=True, help="Also print what is as it should be.")
@json_option
def doctor(
    store: str | None,
    via: str | None,
    python: str,
    namenode: str | None,
    resourcemanager: str | None,
    master: str | None,
    thrift_info_port: int,
    timeout_s: float,
    everything: bool,
    as_json: bool,
) -> None:
    """Examine a store: services, versions, clocks, names, limits, memory, placement, space. Each finding has its fix.

    It only looks, and ends with 1 if there is a problem. Advice does not count as one.

    \b
    Examples:
      hbimg doctor
      hbimg doctor --store hbase://head
      hbimg doctor --store hbase://head --via 'ssh {host}' --python /opt/venv/bin/python
      hbimg doctor --store site --master hm1 --resourcemanager rm1:8088 --json
    """
    from hbimg.cli.printing import print_json, say
    from hbimg.doctor import HowToLook, Places, Severity, examine, server_of

    places = Places(
        server_of(namenode, "NameNode") if namenode else None,
        server_of(resourcemanager, "ResourceManager") if resourcemanager else None,
        server_of(master, "HMaster") if master else None,
        thrift_info_port,
    )
    url = store_url(store)
    found = examine(url, HowToLook(places, via, python, timeout_s))
    if as_json:
        print_json({group: [_as_json(finding) for finding in findings] for group, findings in found.items()})
    else:
        _print(found, everything)
    count = {severity: sum(x.severity is severity for xs in found.values() for x in xs) for severity in Severity}
    say(
        f"{count[Severity.PROBLEM]} problems, advice on {count[Severity.ADVICE]}, "
        f"{count[Severity.UNKNOWN]} not seen, {count[Severity.OK]} as they should be: {url}"
    )
    if count[Severity.PROBLEM]:
        sys.exit(1)


def _as_json(finding: Finding) -> dict[str, str]:
    return {
        "name": finding.name,
        "severity": str(finding.severity),
        "where": finding.where,
        "seen": finding.seen,
        "fix": finding.fix,
    }


def _print(found: dict[str, list[Finding]], everything: bool) -> None:
    """Print findings by group, one line each and one with the fix."""
    for group, findings in found.items():
        told = [finding for finding in findings if everything or finding.severity != "ok"]
        click.echo(f"{group}: {'' if told else 'as it should be'}".rstrip())
        for finding in told:
            click.echo(f"  {finding.severity:<8} {finding.name}: {finding.where}: {finding.seen}")
            if finding.fix:
                click.echo(f"  {'':<8} fix: {finding.fix}")
