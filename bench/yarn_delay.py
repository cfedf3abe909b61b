"""How long maps should wait for their own host on unequal workers: wall-clock, idle slots, remote bytes by waiting.

Run it on the machine with the engine, with the cluster up, this code on its nodes (`docker/cluster test --collect-only
-q`) and nobody else on it::

    python bench/yarn_delay.py --delays=-1:-1,40:-1,40:0

The workers get as many slots as --slots says, the first one room for the application master besides, and all hold the
same: each is the host of a third of the volumes. Volumes are small and padded, so that all tasks take equally long. A
delay is two of YARN's settings, `yarn.scheduler.capacity.node-locality-delay` and `...rack-locality-additional-delay`:
how many offers of a slot a map lets pass that are not on its own host, and how many more that are in another rack; a
node offers once a second, and YARN waits for at most as many as there are nodes. -1 is no waiting for the first, and
for the second fewer offers, the fewer maps are left. `idle` is the share of the slots' time between the first map's
launch and the last one's end in which they had no map.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

CLIENT = shlex.split(os.environ.get("HBIMG_CLUSTER_CLIENT", "docker exec -i client"))
URL, TABLE = "hbase://head", "bench_yarn_delay"
QUEUES = "/etc/hbimg-cluster/capacity-scheduler.xml"
TASK_MB = 768  # what hbimg asks for a task with small volumes
MASTER_MB = 2048  # more than the smaller workers have: so the application master is always on the first one

FILL = """
from hbimg.model import VolumeKey
from hbimg.store import open_store
from hbimg.store.rpc.admin import open_admin
from hbimg.testing.volumes import nifti_content, smooth_voxels
from hbimg.volumes import VolumeTable, store_content
with open_store(URL) as store, open_admin(URL) as admin:
    if TABLE in store.tables():
        store.drop_table(TABLE)
    admin.set_balancer(on=COUNT == 0)
    if COUNT:
        servers = admin.servers()
        cuts = tuple(b"made,sub-%03d!" % (n * COUNT // len(servers)) for n in range(1, len(servers)))
        volumes = VolumeTable.create(store, TABLE, splits=cuts)
        for region, server in zip(admin.regions(TABLE), servers):
            admin.move(region, server)
        voxels = smooth_voxels((64, 64, 32))
        for n in range(COUNT):
            store_content(volumes, nifti_content(VolumeKey("made", f"sub-{n:03d}", "ses", "T1w"), voxels + n))
        print(next(volumes.records()).bytes_to_read)
"""


def output_of(*command: str, text: str = "") -> str:
    """Run a command and give what it prints."""
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{shlex.join(command)}: {done.stderr}")
    return done.stdout


def fill(count: int) -> str:
    """Make the table with so many volumes; none: only delete it. Gives the bytes of a volume."""
    text = f"URL, TABLE, COUNT = {URL!r}, {TABLE!r}, {count}\n{FILL}"
    return output_of(*CLIENT, "python", "-", text=text).strip()


@contextmanager
def slots_of_workers(slots: list[int]) -> Iterator[None]:
    """Give the workers so many slots; in the end they have what they had."""
    answer = output_of(*CLIENT, "curl", "-s", "http://head:8088/ws/v1/cluster/nodes")
    nodes = sorted(json.loads(answer)["nodes"]["node"], key=lambda node: node["nodeHostName"])
    if len(nodes) != len(slots):
        sys.exit(f"--slots has {len(slots)} numbers, YARN has {len(nodes)} workers")
    try:
        for number, (node, count) in enumerate(zip(nodes, slots, strict=True)):
            is_first = number == 0
            set_resource(node["id"], count * TASK_MB + is_first * MASTER_MB, count + is_first)
        yield
    finally:
        for node in nodes:
            set_resource(
                node["id"],
                node["usedMemoryMB"] + node["availMemoryMB"],
                node["usedVirtualCores"] + node["availableVirtualCores"],
            )


def set_resource(node: str, memory_mb: int, cores: int) -> None:
    """Change what a worker gives to tasks."""
    output_of("docker", "exec", "head", "yarn", "rmadmin", "-updateNodeResource", node, str(memory_mb), str(cores))


@contextmanager
def kept_queues() -> Iterator[str]:
    """Give the settings of YARN's queues; in the end they are as before."""
    before = output_of("docker", "exec", "head", "cat", QUEUES)
    try:
        yield before
    finally:
        set_queues(before)


def set_queues(text: str) -> None:
    """Change the settings of YARN's queues."""
    output_of("docker", "exec", "-i", "head", "bash", "-c", f"cat >{QUEUES}", text=text)
    output_of("docker", "exec", "head", "yarn", "rmadmin", "-refreshQueues")


def with_delay(queues: str, delay: str) -> str:
    """Give settings of queues with another delay, NODE:RACK."""
    for name, value in zip(("node-locality-delay", "rack-locality-additional-delay"), delay.split(":"), strict=True):
        queues, count = re.subn(rf"({name}</name><value>)-?\d+", rf"\g<1>{value}", queues)
        if not count:
            sys.exit(f"{QUEUES} has no {name}: it is older than this code")
    return queues


def run(seconds: float, split_bytes: int) -> dict[str, Any]:
    """Run the job and give its report."""
    words = ["run", "checksum", "--table", TABLE, "--store", URL, "--engine", "yarn", "--force", "--json"]
    words += [
        "-D",
        f"yarn.app.mapreduce.am.resource.mb={MASTER_MB}",
        "--pad-to",
        str(seconds),
        "--split-size",
        f"{split_bytes}B",
    ]
    found: dict[str, Any] = json.loads(output_of(*CLIENT, "python", "-m", "hbimg", *words))["report"]
    return found


def main() -> None:
    """Run the job with each delay and print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--volumes", type=int, default=24)
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--in-split", type=int, default=2)
    parser.add_argument("--slots", default="4,2,1")
    parser.add_argument("--delays", default="-1:-1,40:-1,40:0")
    parser.add_argument("--repeats", type=int, default=1)
    chosen = parser.parse_args()
    slots = [int(count) for count in chosen.slots.split(",")]
    found: dict[str, list[dict[str, Any]]] = {delay: [] for delay in chosen.delays.split(",")}
    try:
        size = int(fill(chosen.volumes))
        with slots_of_workers(slots), kept_queues() as queues:
            run(0, size * chosen.volumes)  # packages travel
            for _ in range(chosen.repeats):
                for delay, reports in found.items():
                    set_queues(with_delay(queues, delay))
                    reports.append(run(chosen.seconds, chosen.in_split * size))
                    print(f"{delay}: {reports[-1]['wall_clock_s']:.1f} s", file=sys.stderr, flush=True)
    finally:
        fill(0)
    print("| offers let pass | maps | data-local | read elsewhere | wall s | maps from first to last s | idle |")
    print("|---|---|---|---|---|---|---|")
    for delay, reports in found.items():
        print(line(delay, reports, sum(slots)))


def line(delay: str, reports: list[dict[str, Any]], slots: int) -> str:
    """Give a delay's line of the table: medians."""
    maps = [report["cluster"]["maps"] for report in reports]
    spans, idle = [], []
    for report in reports:
        attempts = report["cluster"]["attempts"]
        spans.append(max(a["over_s"] for a in attempts) - min(a["launched_s"] for a in attempts))
        idle.append(1 - sum(a["over_s"] - a["launched_s"] for a in attempts) / (slots * spans[-1]))
    elsewhere = statistics.median(r["bytes"]["input_remote"] / r["bytes"]["input"] for r in reports)
    return (
        f"| {delay} | {sum(m['launched'] for m in maps)} | {sum(m['data_local'] for m in maps)} | {elsewhere:.0%} | "
        f"{statistics.median(r['wall_clock_s'] for r in reports):.1f} | {statistics.median(spans):.1f} | "
        f"{statistics.median(idle):.0%} |"
    )


if __name__ == "__main__":
    main()
