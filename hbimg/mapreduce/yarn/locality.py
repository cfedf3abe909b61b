"""The part of a run's report that only a cluster has: where tasks ran, where bytes came from by three witnesses.

The witnesses: Hadoop's counters of where it put the maps; the readers, which noted for each volume who served it when
it was read; and the network interfaces of the nodes, as the kernel counted them from the first start of a task on a
node to the last end of one there. Beside the interfaces stands what each node's DataNode wrote from the first task on:
all copies but the first came over the network. They are reconciled, and what does not add up is said.
"""

from __future__ import annotations

import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hbimg.mapreduce.outcomes import Outcome, State, same_host
from hbimg.mapreduce.yarn.data_nodes import FRESH_S

#: Share of the data above which witnesses are said to disagree.
TOLERANCE = 0.02
_SLOWEST = 5
#: Up to so many seconds after a node's last task what its DataNode has written is taken to be the job's.
_SOON_S = 60.0
_PARTS = ("staging", "waiting for reads", "computing", "writing", "padding")


@dataclass(frozen=True)
class Witnessed:
    """What is known of a job that has ended.

    Attributes
    ----------
    outcomes : sequence of Outcome
    tasks : mapping
        What each task said of itself, by its attempt's id.
    attempts : sequence of mappings
        The attempts as MapReduce's web service gives them.
    counters : mapping of str to int
        Hadoop's.
    block_locality : mapping of str to float
        Percent of the blocks of a RegionServer's files that lie on its own host, at the start.
    replication : int
        Copies that HDFS keeps of a block.
    hdfs_written : mapping of str to int
        What the DataNodes of the tasks' hosts had written when all was over; a host that does not tell is left out.
    asked_s : float
        When they said so.
    """

    outcomes: Sequence[Outcome]
    tasks: Mapping[str, Mapping[str, Any]]
    attempts: Sequence[Mapping[str, Any]] = ()
    counters: Mapping[str, int] = field(default_factory=dict)
    block_locality: Mapping[str, float] = field(default_factory=dict)
    replication: int = 3
    hdfs_written: Mapping[str, int] = field(default_factory=dict)
    asked_s: float = 0.0


def cluster_part(seen: Witnessed) -> dict[str, Any]:
    """Make the part of the report, ready for JSON."""
    network = _network(seen)
    attempts = _attempts(seen)
    return {
        "maps": _maps(seen.counters),
        "block_locality": dict(seen.block_locality),
        "sources": _sources(seen.outcomes),
        "network": network,
        "reconciled": _reconciled(seen, network),
        "attempts": attempts,
        "slowest": slowest(attempts, seen.outcomes),
    }


def _maps(counters: Mapping[str, int]) -> dict[str, int]:
    names = {
        "launched": "TOTAL_LAUNCHED_MAPS",
        "data_local": "DATA_LOCAL_MAPS",
        "rack_local": "RACK_LOCAL_MAPS",
        "other": "OTHER_LOCAL_MAPS",
        "failed": "NUM_FAILED_MAPS",
        "killed": "NUM_KILLED_MAPS",
        "reduces": "TOTAL_LAUNCHED_REDUCES",
    }
    return {name: counters.get(counter, 0) for name, counter in names.items()}


def _sources(outcomes: Iterable[Outcome]) -> list[dict[str, Any]]:
    """Give for each host what its tasks read there, and what they read from which other host."""
    own: Counter[str] = Counter()
    others: dict[str, Counter[str]] = defaultdict(Counter)
    for outcome in outcomes:
        if outcome.is_local:
            own[outcome.host] += outcome.input_bytes
        else:
            others[outcome.host][outcome.source] += outcome.input_bytes
    hosts = sorted(host for host in {*own, *others} if host)
    return [{"host": host, "own_bytes": own[host], "other_bytes": dict(others[host])} for host in hosts]


