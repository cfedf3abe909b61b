"""The part of a report that only a run on a cluster has, in words; `hbimg.mapreduce.yarn.locality` makes it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


def cluster_lines(report: Mapping[str, Any]) -> Iterator[str]:
    """Give the lines: placement, sources, interfaces, what does not add up, locality of blocks, the slowest tasks."""
    part = report["cluster"]
    maps, sums = part["maps"], part["reconciled"]
    yield (
        f"maps       {maps['launched']} launched: {maps['data_local']} data-local, {maps['rack_local']} rack-local, "
        f"{maps['other']} other; {maps['failed']} failed, {maps['killed']} killed"
    )
    if maps["other"]:
        yield (
            f"  !        {maps['other']} maps ran in another rack than their data: where hosts had slots free, YARN "
            "waits too little; see rack-locality-additional-delay in docs/jobs.md"
        )
    data, remote = max(1, sums["data_bytes"]), sums["not_local_by_readers_bytes"]
    copies = "copies of results, by estimate" if sums.get("copies_are_estimated", True) else "copies that HDFS made"
    yield (
        f"network    nodes received {megabytes(sums['received_bytes'])} while tasks ran: {megabytes(remote)} "
        f"({remote / data:.1%} of the data) read from other hosts, "
        f"{megabytes(sums.get('results_to_other_hosts_bytes', 0))} results sent there, "
        f"{megabytes(sums['copies_of_results_bytes'])} {copies}, {megabytes(sums['other_bytes'])} "
        f"({sums['other_bytes'] / data:.1%}) else"
    )
    for line in sums["disagreements"]:
        yield f"  !        {line}"
    yield from _hosts(part)
    for task in part["slowest"]:
        yield f"slow       {task['seconds']:7.1f} s  {task['attempt']} on {task['host']}: {task['why']}"


def _hosts(part: Mapping[str, Any]) -> Iterator[str]:
    network = {node["host"]: node for node in part["network"]}
    if part["sources"]:
        yield ""
        yield f"{'host':<24}{'own MB':>10}{'other MB':>10}{'received':>10}{'sent':>10}{'blocks local':>14}  read from"
    for row in part["sources"]:
        node = network.get(row["host"], {"received_bytes": 0, "sent_bytes": 0})
        percent = part["block_locality"].get(row["host"])
        blocks = "unknown" if percent is None else f"{percent:.0f}%"
        others = ", ".join(f"{host} {megabytes(size)}" for host, size in sorted(row["other_bytes"].items()))
        yield (
            f"{row['host'][:23]:<24}{row['own_bytes'] / 1e6:>10,.1f}{sum(row['other_bytes'].values()) / 1e6:>10,.1f}"
            f"{node['received_bytes'] / 1e6:>10,.1f}{node['sent_bytes'] / 1e6:>10,.1f}{blocks:>14}  {others}".rstrip()
        )


def megabytes(count: float) -> str:
    """Write bytes as reports do: ``1,234.5 MB``."""
    return f"{count / 1e6:,.1f} MB"
