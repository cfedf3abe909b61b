"""Reading and writing volumes in HBase: its own RPC beside Thrift, numpy from the page cache, and `hdfs dfs`.

Run it in the mini-cluster, on the region's own host and on another one::

    docker exec -i worker1 python - read worker1 < bench/hbase_rpc.py
    docker exec -i worker2 python - read worker1 < bench/hbase_rpc.py
    docker exec -i worker1 python - write worker1 10 < bench/hbase_rpc.py

The second argument is the worker that gets the table's region, the third how many GB are written. All are run in turn,
and every byte that is read is compared. Frames are random bytes and sealed as hbimg seals them, and both clients read
through the same interface, so checksums are on both sides of every ratio. CPU seconds are the client's own, and those
of the RegionServer, Thrift server and DataNode of the region's host, as `/proc` or the JVMs tell.
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
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from hbimg.rowkeys import KeyRange
from hbimg.store import Put, Table, TableSettings, open_store
from hbimg.store.cells import SEAL_BYTES, check_seal, seal
from hbimg.store.rpc.admin import Admin, open_admin

SHAPES = [(352, 128 << 10), (140, 512 << 10)]
REPEATS = 7
#: RegionServer, Thrift server, DataNode.
PORTS = {"RegionServer": 16030, "Thrift": 9095, "DataNode": 9864}


def cpu_seconds(host: str) -> float:
    """CPU seconds so far of a host's servers, as their JVMs tell."""
    total = 0.0
    for port in PORTS.values():
        url = f"http://{host}:{port}/jmx?qry=java.lang:type=OperatingSystem"
        with urllib.request.urlopen(url, timeout=20) as answer:
            total += json.load(answer)["beans"][0]["ProcessCpuTime"] / 1e9
    return total


def rows_of(frames: list[bytes]) -> Iterator[Put]:
    """Give the rows of a volume, sealed."""
    for number, frame in enumerate(frames):
        row = b"v,%06d" % number
        yield Put(row, {b"i:0000": seal(row, b"i:0000", frame)})


def read(table: Table, out: np.ndarray) -> None:
    """Read a volume into an array, and check every seal, as `VolumeReader.frame_bytes` does."""
    for row in table.receive(KeyRange(b"v,", b"v-"), "i", out.data, SEAL_BYTES):
        for column, (payload, found) in row.cells.items():
            check_seal(row.key, column, payload, found)


def on_worker(admin: Admin, name: str, worker: str) -> None:
    """Have a table's region on a worker, with its files there too."""
    target = next(server for server in admin.servers() if server.host.partition(".")[0] == worker)
    for place in admin.regions(name):
        admin.move(place, target)
    admin.flush(name)
    admin.major_compact(name)


def measure(rivals: dict[str, Callable[[], object]], total: int, host: str, repeats: int) -> dict[str, list[float]]:
    """Run rivals in turn; give their MB/s (median, least, most), and CPU seconds per GB of client and servers."""
    taken: dict[str, list[tuple[float, float, float]]] = {what: [] for what in rivals}
    for repeat in range(repeats):
        for what in list(rivals) if repeat % 2 == 0 else reversed(list(rivals)):
            servers, start, client = cpu_seconds(host), time.perf_counter(), cpu_of_self()
            rivals[what]()
            seconds, mine = time.perf_counter() - start, cpu_of_self() - client
            taken[what].append((seconds, mine, cpu_seconds(host) - servers))
    found = {}
    for what, runs in taken.items():
        rates = [total / 1e6 / seconds for seconds, _, _ in runs]
        cpu = [statistics.median(run[side] for run in runs) / (total / 1e9) for side in (1, 2)]
        found[what] = [statistics.median(rates), min(rates), max(rates), *cpu]
    return found


def cpu_of_self() -> float:
    """CPU seconds of this process and of those that it waited for."""
    return sum(os.times()[:4])


def show(title: str, found: dict[str, list[float]], bases: tuple[str, ...]) -> None:
    """Print one table with ratios."""
    print(f"\n### {title}\n")
    print(
        "| what | MB/s median (min - max) | "
        + "".join(f"to {base} | " for base in bases)
        + "client CPU s/GB | servers CPU s/GB |"
    )
    print("|---|---|" + "---|" * len(bases) + "---|---|")
    for what, (median, least, most, client, servers) in found.items():
        ratios = "".join(f"{median / found[base][0]:.2f} | " for base in bases)
        print(
            f"| {what} | {median:.0f} ({least:.0f} - {most:.0f}) | {ratios}{client:.2f} | {servers:.2f} |", flush=True
        )


