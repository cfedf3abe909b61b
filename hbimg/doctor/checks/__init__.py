"""The checks of a cluster, in the order in which they are told. Each yields findings from what was seen."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from hbimg.doctor.checks import clocks, disks, limits, memory, names, nodes, placement, safety, services, versions
from hbimg.doctor.cluster import Cluster
from hbimg.doctor.findings import Finding

Check = Callable[[Cluster], Iterator[Finding]]

CHECKS: dict[str, tuple[Check, ...]] = {
    "services": (
        services.masters,
        services.workers,
        services.roles,
        services.zookeepers,
        services.ways,
        services.thrift_servers,
        services.hdfs,
        services.hbase,
        services.tables,
        services.settings,
    ),
    "versions": (versions.java, versions.hadoop, versions.hbase, nodes.nodes),
    "clocks and names": (clocks.clocks, names.names, names.reverse),
    "limits": (limits.cells, limits.requests, limits.thrift, limits.timeouts),
    "memory": (memory.heaps, memory.collector, memory.shares, memory.tasks, memory.watch),
    "placement": (placement.balancer, placement.normalizer, placement.locality, safety.short_circuit),
    "safety": (safety.replication, safety.durability, disks.hdfs, disks.datanodes, disks.nodemanagers),
}
