"""A planned layout beside equal counts of regions, on servers of speeds 1:1:3 behind links of 50 Mbit/s, run in turn.

Run: python bench/allocation.py [--volumes N] [--pad-to S] [--repeats N]. It is an embedded
store with simulated servers, in a folder for temporary files. Jobs are padded, so that five slots fit on two cores.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile

from hbimg.allocation.executor import Executor
from hbimg.allocation.opening import groups_of_table, layout_admin, servers_of_store
from hbimg.allocation.plan_file import StoredPlan
from hbimg.allocation.planner import REGION_BYTES, make_plan
from hbimg.mapreduce.jobs.compress import Compress
from hbimg.mapreduce.run import RunSettings, run_job
from hbimg.model import VolumeKey
from hbimg.store import open_store
from hbimg.testing.volumes import nifti_content, smooth_voxels
from hbimg.volumes import VolumeTable, store_content

SERVERS = "servers=slow1:1,slow2:1,fast:3&link_bytes_per_s=6250000"
#: 6.3 MB, a second on such a link.
SHAPE = (128, 128, 192)
REGIONS_PER_SERVER = 2


def fill(volumes, count):
    """Store volumes, each of a subject of its own."""
    for number in range(count):
        array = smooth_voxels(SHAPE, seed=number % 4)
        store_content(volumes, nifti_content(VolumeKey("bench", f"s{number:04}", "1", "T1w"), array))


def tables(store, count):
    """Make two tables of the same volumes: one with equal regions in turn on all servers, one planned."""
    regions = REGIONS_PER_SERVER * len(store.servers)
    cuts = tuple(f"bench,s{number * count // regions:04}".encode() for number in range(1, regions))
    equal, planned = VolumeTable.create(store, "equal", splits=cuts), VolumeTable.create(store, "planned")
    fill(equal, count)
    fill(planned, count)
    with layout_admin(store, planned) as admin:
        plan = make_plan(groups_of_table(planned), servers_of_store(store, None), "subject", admin.state().layout)
        Executor(planned, admin).apply(StoredPlan.of(plan, "planned", REGION_BYTES))
    return {"equal counts": equal, "planned": planned}, plan


def main():
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--volumes", type=int, default=40)
    parser.add_argument("--pad-to", type=float, default=1.5)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, open_store(f"local://{folder}/store?{SERVERS}") as store:
        found, plan = tables(store, options.volumes)
        walls, local = measure(store, found, options)
        slots = sum(server.slots for server in store.servers)
    ideal = options.volumes * options.pad_to / slots
    print(
        f"{options.volumes} volumes padded to {options.pad_to:g} s on {slots} slots: ideal {ideal:.1f} s; the plan is"
    )
    print(f"{plan.distance:.1%} above the bound, equal counts {plan.hbase.cost / plan.bound - 1:.1%}\n")
    print("| layout | idle workers | wall-clock, median s | all s | over planned | data-local |")
    print("|---|---|---|---|---|---|")
    base = statistics.median(walls["planned", False])
    for (name, stealing), seconds in walls.items():
        median = statistics.median(seconds)
        words = "steal" if stealing else "wait"
        each = ", ".join(f"{second:.1f}" for second in seconds)
        share = statistics.mean(local[name, stealing])
        print(f"| {name} | {words} | {median:.1f} | {each} | {median / base:.2f} | {share:.0%} |")


def measure(store, found, options):
    """Run all four in turn; the order is turned round each time."""
    cases = [(name, stealing) for stealing in (False, True) for name in found]
    walls, local = {case: [] for case in cases}, {case: [] for case in cases}
    for repeat in range(options.repeats):
        for name, stealing in cases if repeat % 2 == 0 else reversed(cases):
            settings = RunSettings(force=True, pad_to_s=options.pad_to, stealing=stealing)
            report = run_job(Compress(), store, found[name], settings).report
            walls[name, stealing].append(report["wall_clock_s"])
            tasks = report["tasks"]
            local[name, stealing].append(sum(task["local"] for task in tasks) / len(tasks))
    return walls, local


if __name__ == "__main__":
    main()
