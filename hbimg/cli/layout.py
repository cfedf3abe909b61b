"""`hbimg layout`: plan where the regions of a table stand, make it so, watch it, take it back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hbimg.cli.options import json_option, opened_store, store_option, store_url, table_option
from hbimg.cli.scenario_options import Duration, Size

if TYPE_CHECKING:
    from hbimg.allocation.executor import Executor, Progress
    from hbimg.allocation.layout import Server
    from hbimg.allocation.state import Action


@click.group()
def layout() -> None:
    """Keep every group of images whole on a chosen server, each server with as much as it can process.

    A plan is a file that you can read. Applying it cuts the table on group borders, moves regions, and rewrites what
    is no longer local; it can be killed at any moment and run again, and taken back.

    \b
    Examples:
      hbimg layout plan --table t1 --server fast=32*1.5 --server old1=12 --server old2=12 -o t1.toml
      hbimg layout apply --table t1 --plan t1.toml --dry-run
      hbimg layout apply --table t1 --plan t1.toml
      hbimg layout status --table t1
      hbimg layout rollback --table t1
    """


_yes_option = click.option("--yes", is_flag=True, help="Do not ask.")
_dry_run_option = click.option("--dry-run", is_flag=True, help="List the steps; do nothing.")


@layout.command()
@table_option
@store_option
@click.option(
    "--server",
    "servers",
    metavar="NAME=CORES[*FACTOR]",
    multiple=True,
    help="A server that shall have a share, with its cores and how fast they are. Repeat it. "
    "Default: those of --cluster, else all of the store, HBase's as the table's last plan had them, or as equals.",
)
@click.option(
    "--cluster",
    "cluster_file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Servers as the machines of a cluster file (docs/model.md), with their disks.",
)
@click.option(
    "--from-run",
    "run_ids",
    metavar="RUN",
    multiple=True,
    help="Take the servers' factors, measured, and the seconds of each group from this run; the cores, too, "
    "where nothing else tells them. Repeat it.",
)
@click.option(
    "--sizes",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Plan for a table that is still to be made: what `hbimg ingest --dry-run --json` printed.",
)
@click.option(
    "--group-level",
    type=click.Choice(["project", "subject", "session", "scan"]),
    default="subject",
    show_default=True,
    help="With --sizes: what stays whole. A table that is there has its own.",
)
@click.option(
    "--region-size",
    type=Size(),
    default="10GiB",
    show_default=True,
    metavar="SIZE",
    help="No region is larger, unless one group is.",
)
@click.option(
    "--time",
    "time_s",
    type=Duration(),
    default="30s",
    show_default=True,
    metavar="SECONDS",
    help="Processing time of a volume, for what the model expects.",
)
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Where the plan goes.  [default: TABLE.layout.toml]",
)
@click.option(
    "--figure",
    type=click.Path(path_type=Path),
    metavar="STEM",
    help="Also draw which server is the short plank: STEM.png, STEM.svg.",
)
@json_option
def plan(
    table: str,
    store: str | None,
    servers: tuple[str, ...],
    cluster_file: Path | None,
    run_ids: tuple[str, ...],
    output: Path | None,
    figure: Path | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Choose the number of regions, their borders and the server of each, and write it to a file.

    The longest of all servers, by what it holds over its speed, decides how long a job takes: the plan makes it as
    short as it can, and moves as few bytes as it can. Printed beside it are the lower bound that no plan beats, HBase's
    own placement, and the rounds and wall-clock time that the model expects of each.

    \b
    Examples:
      hbimg layout plan --table t1 --server fast=32*1.5 --server old1=12 --server old2=12
      hbimg layout plan --table t1 --cluster mine.toml --time 2min --figure t1
      hbimg layout plan --table t1 --from-run 20260801T120000-1a2b3c
      hbimg ingest /data/study --table new --dry-run --json > sizes.json
      hbimg layout plan --table new --sizes sizes.json --server a=4 --server b=12
    """
    from hbimg.allocation.figures import draw_planks
    from hbimg.allocation.plan_file import write_plan
    from hbimg.allocation.planner import make_plan
    from hbimg.cli import layout_inputs, layout_tables
    from hbimg.cli.printing import print_json, say

    with opened_store(store) as opened:
        found = layout_inputs.gather(opened, table, options["sizes"], options["group_level"])
        told = layout_inputs.servers_of(servers, cluster_file, found)
        if run_ids:
            cores_told = bool(servers or cluster_file or opened.servers)
            found, told = layout_inputs.with_history(found, told, run_ids, cores_told=cores_told)
    made = make_plan(found.groups, told, found.group_level, found.now, options["region_size"])
    expected = layout_inputs.expectations(made, found.groups, cluster_file, options["time_s"])
    target = output or Path(f"{table}.layout.toml")
    write_plan(target, made, table, options["region_size"])
    drawn = draw_planks(layout_tables.panels(made), figure) if figure else []
    if as_json:
        print_json({"table": table, "plan": str(target), **layout_tables.plan_json(made, expected)})
    else:
        layout_tables.print_plan(made, expected, options["time_s"])
    for name in layout_inputs.strangers(told, found):
        say(f"remark: server {name} is not up now; up are {', '.join(server.name for server in found.servers)}")
    for name in () if servers or cluster_file else found.guessed:
        say(f"remark: server {name} is new and counts as one core: --server {name}=CORES says how fast it is")
    for path in (target, *drawn):
        say(f"written: {path}")


