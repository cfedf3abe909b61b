"""Reads of volumes in HBase: its own RPC beside Thrift, Java's client and numpy, with block caches warm and cleared."""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import tempfile
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from hbase_measuring import Rival, cpu_by_thread, interleave, on_worker, process_of, show

from hbimg.rowkeys import KeyRange
from hbimg.store import Put, Table, TableSettings, open_store
from hbimg.store.cells import SEAL_BYTES, check_seal, seal
from hbimg.store.rpc.admin import Admin, open_admin

SHAPES = [(352, 128 << 10), (140, 512 << 10)]
#: Volumes read one after the other in each run, so that a run takes longer than asking for CPU seconds does.
VOLUMES = 4
REPEATS = 5
WARM_UP_S = 60.0


def rows_of(volume: int, frames: list[bytes]) -> Iterator[Put]:
    """Give the rows of a volume, sealed."""
    for number, frame in enumerate(frames):
        row = b"v%d,%06d" % (volume, number)
        yield Put(row, {b"i:0000": seal(row, b"i:0000", frame)})


def read(table: Table, key_range: KeyRange, target: memoryview) -> None:
    """Read rows into an array, and check every seal, as `VolumeReader.frame_bytes` does."""
    for row in table.receive(key_range, "i", target, SEAL_BYTES):
        for column, (payload, found) in row.cells.items():
            check_seal(row.key, column, payload, found)


class Volumes:
    """The volumes of one shape, and the ways to read them all, one after the other into one array.

    The array is always the same: how long the machine takes to give new memory is not what is asked here.
    """

    def __init__(self, count: int, frame_bytes: int) -> None:
        self.count, self.frame_bytes = count, frame_bytes
        self.frames = [[os.urandom(frame_bytes) for _ in range(count)] for _ in range(VOLUMES)]
        self.wholes = [np.frombuffer(b"".join(frames), np.uint8) for frames in self.frames]
        self.compare = False
        self._out = np.ones(count * frame_bytes + SEAL_BYTES, np.uint8)
        self._tail = np.ones(frame_bytes + SEAL_BYTES, np.uint8)
        self._folder = Path(tempfile.mkdtemp())
        for number, whole in enumerate(self.wholes):
            whole.tofile(self._folder / f"{number}")

    @property
    def size_bytes(self) -> int:
        return sum(whole.size for whole in self.wholes)

    def _done(self, number: int) -> None:
        if self.compare:
            assert np.array_equal(self._out[: self.wholes[number].size], self.wholes[number]), "other bytes came back"
            self._out[:] = 1

    def by_table(self, table: Table) -> Callable[[], None]:
        """Scan volume after volume."""

        def run() -> None:
            for number in range(VOLUMES):
                read(table, KeyRange(b"v%d," % number, b"v%d-" % number), self._out.data)
                self._done(number)

        return run

    def by_halves(self, table: Table) -> Callable[[], None]:
        """Scan both halves of a volume at once, on two connections: two handlers of the RegionServer."""
        half, last = self.count // 2, (self.count // 2 - 1) * self.frame_bytes

        def first_half(number: int) -> None:
            # Its last frame comes with a tail that would lie on the second half: it is received beside, and copied.
            read(table, KeyRange(b"v%d," % number, b"v%d,%06d" % (number, half - 1)), self._out.data)
            read(table, KeyRange(b"v%d,%06d" % (number, half - 1), b"v%d,%06d" % (number, half)), self._tail.data)
            self._out[last : last + self.frame_bytes] = self._tail[: self.frame_bytes]

        def run() -> None:
            for number in range(VOLUMES):
                first = threading.Thread(target=first_half, args=(number,))
                first.start()
                read(
                    table,
                    KeyRange(b"v%d,%06d" % (number, half), b"v%d-" % number),
                    self._out.data[last + self.frame_bytes :],
                )
                first.join()
                self._done(number)

        return run

    def by_numpy(self) -> None:
        """Read local files."""
        for number, whole in enumerate(self.wholes):
            with (self._folder / f"{number}").open("rb", buffering=0) as file:
                assert file.readinto(self._out[: whole.size].data) == whole.size
            self._done(number)

    def check(self, rival: Rival) -> None:
        """Run a rival, and compare every byte."""
        self.compare = True
        rival.run()
        self.compare = False


