"""What a job on YARN costs beside its work, by the number of volumes and the size of its splits.

Run it in the client container of the mini-cluster, with nothing else on the machine::

    docker exec -i client python - --volumes 50 --seconds 3 --splits 0,2,5,10 <bench/yarn_overhead.py

Volumes are small and each is padded to so many seconds, so the work is known: `ideal` is volumes x seconds / slots,
where slots are what YARN can run at once beside the application master. `in a split` is volumes; 0 is hbimg's default.
The wall-clock is the sum of what follows: `submit` until YARN has the job, `master` until it launches the first map,
then for each slot, as a mean: `start` from a container's launch until its Python works, `work` in volumes, `end` from
there until YARN counts the container as over, `idle` when the slot had none; and `after`, until the report is there.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

from hbimg.mapreduce.jobs.checksum import Checksum
from hbimg.mapreduce.run import RunSettings, run_job
from hbimg.mapreduce.yarn.prepare import Connected
from hbimg.mapreduce.yarn.rest import fetch_json
from hbimg.mapreduce.yarn.submission import ClusterSettings, memory_needed_mb
from hbimg.model import VolumeKey
from hbimg.store import open_store
from hbimg.store.rpc.admin import open_admin
from hbimg.testing.volumes import nifti_content, smooth_voxels
from hbimg.volumes import VolumeTable, load_run, store_content

URL, TABLE = "hbase://head", "bench_yarn_overhead"
PARTS = ("submit", "master", "start", "work", "end", "idle", "after")


def main() -> None:
    """Fill a table, run a job for each size of split, print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--volumes", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--splits", default="0,2,5,10")
    parser.add_argument("--regions", type=int, default=6)
    parser.add_argument("--repeats", type=int, default=1)
    chosen = parser.parse_args()
    with open_store(URL) as store, open_admin(URL) as admin:
        try:
            volumes = filled(store, admin, chosen.volumes, chosen.regions)
            size = next(volumes.records()).bytes_to_read
            slots = free_slots(size)
            print(
                f"| volumes | in a split | maps on {slots} slots | wall s | ideal s | to ideal |",
                " s | ".join(PARTS),
                "s |",
            )
            print("|---" * (6 + len(PARTS)) + "|")
            for _ in range(chosen.repeats):
                for count in map(int, chosen.splits.split(",")):
                    settings = RunSettings(
                        force=True, pad_to_s=chosen.seconds, cluster=ClusterSettings(split_bytes=count * size)
                    )
                    parts, maps = measured(store, volumes, settings, slots)
                    wall, ideal = sum(parts.values()), chosen.volumes * chosen.seconds / slots
                    row = [
                        chosen.volumes,
                        count or "default",
                        maps,
                        f"{wall:.1f}",
                        f"{ideal:.1f}",
                        f"{wall / ideal:.2f}",
                    ]
                    row += [f"{parts[name]:.1f}" for name in PARTS]
                    print("|", " | ".join(map(str, row)), "|", flush=True)
        finally:
            if TABLE in store.tables():
                store.drop_table(TABLE)
            admin.set_balancer(on=True)


def filled(store: Any, admin: Any, count: int, regions: int) -> VolumeTable:
    """Make the table, its regions evenly on the servers."""
    if TABLE in store.tables():
        store.drop_table(TABLE)
    admin.set_balancer(on=False)
    cuts = tuple(b"made,sub-%03d!" % round(n * count / regions) for n in range(1, regions))
    volumes = VolumeTable.create(store, TABLE, splits=cuts)
    servers = admin.servers()
    for number, region in enumerate(admin.regions(TABLE)):
        admin.move(region, servers[number % len(servers)])
    voxels = smooth_voxels((32, 32, 16))
    for n in range(count):
        store_content(volumes, nifti_content(VolumeKey("made", f"sub-{n:03d}", "ses", "T1w"), voxels + n))
    return volumes


def free_slots(size: int) -> int:
    """Give how many tasks the cluster runs at once beside an application master, which takes the place of one."""
    memory_mb = memory_needed_mb(size)
    return sum(min(node.memory_mb // memory_mb, node.cores) for node in Connected.find().cluster.nodes()) - 1


def measured(store: Any, volumes: VolumeTable, settings: RunSettings, slots: int) -> tuple[dict[str, float], int]:
    """Run the job and give the parts of its wall-clock, in seconds, and the number of its maps."""
    begin = time.time()
    result = run_job(Checksum(), store, volumes, settings)
    end = time.time()
    assert result.state == "finished", result
    site = Connected.find().site
    application = load_run(volumes, result.run_id)["application"]
    accepted = fetch_json(f"{site.resource_managers[0]}/ws/v1/cluster/apps/{application}")["app"]["startedTime"] / 1e3
    attempts = [a for a in result.report["cluster"]["attempts"] if a["start_s"] is not None]
    first, last = min(a["launched_s"] for a in attempts), max(a["over_s"] for a in attempts)
    parts = {
        "submit": accepted - begin,
        "master": first - accepted,
        "start": sum(a["start_s"] - a["launched_s"] for a in attempts) / slots,
        "work": sum(a["end_s"] - a["start_s"] for a in attempts) / slots,
        "end": sum(a["over_s"] - a["end_s"] for a in attempts) / slots,
        "after": end - last,
    }
    parts["idle"] = last - first - parts["start"] - parts["work"] - parts["end"]
    return parts, len(attempts)


if __name__ == "__main__":
    main()
