"""Ten gigabytes into HBase and out again in one go: does the memory of client and servers stay flat?

Run it in the mini-cluster; the second argument is gigabytes::

    docker exec -i client python - head 10 < bench/hbase_soak.py

Frames of 512 KiB, cut out of 64 MiB of random bytes, go by two threads into a table of twelve regions, and are read
again by two threads and compared. Every few seconds it notes the client's resident memory, the heap in use of every
RegionServer and Thrift server, and HDFS's free space; it stops when that is below 8 GB. The table is deleted. While it
exists, HBase does not compact it: ten gigabytes take forty on the disks already, two copies of files and of logs.
"""

from __future__ import annotations

import os
import secrets
import statistics
import sys
import threading
import time
from collections.abc import Callable

from hbimg.doctor.cluster import NAMENODE
from hbimg.doctor.daemons import meet
from hbimg.doctor.network import Network
from hbimg.doctor.places import Places
from hbimg.doctor.survey import survey
from hbimg.rowkeys import KeyRange
from hbimg.store import Put, Table, TableSettings, open_store
from hbimg.store.hbase_address import HBaseAddress

FRAME_BYTES = 512 << 10
POOL = memoryview(os.urandom((64 << 20) + FRAME_BYTES))
REGIONS = 12
THREADS = 2
EVERY_S = 5.0
LEAST_FREE_BYTES = 8e9
MIB = 1 << 20


def frame(number: int) -> memoryview:
    """Give the bytes of a frame."""
    start = number * 7919 % (64 << 20)
    return POOL[start : start + FRAME_BYTES]


def row_of(number: int) -> bytes:
    """Give a frame's row key, so that frames are dealt out to the regions in turn."""
    return b"%02d,%08d" % (number % REGIONS, number // REGIONS)


class Watch:
    """Samples memory until it is told to stop."""

    def __init__(self, url: str) -> None:
        self.network = Network(HBaseAddress.parse(url))
        found = survey(self.network, Places())
        self.servers = [(d.kind, d.host, d.port) for d in found.of("RegionServer", "Thrift server", "NameNode")]
        self.samples: dict[str, list[float]] = {}
        self.started = {(d.host, d.port): d.bean("java.lang:type=Runtime")["StartTime"] for d in found.daemons}
        self.restarted: set[str] = set()
        self.too_full = threading.Event()
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.run)

    def run(self) -> None:
        """Sample."""
        while not self.stop.wait(EVERY_S):
            self.note("client, resident", int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE"))  # noqa: PTH123, SIM115
            for kind, host, port in self.servers:
                daemon = meet(self.network, kind, host, port)
                if daemon.trouble:
                    self.restarted.add(f"{daemon}: {daemon.trouble}")
                elif kind == "NameNode":
                    free = float(daemon.bean(NAMENODE)["Free"]) / 3  # the mini-cluster's DataNodes share one disk
                    self.note("disk, free", free)
                    if free < LEAST_FREE_BYTES:
                        self.too_full.set()
                else:
                    self.note(f"{kind} {host}, heap", daemon.bean("java.lang:type=Memory")["HeapMemoryUsage"]["used"])
                    if daemon.bean("java.lang:type=Runtime")["StartTime"] != self.started[host, port]:
                        self.restarted.add(str(daemon))

    def note(self, what: str, size_bytes: float) -> None:
        """Keep a sample."""
        self.samples.setdefault(what, []).append(size_bytes / MIB)

    def table(self) -> None:
        """Print what was seen: flat is where the last third is not above the first."""
        print("\n| memory, MiB | samples | least | median of first third | of last third | most |")
        print("|---|---|---|---|---|---|")
        for what, values in self.samples.items():
            third = max(1, len(values) // 3)
            first, last = statistics.median(values[:third]), statistics.median(values[-third:])
            print(f"| {what} | {len(values)} | {min(values):,.0f} | {first:,.0f} | {last:,.0f} | {max(values):,.0f} |")
        print(f"\nservers that ended or started anew: {', '.join(sorted(self.restarted)) or 'none'}")


def in_parts(work: Callable[[int], None]) -> float:
    """Run a part of the work in each thread, and give the seconds."""
    failures: list[BaseException] = []

    def guarded(part: int) -> None:
        try:
            work(part)
        except BaseException as error:  # noqa: BLE001 - told below
            failures.append(error)

    begin = time.perf_counter()
    threads = [threading.Thread(target=guarded, args=(part,)) for part in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return time.perf_counter() - begin


def main(host: str, gigabytes: float) -> None:
    """Run all and print the tables."""
    url = f"hbase://{host}?client=thrift&own_host=no"
    count = int(gigabytes * 1e9) // FRAME_BYTES
    watch = Watch(url)
    points = tuple(b"%02d" % number for number in range(1, REGIONS))
    settings = TableSettings(split_points=points, attributes={"COMPACTION_ENABLED": "false"})
    with open_store(url) as store:
        table = store.create_table(f"doctor_soak_{secrets.token_hex(4)}", settings)
        watch.thread.start()
        try:
            written = [0] * THREADS

            def write(part: int) -> None:
                def puts():
                    for number in range(part, count, THREADS):
                        if watch.too_full.is_set():
                            return
                        written[part] += 1
                        yield Put(row_of(number), {b"i:0": frame(number)})

                table.put_many(puts())

            seconds = in_parts(write)
            report("written", sum(written), seconds)
            if watch.too_full.is_set():
                print("stopped: the disk was nearly full")
            found = [0] * THREADS
            seconds = in_parts(lambda part: read(table, part, found))
            report("read and compared", sum(found), seconds)
            assert sum(found) == sum(written), "frames are missing"
        finally:
            watch.stop.set()
            watch.thread.join()
            store.drop_table(table.name)
    watch.table()


def read(table: Table, part: int, found: list[int]) -> None:
    """Read every second region, and make sure of each byte."""
    for region in range(part, REGIONS, THREADS):
        for n, row in enumerate(table.scan(KeyRange(b"%02d," % region, b"%02d-" % region), ["i"])):
            number = n * REGIONS + region
            assert row.key == row_of(number), row.key
            assert row.cells[b"i:0"] == frame(number), "other bytes came back"
            found[part] += 1


def report(what: str, frames: int, seconds: float) -> None:
    """Print a line."""
    size, load = frames * FRAME_BYTES, os.getloadavg()[0]
    rate = size / 1e6 / seconds
    print(f"{what}: {size / 1e9:.2f} GB in {seconds:.0f} s, {rate:.0f} MB/s, load {load:.1f}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
