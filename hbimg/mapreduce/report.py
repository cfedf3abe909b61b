"""The locality report of a run: what was done, where every byte came from, and where the time went.

The JSON form is one object with the fields `name`, `system`, `wall_clock_s` and `tasks` that `hbimg model fit` reads,
and more; its tasks are the volumes that were done. On a slot the next volume is read, and the last result written,
while a volume is worked on. So the tasks of a slot overlap: a task takes its slot from the moment when the slot turned
to it, or earlier if reading, computing, writing and padding, one after the other, would not fit before its end.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from hbimg.mapreduce.cluster_report import cluster_lines, megabytes
from hbimg.mapreduce.outcomes import Outcome, State

_SECONDS = ("read_s", "wait_s", "compute_s", "write_s", "pad_s")


def make_report(name: str, outcomes: Sequence[Outcome], wall_clock_s: float) -> dict[str, Any]:
    """Make the report of a run, ready for JSON.

    Parameters
    ----------
    name : str
        The run's id and job.
    outcomes : sequence of Outcome
        In any order.
    wall_clock_s : float
        From the start of the engine to its end, in seconds.
    """
    worked = [outcome for outcome in outcomes if outcome.slot and outcome.state in (State.DONE, State.FAILED)]
    done = sorted((o for o in worked if o.state is State.DONE), key=lambda o: o.start_s)
    tasks = [_task(outcome) for outcome in done]
    return {
        "name": name,
        "system": "hbimg",
        "wall_clock_s": wall_clock_s,
        "volumes": {state.value: sum(o.state is state for o in outcomes) for state in State},
        "skipped": dict(Counter(o.reason for o in outcomes if o.state is State.SKIPPED).most_common()),
        "failed": [{"key": str(o.key), "reason": o.reason} for o in outcomes if o.state is State.FAILED],
        "bytes": {
            "input": sum(o.input_bytes for o in worked),
            "output": sum(o.output_bytes for o in worked),
            "input_local": sum(o.input_bytes for o in worked if o.is_local),
            "input_remote": sum(o.input_bytes for o in worked if not o.is_local),
        },
        "seconds": _seconds(worked),
        "slots": _slots(worked),
        "tasks": tasks,
    }


def _task(outcome: Outcome) -> dict[str, Any]:
    busy_s = outcome.read_s + outcome.compute_s + outcome.write_s + outcome.pad_s
    return {
        "volume": str(outcome.key),
        "host": outcome.host,
        "slot": outcome.slot,
        "start_s": min(outcome.start_s, outcome.end_s - busy_s),
        "end_s": outcome.end_s,
        "read_seconds": outcome.read_s,
        "wait_seconds": outcome.wait_s,
        "compute_seconds": outcome.compute_s,
        "write_seconds": outcome.write_s,
        "pad_seconds": outcome.pad_s,
        "input_bytes": outcome.input_bytes,
        "output_bytes": outcome.output_bytes,
        "local": outcome.is_local,
        "source": outcome.source or outcome.host,
        "task": outcome.task,
    }


def _seconds(outcomes: Iterable[Outcome]) -> dict[str, float]:
    outcomes = list(outcomes)
    return {name.removesuffix("_s"): sum(getattr(o, name) for o in outcomes) for name in _SECONDS}


def _slots(outcomes: Iterable[Outcome]) -> list[dict[str, Any]]:
    gathered: dict[tuple[str, str], list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        gathered[outcome.host, outcome.slot].append(outcome)
    return [
        {
            "host": host,
            "slot": slot,
            "volumes": len(mine),
            "input_bytes": sum(o.input_bytes for o in mine),
            "output_bytes": sum(o.output_bytes for o in mine),
            "seconds": _seconds(mine),
        }
        for (host, slot), mine in sorted(gathered.items())
    ]


def report_text(report: dict[str, Any]) -> str:
    """Give the report in words and a table, for a terminal or a file."""
    return "\n".join(_lines(report))


def _lines(report: dict[str, Any]) -> Iterator[str]:
    volumes, size, wall_s = report["volumes"], report["bytes"], report["wall_clock_s"]
    yield (
        f"volumes    {volumes['done']} done, {volumes['current']} current already, {volumes['skipped']} skipped, "
        f"{volumes['failed']} failed"
    )
    for reason, count in report["skipped"].items():
        yield f"  skipped  {count}: {reason}"
    for failure in report["failed"]:
        yield f"  failed   {failure['key']}: {failure['reason']}"
    yield (
        f"bytes      read {megabytes(size['input'])} (own host {megabytes(size['input_local'])}, other hosts "
        f"{megabytes(size['input_remote'])}), written {megabytes(size['output'])}"
    )
    rate = f", {size['input'] / 1e6 / wall_s:,.1f} MB/s" if wall_s > 0 else ""
    yield f"wall-clock {wall_s:.2f} s{rate}"
    if "cluster" in report:
        yield from cluster_lines(report)
    if report["slots"]:
        yield ""
        titles = f"{'volumes':>8}{'MB':>10}{'read s':>10}{'wait s':>9}{'compute s':>11}{'write s':>9}{'pad s':>8}"
        yield f"{'worker':<20}{titles}"
    for slot in report["slots"]:
        seconds = slot["seconds"]
        yield (
            f"{slot['host'][:16] + ' ' + slot['slot']:<20}{slot['volumes']:>8}{slot['input_bytes'] / 1e6:>10,.1f}"
            f"{seconds['read']:>10.2f}{seconds['wait']:>9.2f}{seconds['compute']:>11.2f}{seconds['write']:>9.2f}"
            f"{seconds['pad']:>8.2f}"
        )