def _network(seen: Witnessed) -> list[dict[str, Any]]:
    """Give for each node what its interfaces received and sent, and its DataNode wrote, while tasks ran on it."""
    by_host: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for task in seen.tasks.values():
        if task["network_at_start"] and task["network_at_end"]:
            by_host[task["host"]].append(task)
    found = []
    for host, mine in sorted(by_host.items()):
        first = min(mine, key=lambda task: task["start_s"])
        last = max(mine, key=lambda task: task["end_s"])
        before, after = first["network_at_start"], last["network_at_end"]
        received, sent = (
            sum(numbers[index] - before.get(name, [0, 0])[index] for name, numbers in after.items()) for index in (0, 1)
        )
        node = {"host": host, "received_bytes": received, "sent_bytes": sent}
        seconds = last["end_s"] - first["start_s"]
        found.append({**node, "hdfs_written_bytes": _written(seen, host, mine), "seconds": seconds})
    return found


def _written(seen: Witnessed, host: str, tasks: Sequence[Mapping[str, Any]]) -> int | None:
    """Give what a node's DataNode wrote since the first of its tasks began; None where that is not known.

    The last answer counts if it is no earlier one again, and if nobody else had much time to write something.
    """
    starts = [task["start_s"] for task in tasks]
    before = tasks[starts.index(min(starts))].get("hdfs_written_at_start")
    after = seen.hdfs_written.get(host)
    is_fresh = seen.asked_s - max(starts) >= FRESH_S
    is_late = seen.asked_s - max(task["end_s"] for task in tasks) > _SOON_S
    return None if before is None or after is None or is_late or not is_fresh or after < before else after - before


