"""The part of yarn_locality.py that runs in the cluster's client: tables, and one run of a rival.

`fill COUNT FOLDER` makes two tables with one region on each worker. The first holds COUNT volumes, each the lower half
of the T1 series in FOLDER. The second is empty and has the same cuts, but each of its regions lies on the next worker.
`run RIVAL` runs the job and prints what was measured as JSON; `drop` deletes both tables.

How `other host` forces a map away from its data: the job's splits are made from the empty table, so YARN puts each map
on the worker beside the right one, by the same rules and as if it were local; the map then reads its volumes from the
first table, over the same RPC as a local one does. Only the host differs.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np

from hbimg.mapreduce.jobs.compress import Compress
from hbimg.mapreduce.run import RunSettings, run_job
from hbimg.mapreduce.splits import plan_splits
from hbimg.mapreduce.yarn.prepare import Connected
from hbimg.mapreduce.yarn.scans import scans_property
from hbimg.mapreduce.yarn.submission import ClusterSettings
from hbimg.model import VolumeKey
from hbimg.store import open_store
from hbimg.store.rpc.admin import open_admin
from hbimg.testing.volumes import nifti_content
from hbimg.volumes import VolumeTable, store_content

URL, TABLE, SHADOW = "hbase://head", "bench_yarn", "bench_yarn_shadow"
GATEWAY = f"{URL}?client=thrift&own_host=no"


def drop() -> None:
    """Delete both tables, and let HBase balance again."""
    with open_store(URL) as store, open_admin(URL) as admin:
        for name in {TABLE, SHADOW} & set(store.tables()):
            store.drop_table(name)
        admin.set_balancer(on=True)


def fill(count: int, folder: Path) -> None:
    """Make both tables; the balancer stays off until `drop`."""
    drop()
    with open_store(URL) as store, open_admin(URL) as admin:
        admin.set_balancer(on=False)
        servers = admin.servers()
        cuts = tuple(b"made,sub-%03d!" % (n * count // len(servers)) for n in range(1, len(servers)))
        for name, ahead in ((TABLE, 0), (SHADOW, 1)):
            volumes = VolumeTable.create(store, name, splits=cuts)
            for number, region in enumerate(admin.regions(name)):
                admin.move(region, servers[(number + ahead) % len(servers)])
            if name == TABLE:
                voxels = half_a_head(folder)
                for n in range(count):
                    voxels[0, 0, 0] = n  # no two are the same
                    store_content(volumes, nifti_content(VolumeKey("made", f"sub-{n:03d}", "ses", "T1w"), voxels))
                admin.flush(TABLE)


def half_a_head(folder: Path) -> np.ndarray:
    """Read the planes of a series and give every other one: voxels as a NIfTI file has them."""
    from pydicom import dcmread

    planes = sorted(map(dcmread, folder.iterdir()), key=lambda plane: int(plane.InstanceNumber))
    return np.asfortranarray(np.stack([plane.pixel_array.T for plane in planes[::2]], axis=-1).astype("<i2"))


def run(rival: str) -> None:
    """Run the job once and print what was measured."""
    with open_store(GATEWAY if rival == "one gateway" else URL) as store:
        volumes = VolumeTable.open(store, TABLE)
        records = list(volumes.records())
        # One split for each region: every worker has one map of the same size.
        size = sum(record.bytes_to_read for record in records)
        properties = {}
        if rival == "other host":
            splits = plan_splits(records, volumes.table.regions(), volumes.scheme, size)
            properties["hbase.mapreduce.scans"] = scans_property(SHADOW, [split.range for split in splits])
        cluster = ClusterSettings(split_bytes=size, properties=properties)
        begin = time.time()
        result = run_job(Compress(), store, volumes, RunSettings(force=True, cluster=cluster))
        wall_s = time.time() - begin
    replication = int(Connected.find().site.properties["dfs.replication"])
    print(json.dumps({"wall_s": wall_s, "replication": replication, **part_of(result.report)}))


def part_of(report: dict) -> dict:
    """Give what the table needs of a report."""
    part = report["cluster"]
    spans = [(a["start_s"], a["end_s"]) for a in part["attempts"] if a["end_s"] is not None]
    return {
        "volumes": report["volumes"],
        "maps": part["maps"],
        "seconds": report["seconds"],
        "tasks_s": max(end for _, end in spans) - min(start for start, _ in spans),
        "output_bytes": report["bytes"]["output"],
        "reconciled": part["reconciled"],
    }


if __name__ == "__main__":
    command, *words = sys.argv[1:]
    {"fill": lambda: fill(int(words[0]), Path(words[1])), "run": lambda: run(words[0]), "drop": drop}[command]()
