"""`hbimg report RUN`: the locality report of a run."""

from __future__ import annotations

import click

from hbimg.cli.options import json_option, opened_table, store_option, table_option


@click.command()
@click.argument("run_id", metavar="RUN")
@table_option
@store_option
@json_option
def report(run_id: str, table: str, store: str | None, as_json: bool) -> None:
    """Show the report of a run: volumes, failures, bytes and where they came from, seconds, per worker.

    With --json it is also what `hbimg model fit` reads.

    \b
    Examples:
      hbimg report 20260801T120000-1a2b3c --table t1
      hbimg report 20260801T120000-1a2b3c --table t1 --json > run.json
    """
    from hbimg.cli.printing import print_json
    from hbimg.mapreduce.report import report_text
    from hbimg.mapreduce.run import state_of
    from hbimg.volumes import load_run

    with opened_table(store, table) as volumes:
        run = load_run(volumes, run_id)
    if as_json:
        print_json(run["report"])
        return
    click.echo(f"run {run['id']}: {run['job']} {run['job_version']}, {state_of(run)}, started {run['started_at']}")
    if run["error"]:
        click.echo(f"error      {run['error']}")
    click.echo(report_text(run["report"]))
