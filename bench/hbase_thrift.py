"""Volumes in HBase over Thrift, beside files in HDFS and on the local disk: MB/s, and CPU seconds per GB on both sides.

Run it in the mini-cluster, on the region's own host and on another::

    docker exec -i worker1 python - worker1 < bench/hbase_thrift.py
    docker exec -i client python - worker1 < bench/hbase_thrift.py

The argument is the worker whose Thrift server and RegionServer are used; the table's one region lies there. All are run
in turn, in one run. Values are random bytes, so nothing is compressed away. For HDFS one file holds what the volumes
hold; ``hdfs dfs`` starts a JVM each time, which is told apart. Servers' CPU is that of the worker's Thrift server and
RegionServer and of all DataNodes. The local file is written to the disk (fsync), and read when its pages were given up.
"""

from __future__ import annotations

import json
import os
import resource
import secrets
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

from hbimg.rowkeys import KeyRange
from hbimg.store import Put, Store, Table, TableSettings, open_store

#: Frames of a volume, bytes of a frame, volumes: about 150 MB each.
SHAPES = [(176, 128 << 10, 6), (140, 512 << 10, 2)]
REPEATS = 3
WORKERS = ("worker1", "worker2", "worker3")


def servers_cpu_s(worker: str) -> float:
    """CPU seconds so far of a worker's Thrift server and RegionServer and of all DataNodes, as their JVMs tell."""
    total = 0.0
    for place in (f"{worker}:9095", f"{worker}:16030", *(f"{host}:9864" for host in WORKERS)):
        with urllib.request.urlopen(f"http://{place}/jmx?qry=java.lang:type=OperatingSystem", timeout=20) as answer:
            total += json.load(answer)["beans"][0]["ProcessCpuTime"] / 1e9
    return total


def client_cpu_s() -> float:
    """CPU seconds so far of this process and of those it started."""
    return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


def write(table: Table, volume: int, frames: list[bytes]) -> None:
    """Write one volume, a row for each frame."""
    table.put_many(Put(b"v%02d,%06d" % (volume, n), {b"i:0000": frame}) for n, frame in enumerate(frames))


def read(table: Table, volume: int, frames: list[bytes]) -> None:
    """Read one volume, and make sure that it is the one."""
    key_range = KeyRange(b"v%02d," % volume, b"v%02d-" % volume)
    found = [bytes(row.cells[b"i:0000"]) for row in table.scan(key_range, ["i"])]
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
        table = store.create_table(f"doctor_bench_{secrets.token_hex(4)}", TableSettings())
        if table.regions()[0].server.partition(".")[0] == worker:
            return table
        store.drop_table(table.name)
    sys.exit(f"HBase put no region on {worker}: is its RegionServer there?")


def hdfs(*arguments: str) -> None:
    """Run a command of HDFS's."""
    subprocess.run(["hdfs", "dfs", *arguments], check=True, capture_output=True)


def write_file(path: Path, frames: list[bytes], volumes: int) -> None:
    """Write a local file to the disk, and let go of its pages."""
    with path.open("wb") as file:
        for _ in range(volumes):
            file.writelines(frames)
        file.flush()
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def read_file(path: Path) -> None:
    """Read a local file from the disk."""
    with path.open("rb", buffering=0) as file:
        while file.read(4 << 20):
            pass
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def main(worker: str) -> None:
    """Run all and print a table."""
    with (
        open_store(f"hbase://{worker}?client=thrift&own_host=no") as store,
        tempfile.TemporaryDirectory(dir=".") as folder,
    ):
        table = table_on(store, worker)
        try:
            print(f"client on {socket.gethostname()}, servers on {worker}, load {os.getloadavg()[0]:.1f}\n")
            print("| volumes | what | MB/s median (min - max) | client CPU s/GB | servers CPU s/GB |")
            print("|---|---|---|---|---|")
            for shape in SHAPES:
                bench(table, worker, shape, Path(folder))
                table.delete_range(KeyRange())  # the next shape has fewer rows
        finally:
            store.drop_table(table.name)
        begin = time.perf_counter()
        hdfs("-ls", "/")
        print(f"\nof each hdfs dfs about {time.perf_counter() - begin:.1f} s are its start (hdfs dfs -ls /)")


def bench(table: Table, server: str, shape: tuple[int, int, int], folder: Path) -> None:
    """Measure volumes of one shape."""
    count, size, volumes = shape
    frames = [os.urandom(size) for _ in range(count)]
    path, remote = folder / "volumes", f"/tmp/doctor-bench-{os.getpid()}"
    half = volumes // 2
    rivals: dict[str, Callable[[], object]] = {
        "HBase write": lambda: [write(table, volume, frames) for volume in range(volumes)],
        "HBase read": lambda: [read(table, volume, frames) for volume in range(volumes)],
        "HBase read, two at once": lambda: together(
            *(lambda p=p: [read(table, v, frames) for v in range(p * half, (p + 1) * half)] for p in range(2))
        ),
        "local disk write": lambda: write_file(path, frames, volumes),
        "local disk read": lambda: read_file(path),
        "hdfs dfs -put": lambda: hdfs("-put", "-f", str(path), remote),
        "hdfs dfs -get": lambda: hdfs("-get", "-f", remote, str(path) + ".back"),
    }
    total = count * size * volumes
    taken: dict[str, list[tuple[float, float, float]]] = {what: [] for what in rivals}
    for _ in range(REPEATS):
        for what, run in rivals.items():
            before = time.perf_counter(), client_cpu_s(), servers_cpu_s(server)
            run()
            after = time.perf_counter(), client_cpu_s(), servers_cpu_s(server)
            taken[what].append(tuple(b - a for a, b in zip(before, after, strict=True)))
    hdfs("-rm", "-f", "-skipTrash", remote)
    for what, runs in taken.items():
        rates = [total / 1e6 / seconds for seconds, _, _ in runs]
        client, servers = (statistics.median(run[side] for run in runs) / (total / 1e9) for side in (1, 2))
        spread = f"{statistics.median(rates):.0f} ({min(rates):.0f} - {max(rates):.0f})"
        print(
            f"| {volumes} of {count} x {size >> 10} KiB | {what} | {spread} | {client:.1f} | {servers:.1f} |",
            flush=True,
        )


if __name__ == "__main__":
    main(sys.argv[1])
