"""What a job on YARN costs beside its work, by the number of volumes and the size of its splits.

Run it in the client container of the mini-cluster::

    python bench/yarn_overhead.py --volumes 50 --seconds 2 --splits 0,1,4,16

Volumes are small and each is padded to so many seconds, so the work is known: `ideal` is volumes x seconds / slots,
with as many slots as tasks ran at once. `splits` are volumes in a split; 0 is hbimg's default. Of the rest, `before` is
the time until the first task's Python runs, `staging` the mean time from a task's launch to that, `after` the time from
the last task's end to the report.
"""

from __future__ import annotations

import argparse
import time

from hbimg.mapreduce.gantt import bars_of
from hbimg.mapreduce.jobs.checksum import Checksum
from hbimg.mapreduce.run import RunSettings, run_job
from hbimg.mapreduce.yarn.submission import ClusterSettings
from hbimg.model import VolumeKey
from hbimg.store import open_store
from hbimg.testing.volumes import nifti_content, smooth_voxels
from hbimg.volumes import VolumeTable, store_content

URL, TABLE = "hbase://head", "bench_yarn_overhead"


def main() -> None:
    """Fill a table, run a job for each size of split, print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--volumes", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--splits", default="0,1,4,16")
    parser.add_argument("--repeats", type=int, default=1)
    chosen = parser.parse_args()
    with open_store(URL) as store:
        if TABLE in store.tables():
            store.drop_table(TABLE)
        cuts = tuple(b"made,sub-%03d!" % round(n * chosen.volumes / 6) for n in range(1, 6))
        volumes = VolumeTable.create(store, TABLE, splits=cuts)
        voxels = smooth_voxels((32, 32, 16))
        for n in range(chosen.volumes):
            store_content(volumes, nifti_content(VolumeKey("made", f"sub-{n:03d}", "ses", "T1w"), voxels + n))
        size = next(volumes.records()).file_bytes
        print("| volumes | in a split | maps | wall s | ideal s | over ideal | before s | staging s | after s |")
        print("|---|---|---|---|---|---|---|---|---|")
        for _ in range(chosen.repeats):
            for count in map(int, chosen.splits.split(",")):
                cluster = ClusterSettings(split_bytes=count * size)
                settings = RunSettings(pad_to_s=chosen.seconds, cluster=cluster)
                print(_line(count, chosen.seconds, store, volumes, settings), flush=True)
        store.drop_table(TABLE)


def _line(count: int, seconds: float, store, volumes: VolumeTable, settings: RunSettings) -> str:
    begin = time.time()
    report = run_job(Checksum(), store, volumes, settings).report
    end = time.time()
    attempts = [a for a in report["cluster"]["attempts"] if a["start_s"] is not None]
    slots = len({bar.row for bar in bars_of(report)})
    done = report["volumes"]["done"]
    ideal = done * seconds / slots
    first, last = min(a["start_s"] for a in attempts), max(a["end_s"] for a in attempts)
    staging = sum(a["start_s"] - a["launched_s"] for a in attempts) / len(attempts)
    return (
        f"| {done} | {count or 'default'} | {len(attempts)} on {slots} slots | {end - begin:.1f} | {ideal:.1f} | "
        f"{(end - begin) / ideal:.2f} | {first - begin:.1f} | {staging:.1f} | {end - last:.1f} |"
    )


if __name__ == "__main__":
    main()