class JavaClient:
    """HBase's Java client in a process of its own (`bench/java/JavaScan.java`)."""

    def __init__(self) -> None:
        path = subprocess.run(["hadoop", "classpath"], capture_output=True, text=True, check=True).stdout.strip()
        source, classes = Path(__file__).parent / "java" / "JavaScan.java", tempfile.mkdtemp()
        java = f"{os.environ['JAVA_HOME']}/bin/java"
        # Java's compiler is in the runtime of Debian, without a command of its own.
        compiler = [java, "-m", "jdk.compiler/com.sun.tools.javac.Main", "-proc:none"]
        subprocess.run([*compiler, "-cp", path, "-d", classes, source], check=True)
        self.process = subprocess.Popen(
            [
                *(java, "-Xmx1g", f"-Dtail={SEAL_BYTES}", "@/opt/cluster/java.options"),
                *("-cp", f"{classes}:{path}", "JavaScan"),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self._line() == "ready"

    def _line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def read(self, table: str, volumes: Volumes, *, ahead: bool) -> None:
        """Read all volumes."""
        assert self.process.stdin is not None
        for number, whole in enumerate(volumes.wholes):
            line = f"{table} v{number}, v{number}- {whole.size + SEAL_BYTES} {str(ahead).lower()}"
            print(f"{line} sum" if volumes.compare else line, file=self.process.stdin, flush=True)
            size, found = self._line().split()
            assert int(size) == whole.size, f"Java: {size} bytes came back"
            if volumes.compare:
                assert int(found) == zlib.crc32(whole), "Java: other bytes came back"

    def close(self) -> None:
        self.process.communicate(timeout=30)


@contextmanager
def stored(admin: Admin, native: object, volumes: Volumes, worker: str) -> Iterator[Table]:
    """Have a table with the volumes, its region and all its files on a worker."""
    name = f"bench_{secrets.token_hex(4)}"
    table = native.create_table(name, TableSettings(attributes={"SPLIT_ENABLED": "false"}))
    try:
        for number, frames in enumerate(volumes.frames):
            table.put_many(rows_of(number, frames))
        on_worker(admin, name, worker)
        yield table
    finally:
        native.drop_table(name)


def bench_read(worker: str) -> None:
    """Read volumes of both shapes."""
    with (
        open_store(f"hbase://{worker}?client=rpc") as native,
        open_store(f"hbase://{worker}?client=thrift&own_host=no") as thrift,
        open_admin(f"hbase://{worker}") as admin,
    ):
        java = JavaClient()
        for count, size in SHAPES:
            volumes = Volumes(count, size)
            with stored(admin, native, volumes, worker) as table:
                rivals = rivals_of(volumes, table, thrift.table(table.name), java, admin)
                for rival in rivals:
                    volumes.check(rival)
                warm_up(java, table.name, volumes, WARM_UP_S if size == SHAPES[0][1] else WARM_UP_S / 4)
                interleave(rivals, [worker], REPEATS)
                what = f"{VOLUMES} volumes of {count} frames of {size >> 10} KiB"
                title = f"{what}: client on {socket.gethostname()}, region on {worker}, {REPEATS} repeats"
                show(title, rivals, volumes.size_bytes, ["Thrift 2", "numpy, page cache", "Java's client"])
        java.close()


def rivals_of(volumes: Volumes, table: Table, by_thrift: Table, java: JavaClient, admin: Admin) -> list[Rival]:
    """Give all ways to read."""

    def clear() -> None:
        assert admin.clear_block_cache(table.name) > 0, "nothing was in the block cache"

    ahead = lambda: java.read(table.name, volumes, ahead=True)  # noqa: E731
    plain = lambda: java.read(table.name, volumes, ahead=False)  # noqa: E731
    process = java.process.pid
    return [
        Rival("Thrift 2", volumes.by_table(by_thrift)),
        Rival("HBase's RPC", volumes.by_table(table)),
        Rival("HBase's RPC, two scans at once", volumes.by_halves(table)),
        Rival("Java's client", plain, process=process),
        Rival("Java's client, asked ahead", ahead, process=process),
        Rival("block cache cleared: Thrift 2", volumes.by_table(by_thrift), clear),
        Rival("block cache cleared: HBase's RPC", volumes.by_table(table), clear),
        Rival("block cache cleared: Java's client", plain, clear, process=process),
        Rival("numpy, page cache", volumes.by_numpy),
    ]


def warm_up(java: JavaClient, table: str, volumes: Volumes, seconds: float) -> None:
    """Have Java's compiler see all of it, and the server's."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        java.read(table, volumes, ahead=False)
        java.read(table, volumes, ahead=True)


def profile_read(worker: str) -> None:
    """Tell where CPU seconds go on both sides, thread by thread; on the region's own host."""
    server = process_of("regionserver")
    with open_store(f"hbase://{worker}?client=rpc") as native, open_admin(f"hbase://{worker}") as admin:
        for count, size in SHAPES:
            volumes = Volumes(count, size)
            with stored(admin, native, volumes, worker) as table:
                for way in (volumes.by_table(table), volumes.by_halves(table)):
                    profile(server, way, volumes.size_bytes, f"{count} frames of {size >> 10} KiB")


def profile(server: int, run: Callable[[], None], size_bytes: int, what: str, passes: int = 20) -> None:
    """Print the CPU seconds per GB of the RegionServer's threads and of this process."""
    run()
    before, mine, start = cpu_by_thread(server), os.times(), time.perf_counter()
    for _ in range(passes):
        run()
    seconds, after, now = time.perf_counter() - start, cpu_by_thread(server), os.times()
    gigabytes = passes * size_bytes / 1e9
    rows = {
        name: tuple((mine - before.get(name, (0.0, 0.0))[side]) / gigabytes for side, mine in enumerate(times))
        for name, times in after.items()
    }
    rows["hbimg"] = ((now.user - mine.user) / gigabytes, (now.system - mine.system) / gigabytes)
    print(f"\n### {what}, {run.__qualname__}: {gigabytes * 1000 / seconds:.0f} MB/s\n")
    print("| thread | user s/GB | system s/GB |\n|---|---|---|")
    for name, (user, system) in sorted(rows.items(), key=lambda row: -sum(row[1])):
        if user + system >= 0.01:
            print(f"| {name} | {user:.2f} | {system:.2f} |", flush=True)
