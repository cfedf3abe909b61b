"""`hbimg runs`: what was run on a table."""

from __future__ import annotations

import click

from hbimg.cli.options import json_option, opened_table, store_option, table_option


@click.command()
@table_option
@store_option
@json_option
def runs(table: str, store: str | None, as_json: bool) -> None:
    """List the runs of a table, oldest first: who ran what, on how many volumes, and how it ended.

    \b
    Examples:
      hbimg runs --table t1
      hbimg runs --table t1 --json | jq '.[] | select(.state == "failed") | .id'
    """
    from hbimg.cli.printing import print_json, print_table, say
    from hbimg.mapreduce.run import state_of
    from hbimg.volumes.runs import runs as all_runs

    with opened_table(store, table) as volumes:
        found = [{**run, "state": state_of(run)} for run in all_runs(volumes)]
    if as_json:
        print_json(found)
        return
    rows = []
    for run in found:
        counts = run["report"]["volumes"]
        numbers = [str(counts[name]) for name in ("done", "current", "skipped", "failed")]
        rows.append((run["id"], run["job"], run["state"], *numbers, run["started_at"], run["user"]))
    right = ["done", "current", "skipped", "failed"]
    print_table(["run", "job", "state", *right, "started", "by"], rows, right=right)
    say(f"{len(found)} runs of table {table}")
