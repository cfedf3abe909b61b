"""`hbimg run dicom2nifti` beside dcm2niix on the folders, on the same disk.

python bench/dicom2nifti.py [--copies 10] [--repeats 3] [--workers 2]
"""

from __future__ import annotations

import argparse
import itertools
import os
import subprocess
import sys
from pathlib import Path

import dcm2niix
from harness import Contender, interleave, print_table
from images import dicom_copies, new_folder, scratch


def convert(folders: list[Path], target: Path, workers: int, *, igzip: bool) -> None:
    """Run dcm2niix on each folder, `workers` at once; compress by dcm2niix itself, or by igzip as hbimg does."""
    flags = "-z n" if igzip else "-z i"
    script = f'mkdir "{target}/$(basename "$1")"; {dcm2niix.bin} {flags} -f t1 -o "{target}/$(basename "$1")" "$1"'
    if igzip:
        script += f' && {sys.executable} -m isal.igzip -1 "{target}/$(basename "$1")/t1.nii"'
    names = "\0".join(map(str, folders)).encode()
    command = ["xargs", "-0", "-n", "1", "-P", str(workers), "sh", "-c", script, "sh"]
    subprocess.run(command, input=names, check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["sync", "-f", target], check=True)


def main() -> None:
    """Run the comparison."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--copies", type=int, default=10)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    chosen = parser.parse_args()
    with scratch() as folder:
        size = dicom_copies(folder / "in", chosen.copies)
        folders = sorted((folder / "in").iterdir())
        hbimg = [sys.executable, "-m", "hbimg"]
        where = ["--table", "t1", "--store", f"local://{folder}/store", "--workers", str(chosen.workers)]
        subprocess.run([*hbimg, "ingest", folder / "in", *where], check=True, stderr=subprocess.DEVNULL)
        names = (f"result-{n}" for n in itertools.count())
        environment = {**os.environ, "TMPDIR": str(folder)}  # scratch files on the same disk as the rivals' outputs

        def run() -> None:
            command = [*hbimg, "run", "dicom2nifti", *where, "--result-name", next(names)]
            subprocess.run(command, check=True, stderr=subprocess.DEVNULL, env=environment)

        out, workers = folder / "out", chosen.workers

        def clear() -> None:
            new_folder(out)

        contenders = [
            Contender("hbimg run dicom2nifti", run, clear),
            Contender("dcm2niix, then igzip -1", lambda: convert(folders, out, workers, igzip=True), clear),
            Contender("dcm2niix -z i", lambda: convert(folders, out, workers, igzip=False), clear),
        ]
        interleave(contenders, chosen.repeats)
        goal = "Goal: at most 1.3 times dcm2niix's time with the same compression, a ratio of at least 0.77."
        print_table(f"dicom2nifti, {chosen.copies} x T1 ({size / 1e6:.0f} MB)", contenders, size, goal)


if __name__ == "__main__":
    main()
