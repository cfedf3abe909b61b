"""Whether what was written stays: copies, logs on disk; and short-circuit reads, which fail in silence too."""

from __future__ import annotations

from collections.abc import Iterator

from hbimg.doctor.cluster import REGION_SERVER, Cluster
from hbimg.doctor.daemons import Daemon
from hbimg.doctor.findings import Finding, advice, ok, problem

_ENOUGH_BYTES = 1 << 20
_SOCKET = "dfs.domain.socket.path"
_WEAK = ("SKIP_WAL", "ASYNC_WAL")


def replication(cluster: Cluster) -> Iterator[Finding]:
    """HBase's files have copies enough, and not more than there are DataNodes."""
    datanodes = len(cluster.serving("DataNode"))
    servers = cluster.of("RegionServer")
    sound = []
    for daemon in servers:
        copies = int(daemon.number("dfs.replication", 3))
        if not datanodes:
            continue
        if copies > datanodes:
            fix = f"set dfs.replication to at most {datanodes}, or start more DataNodes"
            yield problem("replication-high", str(daemon), f"{copies} copies on {datanodes} DataNodes", fix)
        elif copies == 1:
            fix = "set dfs.replication to 2 or 3 where images are not kept elsewhere"
            yield advice("replication-one", str(daemon), "one copy: a dead disk loses images", fix)
        else:
            sound.append(copies)
    if sound:
        yield ok("replication-one", f"{len(sound)} RegionServers", f"{min(sound)} copies of each block")


def durability(cluster: Cluster) -> Iterator[Finding]:
    """A write that was answered is in a log that outlives its server."""
    for table in cluster.tables:
        chosen = table.attributes.get("DURABILITY", "USE_DEFAULT").upper()
        if chosen in _WEAK:
            fix = "alter 'TABLE', {DURABILITY => 'USE_DEFAULT'} in HBase's shell"
            yield problem(
                "durability-weak", f"table {table.name}", f"DURABILITY is {chosen}: a crash loses writes", fix
            )
    for daemon in cluster.of("RegionServer"):
        if not daemon.flag("hbase.unsafe.stream.capability.enforce", True):
            fix = "remove hbase.unsafe.stream.capability.enforce, keep hbase.rootdir on HDFS"
            yield problem("durability-weak", str(daemon), "its log may lie on a file system that cannot flush", fix)
        if not str(daemon.settings.get("hbase.rootdir", "hdfs:")).startswith("hdfs:"):
            seen = f"hbase.rootdir is {daemon.settings['hbase.rootdir']}"
            yield advice("rootdir-not-hdfs", str(daemon), seen, "locality and short-circuit reads need hdfs://")
    lazy = [daemon for daemon in cluster.of("RegionServer") if not daemon.flag("hbase.wal.hsync", False)]
    if lazy:
        yield ok(
            "wal-sync",
            f"{len(lazy)} RegionServers",
            "a write that is answered is in the memory of all copies (hbase.wal.hsync is false, HBase's default); "
            "hbimg asks for the disk when a volume becomes complete",
        )


def short_circuit(cluster: Cluster) -> Iterator[Finding]:
    """RegionServers read the blocks of their own host from the disk."""
    servers = cluster.of("RegionServer")
    sockets = {daemon.host: daemon.settings.get(_SOCKET, "") for daemon in cluster.of("DataNode")}
    faults = 0
    for daemon in servers:
        seen = _why_not_short(daemon, sockets.get(daemon.host))
        if seen:
            faults += 1
            fix = (
                f"set dfs.client.read.shortcircuit=true and the same {_SOCKET} in hdfs-site.xml of RegionServer and "
                "DataNode; libhadoop.so must be in their java.library.path (`hadoop checknative`)"
            )
            yield advice("short-circuit-off", str(daemon), seen, fix)
    if servers and not faults:
        yield ok("short-circuit-off", f"{len(servers)} RegionServers", "read their own host's blocks from the disk")


def _why_not_short(daemon: Daemon, datanodes_socket: str | None) -> str:
    own = daemon.settings.get(_SOCKET, "")
    bean = daemon.bean(REGION_SERVER)
    local, short = float(bean.get("localBytesRead", 0)), float(bean.get("shortCircuitBytesRead", 0))
    if not daemon.flag("dfs.client.read.shortcircuit", False):
        return "off (dfs.client.read.shortcircuit): each local block goes through a socket"
    if not own or datanodes_socket not in (None, own):
        return f"{_SOCKET} is {own or 'unset'!r} here and {datanodes_socket or 'unset'!r} in the DataNode"
    if local - short > _ENOUGH_BYTES and short < local / 2:
        return f"on, yet only {short / 1e6:,.0f} of {local / 1e6:,.0f} MB that it read here came past the DataNode"
    return ""
