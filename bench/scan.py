"""A volume read from the store into an array, checked, beside numpy.fromfile of the same bytes; page cache warm.

python bench/scan.py [--repeats 15]
"""

from __future__ import annotations

import argparse
import subprocess
import sys

import numpy as np
from harness import Contender, interleave, print_table
from images import nifti_copies, scratch

from hbimg.store import open_store
from hbimg.volumes import VolumeReader, VolumeTable


def main() -> None:
    """Run the comparison."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=15)
    chosen = parser.parse_args()
    with scratch() as folder:
        nifti_copies(folder / "in", 1)
        url = f"local://{folder}/store"
        ingest = [sys.executable, "-m", "hbimg", "ingest", folder / "in", "--table", "t1", "--store", url]
        subprocess.run(ingest, check=True, stderr=subprocess.DEVNULL)
        with open_store(url) as store:
            volumes = VolumeTable.open(store, "t1")
            record = next(volumes.records())
            raw = folder / "voxels.raw"
            VolumeReader(volumes, record).frame_bytes().tofile(raw)
            contenders = [
                Contender("hbimg scan, checksums verified", lambda: VolumeReader(volumes, record).frame_bytes()),
                Contender("numpy.fromfile", lambda: np.fromfile(raw, np.uint8)),
            ]
            interleave(contenders, 1)  # warm
            for contender in contenders:
                contender.seconds.clear()
            interleave(contenders, chosen.repeats)
            title = f"Scan of one T1 ({record.frames} frames, {record.frame_bytes / 1e6:.0f} MB), page cache warm"
            print_table(title, contenders, record.frame_bytes, "Goal: at least 0.5 of the rival's rate.")


if __name__ == "__main__":
    main()