@layout.command()
@table_option
@store_option
@click.option(
    "--plan",
    "plan_file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The plan. Default: the one that was applied last, to repair what has changed since.",
)
@_dry_run_option
@_yes_option
@click.option(
    "--keep-balancer",
    is_flag=True,
    help="Leave HBase's balancer as it is, which is one for all tables; while it is on it undoes plans.",
)
@click.option("--despite-problems", is_flag=True, help="Go on when the doctor finds problems.")
@json_option
def apply(
    table: str,
    store: str | None,
    plan_file: Path | None,
    dry_run: bool,
    yes: bool,
    keep_balancer: bool,
    despite_problems: bool,
    as_json: bool,
) -> None:
    """Make a table's layout what a plan says, and verify it; a table that is not there is made.

    HBase is kept from undoing it: the table's splits, merges and normalizer are switched off, and so is the balancer,
    which is one for the whole cluster: that is asked first, and `rollback` puts it back. Before anything is done,
    `hbimg doctor` looks at the store.

    \b
    Examples:
      hbimg layout apply --table t1 --plan t1.layout.toml --dry-run
      hbimg layout apply --table t1 --plan t1.layout.toml
      hbimg layout apply --table t1                            # repair: once more what was applied
    """
    from hbimg.allocation.journal import Journal
    from hbimg.allocation.opening import layout_admin
    from hbimg.allocation.plan_file import read_plan
    from hbimg.cli import layout_inputs
    from hbimg.cli.printing import say

    wanted = read_plan(plan_file) if plan_file else None
    with opened_store(store) as opened:
        _preflight(store_url(store), dry_run=dry_run, go_on=despite_problems)
        volumes, is_new = layout_inputs.table_for(opened, table, wanted, dry_run=dry_run)
        if volumes is None:
            assert wanted is not None
            steps = [f"make table {table} with {len(wanted.layout.starts)} regions", "move its regions, all empty"]
            _list(steps, as_json=as_json)
            return
        chosen = wanted or layout_inputs.last_plan(Journal(volumes), table)
        with layout_admin(opened, volumes) as admin, _bar() as show:
            executor = layout_inputs.executor(volumes, admin, show, keep_balancer=keep_balancer)
            steps_due = executor.actions(chosen)
            if dry_run:
                _list([str(step) for step in steps_due], as_json=as_json)
                return
            _ask(steps_due, yes=yes)
            entry = executor.apply(chosen, created=is_new)
    _tell(entry.id, entry.state, [what for _, what in entry.steps], as_json=as_json)
    say(f"table {table}: {len(chosen.layout.starts)} regions stand as planned, verified")


