"""Limits of Thrift servers and RegionServers on cells, calls and time."""

from __future__ import annotations

from collections.abc import Iterator

from hbimg.doctor.cluster import Cluster
from hbimg.doctor.findings import Finding, advice, ok, problem
from hbimg.store.hbase_limits import CLIENT_CELL, DEFAULT_CELL_BYTES, FRAME, FRAME_MIB, SERVER_CELL, SMALLEST_CELL_BYTES

_LARGEST_BATCH = 16 << 20
_DEFAULT_OPERATION_MS = 1_200_000


def cells(cluster: Cluster) -> Iterator[Finding]:
    """Cells of hbimg's size are taken, by Thrift servers (as HBase's clients) and by RegionServers."""
    daemons = cluster.of("Thrift server", "RegionServer")
    low = 0
    for daemon in daemons:
        setting = CLIENT_CELL if daemon.kind == "Thrift server" else SERVER_CELL
        limit = daemon.number(setting, DEFAULT_CELL_BYTES)
        if limit <= 0 or limit >= DEFAULT_CELL_BYTES:  # 0 and below: no limit
            continue
        low += 1
        seen = f"{setting} is {limit:,.0f} bytes"
        fix = f"set {setting} to {DEFAULT_CELL_BYTES} (HBase's default) and restart it"
        if limit < SMALLEST_CELL_BYTES:
            yield problem("cell-limit", str(daemon), f"{seen}: hbimg writes cells of up to 1 MiB", fix)
        else:
            yield advice("cell-limit", str(daemon), f"{seen}, below HBase's default", fix)
    if daemons and not low:
        yield ok("cell-limit", f"{len(daemons)} servers", "cells of 10 MiB are taken")


def requests(cluster: Cluster) -> Iterator[Finding]:
    """A RegionServer takes calls of a batch's size, and does not let more wait than its heap holds."""
    for daemon in cluster.of("RegionServer"):
        largest = daemon.number("hbase.ipc.max.request.size", 256 << 20)
        if largest < _LARGEST_BATCH:
            seen = f"hbase.ipc.max.request.size is {largest:,.0f} bytes: hbimg writes batches of 4 MiB and more"
            fix = f"set hbase.ipc.max.request.size to at least {_LARGEST_BATCH} (HBase's default: 268435456)"
            yield problem("request-limit", str(daemon), seen, fix)
        queue = daemon.number("hbase.ipc.server.max.callqueue.size", 1 << 30)
        if daemon.heap_bytes and queue > daemon.heap_bytes / 4:
            seen = f"calls of {queue / 2**20:,.0f} MiB may wait in a heap of {daemon.heap_bytes / 2**20:,.0f} MiB"
            fix = "set hbase.ipc.server.max.callqueue.size to an eighth of the heap (268435456 for 2 GB), or raise -Xmx"
            yield advice("call-queue", str(daemon), seen, fix)


def thrift(cluster: Cluster) -> Iterator[Finding]:
    """Thrift servers take a batch in one message, pack alike, and give up before hbimg does."""
    packings = {seen.packing for seen in cluster.thrift if seen.packing}
    if len(packings) > 1:
        told = "; ".join(f"{seen.server} {'/'.join(seen.packing)}" for seen in cluster.thrift if seen.packing)
        fix = "give all the same hbase.regionserver.thrift.framed and .compact: hbimg finds out, others do not"
        yield advice("thrift-packings", "Thrift servers", told, fix)
    elif packings:
        yield ok("thrift-packings", "Thrift servers", f"transport and protocol: {'/'.join(packings.pop())}")
    framed = {seen.server.host for seen in cluster.thrift if seen.packing and seen.packing.transport == "framed"}
    for daemon in cluster.of("Thrift server"):
        frame = daemon.number(FRAME, 2)
        if daemon.host in framed and frame < FRAME_MIB:
            fix = f"set {FRAME} to at least {FRAME_MIB} and restart it"
            yield problem(
                "thrift-frame", str(daemon), f"messages of at most {frame:.0f} MiB; a batch has 4 or more", fix
            )


def timeouts(cluster: Cluster) -> Iterator[Finding]:
    """A Thrift server gives up a call before hbimg makes it again."""
    ours_s = cluster.address.timeout_s
    late = [
        (daemon, daemon.number("hbase.client.operation.timeout", _DEFAULT_OPERATION_MS) / 1000)
        for daemon in cluster.of("Thrift server")
    ]
    for daemon, theirs_s in late:
        if theirs_s >= ours_s:
            yield advice(
                "thrift-timeout",
                str(daemon),
                f"it tries a call for {theirs_s:,.0f} s, hbimg waits {ours_s:,.0f} s and makes it again",
                "set the Thrift servers' hbase.client.operation.timeout to 50000: a call that ends late may write "
                "again what was deleted since",
            )
    if late and all(theirs_s < ours_s for _, theirs_s in late):
        yield ok("thrift-timeout", f"{len(late)} Thrift servers", "they give up a call before hbimg makes it again")
