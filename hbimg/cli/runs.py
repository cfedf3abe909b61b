"""`hbimg runs`: what was run on a table."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

import click

from hbimg.cli.options import json_option, opened_table, store_option, table_option, where_option


@click.command()
@table_option
@store_option
@where_option
@click.option("--job", metavar="NAME", help="Only runs of this job.")
@click.option(
    "--state",
    type=click.Choice(["running", "finished", "failed", "interrupted", "lost"]),
    help="Only runs that ended so, or run still.",
)
@click.option("--last", type=click.IntRange(1), metavar="N", help="Only the last N of them.")
@json_option
def runs(table: str, store: str | None, last: int | None, as_json: bool, **wanted: str | None) -> None:
    """List the runs of a table, oldest first: who ran what, on how many volumes, and how it ended.

    --where chooses the runs that took or passed over a volume of those patterns.

    \b
    Examples:
      hbimg runs --table t1 --last 10
      hbimg runs --table t1 --job compress --state failed
      hbimg runs --table t1 --where subject=sub-01
      hbimg runs --table t1 --json | jq '.[] | select(.state == "failed") | .id'
    """
    from hbimg.cli.printing import print_json, print_table, say
    from hbimg.mapreduce.run import state_of
    from hbimg.volumes.runs import runs as all_runs

    with opened_table(store, table) as volumes:
        listed = ({**run, "state": state_of(run)} for run in all_runs(volumes))
        found = deque(filter(_chooser(**wanted), listed), last)
    if as_json:
        print_json(list(found))
        return
    rows = []
    for run in found:
        counts = run["report"]["volumes"]
        numbers = [str(counts[name]) for name in ("done", "current", "skipped", "failed")]
        rows.append((run["id"], run["job"], run["state"], *numbers, run["started_at"], run["user"]))
    right = ["done", "current", "skipped", "failed"]
    print_table(["run", "job", "state", *right, "started", "by"], rows, right=right)
    say(f"{len(found)} run{'' if len(found) == 1 else 's'} of table {table}")


def _chooser(where: str | None, job: str | None, state: str | None) -> Callable[[Mapping[str, Any]], bool]:
    """Give a function that tells whether a run is wanted."""
    from hbimg.model import VolumeKey
    from hbimg.volumes import Where

    patterns = Where.parse(where)

    def is_wanted(run: Mapping[str, Any]) -> bool:
        if job not in (None, run["job"]) or state not in (None, run["state"]):
            return False
        return where is None or any(patterns.matches(VolumeKey.parse(key)) for key, *_ in run["volumes"])

    return is_wanted
