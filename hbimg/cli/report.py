"""`hbimg report RUN`: the locality report of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from hbimg.cli.options import json_option, opened_table, store_option, table_option


@click.command()
@click.argument("run_id", metavar="RUN")
@table_option
@store_option
@click.option("--gantt", metavar="STEM", type=click.Path(path_type=Path), help="Draw the tasks into STEM.png and .svg.")
@click.option(
    "--cluster",
    "cluster_file",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Put the model's prediction for this cluster (`hbimg model fit`) beside the measurement.",
)
@json_option
def report(
    run_id: str, table: str, store: str | None, gantt: Path | None, cluster_file: Path | None, as_json: bool
) -> None:
    """Show the report of a run: volumes, failures, bytes and where they came from, seconds, per worker.

    With --json it is also what `hbimg model fit` reads.

    \b
    Examples:
      hbimg report 20260801T120000-1a2b3c --table t1
      hbimg report 20260801T120000-1a2b3c --table t1 --json > run.json
      hbimg report 20260801T120000-1a2b3c --table t1 --gantt picture --cluster fitted.toml
    """
    from hbimg.cli.printing import print_json
    from hbimg.mapreduce.report import report_text
    from hbimg.mapreduce.run import state_of
    from hbimg.volumes import load_run

    with opened_table(store, table) as volumes:
        run = load_run(volumes, run_id)
    if cluster_file is not None:
        run["report"]["predicted"] = _predicted(run["report"], cluster_file)
    if gantt is not None:
        from hbimg.cli.printing import say
        from hbimg.mapreduce.gantt import draw_gantt

        say("drawn: " + ", ".join(map(str, draw_gantt(run["report"], gantt))))
    if as_json:
        print_json(run["report"])
        return
    click.echo(f"run {run['id']}: {run['job']} {run['job_version']}, {state_of(run)}, started {run['started_at']}")
    if run["error"]:
        click.echo(f"error      {run['error']}")
    click.echo(report_text(run["report"]))
    for row in run["report"].get("predicted", ()):
        click.echo(
            f"model      {row['quantity']}: measured {row['measured']:.2f} s, {row['source']} {row['predicted']:.2f} s "
            f"({row['difference']:+.1%})"
        )


def _predicted(report: dict[str, Any], cluster_file: Path) -> list[dict[str, Any]]:
    """Give what equations and simulation say of the run's tasks on a described cluster."""
    from dataclasses import asdict

    from hbimg.cli.scenario_options import read_scenario
    from hbimg.perfmodel.check import check_report
    from hbimg.perfmodel.report import parse_report

    scenario = read_scenario(None, cluster_file, jobs_needed=False)
    return [asdict(row) for row in check_report(parse_report(report, f"run {report['name']}"), scenario)]
