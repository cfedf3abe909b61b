"""Ingests into HBase: its own RPC with the log and in bulk mode, beside Thrift and `hdfs dfs -put`."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from hbase_measuring import (
    MIB,
    PORTS,
    Rival,
    interleave,
    jmx,
    on_worker,
    process_of,
    resident_mib,
    server_cpu_seconds,
    show,
)

from hbimg.ingest import pipeline
from hbimg.ingest.candidates import Names
from hbimg.ingest.keys import KeyRules
from hbimg.ingest.planned import IngestOptions, Target
from hbimg.ingest.workers import Pool
from hbimg.store import Store, open_store
from hbimg.store.rpc.admin import Admin, open_admin
from hbimg.volumes import VolumeTable

VOLUMES = 14
FRAMES, SIDE = 140, 512  # of 512 x 512 16-bit voxels: 512 KiB
#: How long the servers' compactions of one rival are waited for before the next one begins, at most.
SETTLE_S = 10.0
#: CPU seconds that all servers together use in a second when they have nothing to do.
QUIET_CPU_SECONDS = 0.5
#: Thrift takes part in every so many rounds.
SLOW = 3
#: After so many rounds a table is dropped and made anew: HBase keeps two copies of all, and a log of it for a while.
ROUNDS_KEPT = 2
WAYS = {
    "Thrift 2": "client=thrift&own_host=no",
    "HBase's RPC": "client=rpc",
    "HBase's RPC, durability=skip_wal": "client=rpc&durability=skip_wal",
}


def made_files(folder: Path) -> int:
    """Write NIfTI files of random voxels, one volume each; give their bytes."""
    import nibabel

    header = nibabel.Nifti1Header()
    header.set_data_dtype("<i2")
    header.set_data_shape((SIDE, SIDE, FRAMES))
    header["magic"], header["vox_offset"] = header.single_magic, header.single_vox_offset
    head = header.binaryblock.ljust(int(header.single_vox_offset), b"\0")
    for number in range(VOLUMES):
        with (folder / f"s{number:02d}.nii").open("wb") as file:
            file.write(head)
            for _ in range(FRAMES):
                file.write(os.urandom(2 * SIDE * SIDE))
    return sum(path.stat().st_size for path in folder.iterdir())


class Ingest:
    """One way to ingest the files, each time under keys of its own; memory is looked at after each time."""

    def __init__(self, store: Store, admin: Admin, folder: Path, workers: list[str]) -> None:
        self._store, self._admin = store, admin
        self._folder, self._workers = folder, workers
        self._begin_table()
        self._server = process_of("regionserver")
        self._round = 0
        #: MiB after each time: of this process, of the RegionServer, and of its heap.
        self.memory: list[tuple[float, float, float]] = []

    def _begin_table(self) -> None:
        self.volumes = VolumeTable.create(self._store, f"bench_{secrets.token_hex(4)}", fixed=True)
        on_worker(self._admin, self.volumes.name, self._workers[0])

    def drop_table(self) -> None:
        """Delete what was written."""
        self._store.drop_table(self.volumes.name)

    def run(self) -> None:
        """Ingest as `hbimg ingest` does, in this process."""
        self._round += 1
        options = IngestOptions(KeyRules(Names(project=f"p{self._round}", scan="T1w"), "{subject}.nii", "bench"))
        with Pool(1) as pool:
            planned, _ = pipeline.plan([self._folder], options, pool, lambda *_: None)
            outcomes = list(pipeline.ingest(Target(self.volumes, None), planned, options, pool, lambda *_: None))
        assert [outcome.outcome for outcome in outcomes] == ["stored"] * VOLUMES, outcomes

    def settle(self) -> None:
        """Look at the memory, and wait for what HBase still does with what it was given."""
        heap = jmx(self._workers[0], PORTS["RegionServer"], "java.lang:type=Memory")["HeapMemoryUsage"]["used"] / MIB
        self.memory.append((resident_mib(), resident_mib(self._server), heap))
        end = time.monotonic() + SETTLE_S
        used = server_cpu_seconds(self._workers)
        while time.monotonic() < end:
            time.sleep(1)
            before, used = used, server_cpu_seconds(self._workers)
            if used - before < QUIET_CPU_SECONDS:
                break
        if self._round % ROUNDS_KEPT == 0:
            self.drop_table()
            self._begin_table()


def bench_write(worker: str, gigabytes: float, at_most_s: float) -> None:
    """Ingest so many GB each way, in rounds of a GB that take turns; the table's region is on the own host."""
    folder = Path(tempfile.mkdtemp())
    size_bytes = made_files(folder)
    target = f"/bench_{secrets.token_hex(4)}"
    with open_admin(f"hbase://{worker}") as admin:
        balancer = admin.set_balancer(on=False)
        stores = [open_store(f"hbase://{worker}?{options}") for options in WAYS.values()]
        workers = [worker, *(s.host for s in admin.servers() if s.host.partition(".")[0] != worker)]
        ingests = [Ingest(store, admin, folder, workers) for store in stores]
        try:
            put, remove = hdfs(folder, target)
            rivals = [Rival("`hdfs dfs -put`", put, settle=remove)]
            rivals += [
                Rival(way, ingest.run, settle=ingest.settle, every=SLOW if way == "Thrift 2" else 1)
                for way, ingest in zip(WAYS, ingests, strict=True)
            ]
            rounds = interleave(rivals, workers, max(1, round(gigabytes * 1e9 / size_bytes)), at_most_s)
            each = f"{rounds * size_bytes / 1e9:.1f} GB each way, by Thrift every {SLOW}rd round"
            title = f"{each}, client on {socket.gethostname()}, regions on {worker}"
            show(title, rivals, size_bytes, ["Thrift 2", "`hdfs dfs -put`"])
            print(f"\nThe start of `hdfs dfs` alone takes {start_of_hdfs_s():.1f} s.")
            show_memory(dict(zip(WAYS, ingests, strict=True)))
        finally:
            for store, ingest in zip(stores, ingests, strict=True):
                ingest.drop_table()
                store.close()
            admin.set_balancer(on=balancer)
            shutil.rmtree(folder)


def hdfs(folder: Path, target: str) -> tuple[Callable[[], None], Callable[[], None]]:
    """Give what puts the files into HDFS, and what removes them."""

    def put() -> None:
        subprocess.run(["hdfs", "dfs", "-put", folder, target], check=True)

    def remove() -> None:
        subprocess.run(["hdfs", "dfs", "-rm", "-r", "-skipTrash", target], check=True, capture_output=True)

    return put, remove


def start_of_hdfs_s() -> float:
    """Give how long a command of `hdfs dfs` takes that does nothing."""
    taken = []
    for _ in range(3):
        start = time.perf_counter()
        subprocess.run(["hdfs", "dfs", "-test", "-d", "/"], check=True)
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def show_memory(ingests: dict[str, Ingest]) -> None:
    """Print how memory went, by thirds of the rounds."""
    print("\n| MiB after each round | first third, median | last third, median | most |\n|---|---|---|---|")
    for way, ingest in ingests.items():
        for place, what in enumerate(("writer, resident", "RegionServer, resident", "RegionServer, heap")):
            values = [row[place] for row in ingest.memory]
            third = max(1, len(values) // 3)
            first, last = statistics.median(values[:third]), statistics.median(values[-third:])
            print(f"| {what}, after {way} | {first:.0f} | {last:.0f} | {max(values):.0f} |", flush=True)
