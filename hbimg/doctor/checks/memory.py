"""Heaps: whether RegionServers, Thrift servers and tasks have the memory that images take (docs/decisions/0035)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from hbimg.doctor.cluster import Cluster, names_of
from hbimg.doctor.daemons import Daemon
from hbimg.doctor.findings import Finding, advice, ok, problem
from hbimg.store.hbase_limits import size_of

_MIB = 1 << 20
#: (kind, below this it dies under images, below this it was never measured), in MiB. A heap reports a little less than
#: -Xmx with some collectors.
_HEAPS_MIB = (("RegionServer", 1000, 1900), ("Thrift server", 380, 480))
#: MemStore keeps cells in chunks of 2 MiB (hbase.hregion.memstore.mslab.chunksize); an object of half a G1 region or
#: more gets regions of its own and fragments the heap.
_G1_REGION_MIB = 8
_SHARE = 0.75
_VOLUME_COPIES = 3


def heaps(cluster: Cluster) -> Iterator[Finding]:
    """Heaps are of a size that held under images."""
    for kind, least, good in _HEAPS_MIB:
        sound = []
        for daemon in cluster.of(kind):
            heap = daemon.heap_bytes / _MIB
            where, seen = str(daemon), f"a heap of {heap:,.0f} MiB"
            option = "HBASE_REGIONSERVER_OPTS" if kind == "RegionServer" else "HBASE_THRIFT_OPTS"
            wish = "2g" if kind == "RegionServer" else "768m"
            fix = f"start it with -Xmx{wish} or more ({option} in hbase-env.sh)"
            if heap and heap < least:
                yield problem("heap-small", where, f"{seen} runs out of memory under cells of 1 MiB", fix)
            elif heap and heap < good:
                yield advice("heap-small", where, f"{seen}; {wish} is what was measured to hold", fix)
            else:
                sound.append(daemon)
        if sound:
            sizes = sorted({round(daemon.heap_bytes / _MIB) for daemon in sound})
            yield ok("heap-small", f"{len(sound)} {kind}s", f"heaps of {', '.join(f'{s:,}' for s in sizes)} MiB")


def collector(cluster: Cluster) -> Iterator[Finding]:
    """G1's regions are large beside a cell, and a daemon that is out of memory ends."""
    for daemon in cluster.of("RegionServer"):
        region = g1_region_bytes(daemon) / _MIB
        if region and region < _G1_REGION_MIB:
            yield advice(
                "g1-regions",
                str(daemon),
                f"G1 regions of {region:.0f} MiB: cells of 1 MiB and MemStore's chunks of 2 MiB fragment the heap",
                "start it with -XX:G1HeapRegionSize=16m (HBASE_REGIONSERVER_OPTS)",
            )
    deaf = [
        daemon
        for daemon in cluster.of("RegionServer", "Thrift server")
        if daemon.java_options and not any("OnOutOfMemoryError" in option for option in daemon.java_options)
    ]
    for kind in dict.fromkeys(daemon.kind for daemon in deaf):
        where = names_of(daemon for daemon in deaf if daemon.kind == kind)
        fix = "start it with -XX:+ExitOnOutOfMemoryError: it ends at once, and others take over"
        yield advice("out-of-memory", f"{kind} {where}", "it stays up, deaf, when its heap is full", fix)


def g1_region_bytes(daemon: Daemon) -> int:
    """Give the size of a daemon's G1 regions, chosen or as Java reckons it; 0 if it has another collector."""
    if not any("G1" in name for name in daemon.beans):
        return 0
    for option in daemon.java_options:
        match = re.fullmatch(r"-XX:G1HeapRegionSize=(\w+)", option)
        if match:
            return int(size_of(match[1], 0))
    # Java's rule (HeapRegion::setup_heap_region_size): the heap in 2048 parts, a power of two from 1 to 32 MiB.
    parts = max(1, daemon.heap_bytes // 2048 // _MIB)
    return int(min(32, 1 << (parts.bit_length() - 1))) * _MIB


def shares(cluster: Cluster) -> Iterator[Finding]:
    """MemStores and block cache leave memory to the calls in flight."""
    for daemon in cluster.of("RegionServer"):
        taken = daemon.number("hbase.regionserver.global.memstore.size", 0.4) + daemon.number(
            "hfile.block.cache.size", 0.4
        )
        if taken > _SHARE and daemon.heap_bytes < 4 << 30:
            yield advice(
                "heap-shares",
                str(daemon),
                f"MemStores and block cache take {taken:.0%} of a heap of {daemon.heap_bytes / _MIB:,.0f} MiB",
                "set hbase.regionserver.global.memstore.size and hfile.block.cache.size to 0.35 each, or raise -Xmx",
            )


def tasks(cluster: Cluster) -> Iterator[Finding]:
    """A task has the memory for the largest volume."""
    if not cluster.tables:
        return
    largest = max(cluster.tables, key=lambda table: table.largest_volume_bytes)
    needed = _VOLUME_COPIES * largest.largest_volume_bytes / _MIB
    for daemon in cluster.of("NodeManager"):
        has = daemon.number("yarn.nodemanager.resource.memory-mb", 8192)
        if 0 < has < needed:
            seen = (
                f"{has:,.0f} MiB for tasks; the largest volume of table {largest.name} has "
                f"{largest.largest_volume_bytes / _MIB:,.0f} MiB, and a task may hold it {_VOLUME_COPIES} times"
            )
            fix = "raise yarn.nodemanager.resource.memory-mb, and mapreduce.map.memory.mb with it"
            yield advice("task-memory", str(daemon), seen, fix)


def watch(cluster: Cluster) -> Iterator[Finding]:
    """YARN holds tasks to the memory that they asked for, by cgroups or by looking at them."""
    unwatched = [daemon for daemon in cluster.of("NodeManager") if daemon.settings and not _watches(daemon)]
    if unwatched:
        seen = "nothing ends a task that takes more memory than it asked for; others on its node are then killed for it"
        fix = (
            "set yarn.nodemanager.resource.memory.enforced to false (Hadoop 3.3 leaves it to cgroups else, YARN-11967)"
        )
        yield advice("task-unwatched", f"NodeManager {names_of(unwatched)}", seen, fix)


def _watches(daemon: Daemon) -> bool:
    """Whether a NodeManager ends tasks that are too large (`ContainersMonitorImpl.checkLimit`)."""
    if daemon.flag("yarn.nodemanager.resource.memory.enforced", default=True):
        return daemon.flag("yarn.nodemanager.resource.memory.enabled", default=False)
    return daemon.flag("yarn.nodemanager.pmem-check-enabled", default=True)
