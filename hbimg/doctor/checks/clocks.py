"""Clocks: HBase orders writes by its RegionServers' clocks."""

from __future__ import annotations

from collections.abc import Iterator

from hbimg.doctor.cluster import Cluster
from hbimg.doctor.daemons import narrowest
from hbimg.doctor.findings import Finding, ok, problem, unknown
from hbimg.doctor.network import Clock

#: Of a difference that is sure. Servers tell whole seconds, so one of up to 2 s may stay unseen without --via.
_MOST_S = 0.5


def clocks(cluster: Cluster) -> Iterator[Finding]:
    """All nodes' clocks agree."""
    readings = _by_host(cluster)
    if len(readings) < 2:
        yield unknown("clock-skew", "nodes", "fewer than two nodes told their time", "start the daemons' web pages")
        return
    latest = max(readings, key=lambda host: readings[host].lowest_s)
    apart = {host: readings[latest].lowest_s - clock.highest_s for host, clock in readings.items()}
    behind = {host: seconds for host, seconds in apart.items() if seconds > _MOST_S}
    for host, seconds in sorted(behind.items()):
        yield problem(
            "clock-skew",
            host,
            f"its clock is at least {seconds:.1f} s behind that of {latest}",
            "keep NTP (chrony) running on every node: HBase orders writes by its servers' clocks, and a write after a "
            "region moved to a server that is behind is hidden by the older one",
        )
    if not behind:
        width = max(clock.highest_s - clock.lowest_s for clock in readings.values())
        yield ok("clock-skew", f"{len(readings)} nodes", f"clocks agree, as far as {max(width, 0.1):.1f} s tell")


def _by_host(cluster: Cluster) -> dict[str, Clock]:
    """Give what all daemons of a node say of its clock; a node's own word is exact, and stands for it."""
    found: dict[str, list[Clock]] = {}
    for daemon in cluster.daemons:
        if daemon.clock is not None:
            found.setdefault(daemon.host.partition(".")[0], []).append(daemon.clock)
    for node in cluster.nodes or ():
        if node.clock is not None:
            found[node.host.partition(".")[0]] = [node.clock]
    together = {host: narrowest(clocks) for host, clocks in found.items()}
    return {host: clock for host, clock in together.items() if clock is not None}
