"""Volumes written to and read from HBase over Thrift, from this host: MB/s, and CPU seconds per GB on both sides.

Run it in the mini-cluster, on the region's own host and on another::

    docker exec -i worker1 python - worker1 < bench/hbase_thrift.py
    docker exec -i client python - worker1 < bench/hbase_thrift.py

The argument is the worker whose Thrift server and RegionServer are used; the table's one region lies there. Reading one
volume after the other, and two at once over a connection each, are run in turn. Values are random bytes, so nothing is
compressed away.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import statistics
import sys
import threading
import time
import urllib.request
from collections.abc import Callable

from hbimg.rowkeys import KeyRange
from hbimg.store import Put, Store, Table, TableSettings, open_store

SHAPES = [(176, 128 << 10), (140, 512 << 10)]
REPEATS = 5
VOLUMES = 2


def cpu_seconds(host: str) -> float:
    """CPU seconds so far of a host's Thrift server and RegionServer, as their JVMs tell."""
    total = 0.0
    for port in (9095, 16030):
        url = f"http://{host}:{port}/jmx?qry=java.lang:type=OperatingSystem"
        with urllib.request.urlopen(url, timeout=20) as answer:
            total += json.load(answer)["beans"][0]["ProcessCpuTime"] / 1e9
    return total


def write(table: Table, volume: int, frames: list[bytes]) -> None:
    """Write one volume, a row for each frame."""
    table.put_many(Put(b"v%d,%06d" % (volume, n), {b"i:0000": frame}) for n, frame in enumerate(frames))


def read(table: Table, volume: int, frames: list[bytes]) -> None:
    """Read one volume, and make sure that it is the one."""
    found = [bytes(row.cells[b"i:0000"]) for row in table.scan(KeyRange(b"v%d," % volume, b"v%d-" % volume), ["i"])]
    assert found == frames, "other bytes came back"


def together(*calls: Callable[[], None]) -> None:
    """Call all at once and wait."""
    threads = [threading.Thread(target=call) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def table_on(store: Store, worker: str) -> Table:
    """Make a table whose region lies on a worker: HBase chooses, so make some until it chooses that one."""
    for _ in range(30):
        table = store.create_table(f"bench_{secrets.token_hex(4)}", TableSettings())
        if table.regions()[0].server.partition(".")[0] == worker:
            return table
        store.drop_table(table.name)
    sys.exit(f"HBase put no region on {worker}: is its RegionServer there?")


def main(worker: str) -> None:
    """Run all and print a table."""
    with open_store(f"hbase://{worker}?own_host=no") as store:
        table = table_on(store, worker)
        try:
            print(f"client on {socket.gethostname()}, servers on {worker}, load {os.getloadavg()[0]:.1f}\n")
            print("| frames | what | MB/s median (min - max) | client CPU s/GB | servers CPU s/GB |")
            print("|---|---|---|---|---|")
            for count, size in SHAPES:
                bench(table, worker, count, size)
                table.delete_range(KeyRange())  # the next shape has fewer rows
        finally:
            store.drop_table(table.name)


def bench(table: Table, server: str, count: int, size: int) -> None:
    """Measure volumes of one shape."""
    frames = [os.urandom(size) for _ in range(count)]
    rivals: dict[str, Callable[[], None]] = {
        "write": lambda: [write(table, volume, frames) for volume in range(VOLUMES)] and None,
        "read": lambda: [read(table, volume, frames) for volume in range(VOLUMES)] and None,
        "read, two at once": lambda: together(*(lambda v=v: read(table, v, frames) for v in range(VOLUMES))),
    }
    total = count * size * VOLUMES
    taken: dict[str, list[tuple[float, float, float]]] = {what: [] for what in rivals}
    for _ in range(REPEATS):
        for what, run in rivals.items():
            before = time.perf_counter(), time.process_time(), cpu_seconds(server)
            run()
            after = time.perf_counter(), time.process_time(), cpu_seconds(server)
            taken[what].append(tuple(b - a for a, b in zip(before, after, strict=True)))
    for what, runs in taken.items():
        rates = [total / 1e6 / seconds for seconds, _, _ in runs]
        client, servers = (statistics.median(run[side] for run in runs) / (total / 1e9) for side in (1, 2))
        spread = f"{statistics.median(rates):.0f} ({min(rates):.0f} - {max(rates):.0f})"
        print(f"| {count} x {size >> 10} KiB | {what} | {spread} | {client:.1f} | {servers:.1f} |")


if __name__ == "__main__":
    main(sys.argv[1])
