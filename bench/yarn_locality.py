"""One job on the mini-cluster, reading on the own host against reading all over the network: wall-clock and bytes.

Run it on the machine with the engine, as root, with the cluster up and this code on its nodes (`docker/cluster test
--collect-only`); nobody else may use the cluster meanwhile, since its links are shaped::

    python bench/yarn_locality.py --links 0,200,50 --repeats 3

The rivals run in turn, in one table. `own host` is hbimg's default. `one gateway` reads and writes through the head's
Thrift server, as from shared storage: every byte leaves its worker, and comes in again. A link's speed (Mbit/s, 0: as
it is) is that of each worker's way out, set with `tc` in its network namespace. `tasks` is the time from the first
task's start to the last one's end; what is left of the wall-clock is planning, submission and staging.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import statistics
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

CLIENT = shlex.split(os.environ.get("HBIMG_CLUSTER_CLIENT", "docker exec -i client"))
WORKERS = ("worker1", "worker2", "worker3")
STORES = {"own host": "hbase://head", "one gateway": "hbase://head?client=thrift&own_host=no"}
TABLE = "bench_yarn"

FILL = """
import sys
from hbimg.model import VolumeKey
from hbimg.store import open_store
from hbimg.testing.volumes import nifti_content, smooth_voxels
from hbimg.volumes import VolumeTable, store_content
count, size = int(sys.argv[1]), int(sys.argv[2])
with open_store("hbase://head") as store:
    if NAME in store.tables():
        store.drop_table(NAME)
    if count:
        cuts = tuple(b"made,sub-%03d!" % round(n * count / 6) for n in range(1, 6))
        volumes = VolumeTable.create(store, NAME, splits=cuts)
        voxels = smooth_voxels((size, size, size))
        for n in range(count):
            store_content(volumes, nifti_content(VolumeKey("made", f"sub-{n:03d}", "ses", "T1w"), voxels + n))
"""


def in_client(*words: str, text: str = "") -> str:
    """Run a command in the client container and give what it prints."""
    done = subprocess.run([*CLIENT, *words], input=text, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    return done.stdout


def fill(count: int, size: int) -> None:
    """Make the table with so many cubes of int16 with edges of so many voxels; none: only delete it."""
    in_client("python", "-", str(count), str(size), text=f"NAME = {TABLE!r}\n{FILL}")


@contextmanager
def links(mbit: int) -> Iterator[None]:
    """Shape what leaves each worker to so many Mbit/s; 0 leaves the links as they are."""
    shaped = []
    try:
        for worker in WORKERS if mbit else ():
            process = subprocess.check_output(["docker", "inspect", "-f", "{{.State.Pid}}", worker], text=True).strip()
            inside = ["nsenter", "-t", process, "-n", "tc", "qdisc"]
            shape = ["add", "dev", "eth0", "root", "tbf", "rate", f"{mbit}mbit", "burst", "128kb", "latency", "200ms"]
            subprocess.run([*inside, *shape], check=True)
            shaped.append(inside)
        yield
    finally:
        for inside in shaped:
            subprocess.run([*inside, "del", "dev", "eth0", "root"], check=True)


def run(store: str, more: list[str]) -> dict[str, Any]:
    """Run the job and give its report."""
    words = ["run", "compress", "--table", TABLE, "--store", store, "--engine", "yarn", "--force", "--json", *more]
    found: dict[str, Any] = json.loads(in_client("python", "-m", "hbimg", *words))["report"]
    return found


def main() -> None:
    """Run the rivals in turn and print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--volumes", type=int, default=24)
    parser.add_argument("--size", type=int, default=160)
    parser.add_argument("--links", default="0")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("more", nargs="*", help="more options of hbimg run")
    chosen = parser.parse_args()
    fill(chosen.volumes, chosen.size)
    reports: dict[tuple[int, str], list[dict[str, Any]]] = defaultdict(list)
    try:
        run(STORES["own host"], chosen.more)  # packages travel, blocks get into the caches
        for mbit in map(int, chosen.links.split(",")):
            with links(mbit):
                for repeat in range(chosen.repeats):
                    for name in list(STORES)[:: 1 if repeat % 2 == 0 else -1]:
                        reports[mbit, name].append(run(STORES[name], chosen.more))
    finally:
        fill(0, 0)
    print(
        "| link Mbit/s | reading | data-local maps | wall s (min - max) | tasks s | read s | received / data | to own |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for (mbit, name), found in reports.items():
        print(line(mbit, name, found, statistics.median(r["wall_clock_s"] for r in reports[mbit, "own host"])))


def line(mbit: int, name: str, reports: list[dict[str, Any]], base_s: float) -> str:
    """Give a rival's line of the table: medians, and the wall-clock's ratio to that of reading on the own host."""
    walls = [report["wall_clock_s"] for report in reports]
    maps = [report["cluster"]["maps"] for report in reports]
    local = f"{sum(m['data_local'] for m in maps)} of {sum(m['launched'] for m in maps)}"
    begun = [
        [(a["start_s"], a["end_s"]) for a in report["cluster"]["attempts"] if a["end_s"] is not None]
        for report in reports
    ]
    tasks = statistics.median(max(end for _, end in spans) - min(start for start, _ in spans) for spans in begun)
    read = statistics.median(report["seconds"]["read"] for report in reports)
    sums = [report["cluster"]["reconciled"] for report in reports]
    received = statistics.median(s["received_bytes"] / s["data_bytes"] for s in sums)
    wall = statistics.median(walls)
    return (
        f"| {mbit or 'as is'} | {name} | {local} | {wall:.1f} ({min(walls):.1f} - {max(walls):.1f}) | {tasks:.1f} | "
        f"{read:.1f} | {received:.1%} | {wall / base_s:.2f} |"
    )


if __name__ == "__main__":
    main()