@layout.command()
@table_option
@store_option
@click.option(
    "--png",
    "stem",
    type=click.Path(path_type=Path),
    metavar="STEM",
    help="Draw STEM-servers.png (share against speed) and STEM-regions.png (where the bytes lie).",
)
@json_option
def status(table: str, store: str | None, stem: Path | None, as_json: bool) -> None:
    """Show how a table lies: by server regions, bytes, share against speed, locality; and what is not as planned.

    It tells what a crash, a new server, the balancer or growth has changed, whether a new plan is due, and what
    `hbimg layout apply` would do.

    \b
    Examples:
      hbimg layout status --table t1
      hbimg layout status --table t1 --json | jq .drift
      hbimg layout status --table t1 --png t1
    """
    from hbimg.allocation.figures import draw_planks, draw_regions
    from hbimg.allocation.journal import Journal
    from hbimg.allocation.opening import groups_of_table, layout_admin, servers_of_store
    from hbimg.allocation.status import status_of
    from hbimg.cli import layout_tables
    from hbimg.cli.printing import print_json, say
    from hbimg.volumes import VolumeTable

    with opened_store(store) as opened:
        volumes = VolumeTable.open(opened, table)
        entry = Journal(volumes).last()
        with layout_admin(opened, volumes) as admin:
            state = admin.state()
        servers: tuple[Server, ...] = entry.plan.servers if entry else servers_of_store(opened, state)
        found = status_of(table, groups_of_table(volumes), state, servers, entry)
    if as_json:
        print_json(layout_tables.status_json(found))
    else:
        layout_tables.print_status(found)
    if stem:
        names = [server.name for server in found.servers]
        drawn = draw_planks([found.panel], stem.with_name(f"{stem.name}-servers"))
        drawn += draw_regions(found.stretches, names, stem.with_name(f"{stem.name}-regions"))
        for path in drawn:
            say(f"written: {path}")


@layout.command()
@table_option
@store_option
@_dry_run_option
@_yes_option
@click.option("--keep-balancer", is_flag=True, help="Leave HBase's balancer as it is.")
@json_option
def rollback(table: str, store: str | None, dry_run: bool, yes: bool, keep_balancer: bool, as_json: bool) -> None:
    """Lead a table back to what it was before its last plan, verified: borders, servers, switches. Volumes stay.

    \b
    Examples:
      hbimg layout rollback --table t1 --dry-run
      hbimg layout rollback --table t1
    """
    from hbimg.allocation.opening import layout_admin
    from hbimg.cli import layout_inputs
    from hbimg.cli.printing import say
    from hbimg.volumes import VolumeTable

    with opened_store(store) as opened:
        volumes = VolumeTable.open(opened, table)
        with layout_admin(opened, volumes) as admin, _bar() as show:
            executor: Executor = layout_inputs.executor(volumes, admin, show, keep_balancer=keep_balancer)
            steps = executor.rollback_actions()
            if dry_run:
                _list([str(step) for step in steps], as_json=as_json)
                return
            _ask(steps, yes=yes)
            entry = executor.rollback()
    _tell(entry.id, entry.state, [what for _, what in entry.steps], as_json=as_json)
    say(f"table {table} lies as before its plan, verified")


@contextmanager
def _bar() -> Iterator[Callable[[Progress], None]]:
    """Show the steps: a bar on a terminal, else a line for each."""
    from hbimg.cli.printing import say, steps_bar

    with steps_bar() as update:

        def show(progress: Progress) -> None:
            if update is not None:
                update(progress.words, progress.done, progress.total)
            elif progress.done < progress.total:
                say(f"step {progress.done + 1} of {progress.total}: {progress.words}")

        yield show


def _preflight(url: str, *, dry_run: bool, go_on: bool) -> None:
    """Have the doctor look, and stop at problems."""
    from hbimg.cli import layout_inputs
    from hbimg.cli.printing import say
    from hbimg.errors import StoreError

    if dry_run:
        return
    found = layout_inputs.problems(url)
    for finding in found:
        say(f"doctor: {finding.name}: {finding.where}: {finding.seen}; fix: {finding.fix}")
    if found and not go_on:
        raise StoreError(f"{len(found)} problems are in the way: mend them, or go on with --despite-problems")


def _ask(steps: list[Action], *, yes: bool) -> None:
    """Ask before anything that other tables feel."""
    felt = [str(step) for step in steps if step.is_global]
    if felt and not yes:
        click.echo(f"other tables will feel this: {'; '.join(felt)}. --keep-balancer leaves it alone.", err=True)
        click.confirm("Go on?", abort=True, err=True)


def _list(steps: list[str], *, as_json: bool) -> None:
    from hbimg.cli.printing import print_json, say

    if as_json:
        print_json({"dry_run": True, "steps": steps})
        return
    for step in steps:
        click.echo(step)
    say(f"{len(steps)} steps" if steps else "nothing to do: all is as it was planned")


def _tell(entry: str, state: str, steps: list[str], *, as_json: bool) -> None:
    from hbimg.cli.printing import print_json

    if as_json:
        print_json({"dry_run": False, "entry": entry, "state": state, "steps": steps})
