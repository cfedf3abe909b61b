"""Ingest of DICOM series beside what a careful user does without hbimg: copy, sync, and read every header.

python bench/ingest.py [--copies 10] [--repeats 3]
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from multiprocessing import get_context
from pathlib import Path

from harness import Contender, interleave, print_table
from images import dicom_copies, scratch


def read_headers(paths: list[Path]) -> None:
    """Read the header of every file with pydicom."""
    from pydicom import dcmread

    for path in paths:
        dcmread(path, stop_before_pixels=True)


def copy_and_read(source: Path, target: Path, workers: int) -> None:
    """Run `cp -r`, `sync`, and pydicom's header read of every file in as many processes as hbimg uses."""
    subprocess.run(["cp", "-r", source, target], check=True)
    subprocess.run(["sync", "-f", target], check=True)
    files = sorted(p for p in target.rglob("*") if p.is_file())
    with get_context("spawn").Pool(workers) as pool:
        pool.map(read_headers, [files[i::workers] for i in range(workers)])


def main() -> None:
    """Run the comparison."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--copies", type=int, default=10)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    chosen = parser.parse_args()
    with scratch() as folder:
        size = dicom_copies(folder / "in", chosen.copies)
        hbimg = [sys.executable, "-m", "hbimg", "ingest", folder / "in", "--table", "t1"]
        hbimg += ["--store", f"local://{folder}/store", "--workers", str(chosen.workers)]

        def clear() -> None:
            shutil.rmtree(folder / "store", ignore_errors=True)
            shutil.rmtree(folder / "copy", ignore_errors=True)
            subprocess.run(["sync"], check=True)

        contenders = [
            Contender("hbimg ingest", lambda: subprocess.run(hbimg, check=True, stderr=subprocess.DEVNULL), clear),
            Contender(
                "cp -r, sync, pydicom", lambda: copy_and_read(folder / "in", folder / "copy", chosen.workers), clear
            ),
        ]
        interleave(contenders, chosen.repeats)
        title = f"Ingest of {chosen.copies} T1 series ({size / 1e6:.0f} MB, {chosen.workers} workers)"
        print_table(title, contenders, size, "Goal: at least 0.5 of the rival's rate.")


if __name__ == "__main__":
    main()
