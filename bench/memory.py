"""Peak memory of the workers of a run, for few and many volumes: it must depend on the workers, not on the volumes.

python bench/memory.py [--volumes 10 200] [--side 256] [--job compress]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import replace

import psutil
from images import scratch

from hbimg.model import VolumeKey
from hbimg.store import open_store
from hbimg.testing.volumes import nifti_content, smooth_voxels
from hbimg.volumes import VolumeTable, store_content


def peak_bytes(command: list[str]) -> int:
    """Run a command and give the peak sum of its workers' own memory, without pages of mapped files."""
    process = psutil.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    peak = 0
    while process.poll() is None:
        used = 0
        for child in process.children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                memory = child.memory_info()
                used += memory.rss - memory.shared
        peak = max(peak, used)
        time.sleep(0.01)
    if process.returncode:
        sys.exit("the run failed")
    return peak


def store_copies(url: str, count: int, side: int) -> None:
    """Store one made-up volume under `count` keys: making each anew would take longer than all that is measured."""
    made = nifti_content(VolumeKey("made", "sub-0", "-", "T1w"), smooth_voxels((side, side, side // 2)))
    with open_store(url) as store:
        volumes = VolumeTable.create(store, "t")
        for number in range(count):
            store_content(volumes, replace(made, key=VolumeKey("made", f"sub-{number:04d}", "-", "T1w")))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--volumes", type=int, nargs="+", default=[10, 200])
    parser.add_argument("--side", type=int, default=256, help="voxels of 2 bytes along i and j; half as many along k")
    parser.add_argument("--job", default="compress")
    chosen = parser.parse_args()
    volume_bytes = chosen.side**3
    print(f"\n### peak memory of `run {chosen.job}`, volumes of {volume_bytes / 2**20:.0f} MiB\n")
    print("| volumes | workers | peak of all workers, MiB | per worker, in volumes |")
    print("|---|---|---|---|")
    for count in chosen.volumes:
        with scratch() as folder:
            url = f"local://{folder}/store"
            store_copies(url, count, chosen.side)
            for workers in (1, 2):
                command = [sys.executable, "-m", "hbimg", "run", chosen.job, "--table", "t", "--store", url, "--force"]
                peak = peak_bytes([*command, "--workers", str(workers)])
                print(f"| {count} | {workers} | {peak / 2**20:.0f} | {peak / workers / volume_bytes:.1f} |", flush=True)


if __name__ == "__main__":
    main()