def bench_read(worker: str) -> None:
    """Read volumes of both shapes, block cache warm."""
    name = f"bench_{secrets.token_hex(4)}"
    with (
        open_store(f"hbase://{worker}?client=rpc") as native,
        open_store(f"hbase://{worker}?client=thrift&own_host=no") as thrift,
        open_admin(f"hbase://{worker}") as admin,
    ):
        for count, size in SHAPES:
            frames = [os.urandom(size) for _ in range(count)]
            whole = np.frombuffer(b"".join(frames), np.uint8)
            table = native.create_table(name, TableSettings())
            try:
                table.put_many(rows_of(frames))
                on_worker(admin, name, worker)
                bench_shape(worker, (table, thrift.table(name)), whole, f"{count} frames of {size >> 10} KiB")
            finally:
                native.drop_table(name)


def bench_shape(worker: str, tables: tuple[Table, Table], whole: np.ndarray, what: str) -> None:
    """Measure one shape."""
    folder = tempfile.mkdtemp()
    path = Path(folder) / "volume.npy"
    np.save(path, whole)

    def reads(table: Table) -> Callable[[], None]:
        def run() -> None:
            out = np.empty(whole.size + SEAL_BYTES, np.uint8)
            read(table, out)
            last[0] = out

        return run

    last: list[np.ndarray] = [whole]
    rivals = {"Thrift 2": reads(tables[1]), "HBase's RPC": reads(tables[0]), "numpy": lambda: np.load(path)}
    for what_is, run in rivals.items():  # warm, and compared
        run()
        assert np.array_equal(last[0][: whole.size], whole), f"{what_is}: other bytes came back"
    found = measure(rivals, whole.size, worker, REPEATS)
    show(
        f"{what}: client on {socket.gethostname()}, region on {worker}, load {os.getloadavg()[0]:.1f}",
        found,
        ("Thrift 2", "numpy"),
    )
    path.unlink()


def bench_write(worker: str, gigabytes: float) -> None:
    """Write so many GB each way, in rounds of half a GB that take turns; 512 KiB frames, volumes of 140."""
    frames = [os.urandom(512 << 10) for _ in range(140)]
    volumes = 7
    total = volumes * sum(map(len, frames))
    path = Path(tempfile.mkdtemp()) / "round"
    with path.open("wb") as file:
        for _ in range(volumes):
            file.writelines(frames)
    ways = {
        "Thrift 2": "client=thrift&own_host=no",
        "HBase's RPC": "client=rpc",
        "HBase's RPC, durability=skip_wal": "client=rpc&durability=skip_wal",
    }
    names = {way: f"bench_{secrets.token_hex(4)}" for way in ways}
    rounds = iter(range(1 << 30))

    def writes(way: str) -> Callable[[], None]:
        def run() -> None:
            with open_store(f"hbase://{worker}?{ways[way]}") as store:
                table = store.table(names[way])
                for volume in range(volumes):
                    row = b"%s,%03d" % (secrets.token_hex(8).encode(), volume)
                    table.put_many(
                        Put(b"%s,%06d" % (row, n), {b"i:0000": seal(row, b"i:0000", frame)})
                        for n, frame in enumerate(frames)
                    )
                    assert table.check_and_put(row, b"m:done", None, {b"m:done": b"1"})

        return run

    def hdfs() -> None:
        subprocess.run(["hdfs", "dfs", "-put", path, f"/{names['Thrift 2']}_{next(rounds)}"], check=True)

    rivals: dict[str, Callable[[], object]] = {"`hdfs dfs -put`": hdfs, **{way: writes(way) for way in ways}}
    with open_store(f"hbase://{worker}?client=rpc") as store, open_admin(f"hbase://{worker}") as admin:
        balancer = admin.set_balancer(on=False)
        try:
            for name in names.values():
                store.create_table(name, TableSettings())
                on_worker(admin, name, worker)
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            found = measure(rivals, total, worker, max(1, round(gigabytes * 1e9 / total)))
            grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
            title = f"{gigabytes:g} GB each way, client on {socket.gethostname()}, regions on {worker}"
            show(f"{title}, load {os.getloadavg()[0]:.1f}", found, ("Thrift 2", "`hdfs dfs -put`"))
            print(f"\nThe writer's largest resident memory grew by {grown:.0f} MiB.")
        finally:
            for name in names.values():
                store.drop_table(name)
            admin.set_balancer(on=balancer)
            subprocess.run(["hdfs", "dfs", "-rm", "-r", "-skipTrash", f"/{names['Thrift 2']}_*"], check=False)
            path.unlink()


if __name__ == "__main__":
    if sys.argv[1] == "write":
        bench_write(sys.argv[2], float(sys.argv[3]))
    else:
        bench_read(sys.argv[2])