def _reconciled(seen: Witnessed, network: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    worked = [outcome for outcome in seen.outcomes if outcome.state in (State.DONE, State.FAILED)]
    elsewhere = [outcome for outcome in worked if not outcome.is_local]
    data = sum(outcome.input_bytes for outcome in worked)
    readers = sum(outcome.input_bytes for outcome in elsewhere)
    results = sum(outcome.output_bytes for outcome in elsewhere)
    placed = sum(outcome.input_bytes for outcome in worked if not _was_placed_well(outcome, seen.tasks))
    received = sum(node["received_bytes"] for node in network)
    copies = _copies_by_data_nodes(network, seen.replication)
    is_estimate = copies is None
    if copies is None:
        # HBase writes a result into its log and later into a file, and HDFS sends each to the other copies' hosts.
        written = sum(outcome.output_bytes for outcome in worked)
        copies = min(2 * written * (seen.replication - 1), max(0, received - readers - results))
    found = {
        "data_bytes": data,
        "not_local_by_placement_bytes": placed,
        "not_local_by_readers_bytes": readers,
        "results_to_other_hosts_bytes": results,
        "received_bytes": received,
        "copies_of_results_bytes": copies,
        "other_bytes": received - readers - results - copies,
    }
    said = _disagreements(found, measured=bool(network))
    return {**found, "copies_are_estimated": is_estimate, "disagreements": said}


def _copies_by_data_nodes(network: Sequence[Mapping[str, Any]], replication: int) -> int | None:
    """Give the bytes that HDFS sent from host to host while tasks ran; None where not all DataNodes tell.

    All that is written here is written by a RegionServer or a task, whose first copy goes to the DataNode beside it.
    """
    written: list[int | None] = [node["hdfs_written_bytes"] for node in network]
    told = [size for size in written if size is not None]
    if not told or len(told) < len(written):
        return None
    return sum(told) * (replication - 1) // replication


def _was_placed_well(outcome: Outcome, tasks: Mapping[str, Mapping[str, Any]]) -> bool:
    task = tasks.get(outcome.task)
    return task is None or same_host(task["host"], task["split_host"])


def _disagreements(found: Mapping[str, int], *, measured: bool) -> list[str]:
    data = max(1, found["data_bytes"])
    said = []
    gap = found["not_local_by_readers_bytes"] - found["not_local_by_placement_bytes"]
    if abs(gap) > TOLERANCE * data:
        what = "regions moved while the job ran" if gap > 0 else "regions moved to where the tasks were"
        said.append(
            f"readers saw {gap / 1e6:+,.1f} MB more from other hosts than Hadoop's placement says "
            f"({gap / data:+.1%} of the data): {what}"
        )
    other = found["other_bytes"]
    if measured and abs(other) > TOLERANCE * data:
        what = "job control, other jobs, or blocks that are not local" if other > 0 else "not all nodes were counted"
        said.append(
            f"the interfaces received {other / 1e6:+,.1f} MB beside reads, results and their copies "
            f"({other / data:+.1%} of the data): {what}"
        )
    return said


def _attempts(seen: Witnessed) -> list[dict[str, Any]]:
    """Give every attempt with when it was launched, when its Python began and ended, and when it was over."""
    by_attempt = {attempt["id"]: attempt for attempt in seen.attempts}
    found = []
    for name in sorted({*by_attempt, *seen.tasks}):
        task, attempt = seen.tasks.get(name), by_attempt.get(name, {})
        if task is None and not attempt.get("startTime"):
            continue  # it never had a container
        launched = attempt.get("startTime", 0) / 1e3 or (task["start_s"] if task else 0.0)
        over = attempt.get("finishTime", 0) / 1e3 or (task["end_s"] if task else launched)
        host = task["host"] if task else str(attempt.get("nodeHttpAddress", "")).partition(":")[0]
        found.append(
            {
                "attempt": name,
                "host": host,
                "state": attempt.get("state", "SUCCEEDED"),
                "type": attempt.get("type", "MAP"),
                "launched_s": launched,
                "start_s": task["start_s"] if task else None,
                "end_s": task["end_s"] if task else None,
                "over_s": over,
                "data_local": same_host(task["host"], task["split_host"]) if task else None,
            }
        )
    return found


def slowest(attempts: Iterable[Mapping[str, Any]], outcomes: Iterable[Outcome]) -> list[dict[str, Any]]:
    """Give the slowest tasks, each with what it spent more time on than the median task did."""
    mine: dict[str, list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        mine[outcome.task].append(outcome)
    tasks = [a for a in attempts if a["start_s"] is not None and a["state"] == "SUCCEEDED"]
    if not tasks:
        return []
    parts = {task["attempt"]: _parts(task, mine[task["attempt"]]) for task in tasks}
    medians = [statistics.median(column) for column in zip(*parts.values(), strict=True)]
    sizes = {name: sum(outcome.input_bytes for outcome in found) for name, found in mine.items()}
    median_bytes = statistics.median(sizes.get(task["attempt"], 0) for task in tasks)
    tasks.sort(key=lambda task: task["over_s"] - task["launched_s"], reverse=True)
    return [
        {
            "attempt": task["attempt"],
            "host": task["host"],
            "seconds": task["over_s"] - task["launched_s"],
            "why": _why(parts[task["attempt"]], medians, mine[task["attempt"]], median_bytes),
        }
        for task in tasks[:_SLOWEST]
    ]


def _parts(task: Mapping[str, Any], outcomes: Sequence[Outcome]) -> list[float]:
    staging = task["start_s"] - task["launched_s"]
    names = ("wait_s", "compute_s", "write_s", "pad_s")
    return [staging, *(sum(getattr(outcome, name) for outcome in outcomes) for name in names)]


def _why(parts: Sequence[float], medians: Sequence[float], outcomes: Sequence[Outcome], median_bytes: float) -> str:
    excess = [mine - median for mine, median in zip(parts, medians, strict=True)]
    index = max(range(len(excess)), key=excess.__getitem__)
    said = [f"{parts[index]:.1f} s {_PARTS[index]} (median {medians[index]:.1f} s)"]
    size = sum(outcome.input_bytes for outcome in outcomes)
    if median_bytes and size > 1.2 * median_bytes:
        said.append(f"{size / median_bytes:.1f} times the median task's bytes")
    remote = sum(outcome.input_bytes for outcome in outcomes if not outcome.is_local)
    if remote:
        said.append(f"{remote / 1e6:,.1f} MB came from other hosts")
    return ", ".join(said)
