"""`hbimg run compress` beside loops of igzip and gzip over the same .nii files, outputs synced on all sides.

python bench/compress.py [--copies 30] [--repeats 3] [--workers 2]
"""

from __future__ import annotations

import argparse
import itertools
import os
import shutil
import subprocess
import sys
from pathlib import Path

from harness import Contender, interleave, print_table
from images import new_folder, nifti_copies, scratch


def igzip_loop(files: list[Path], target: Path, workers: int) -> None:
    """Gzip with isal in as many processes as hbimg uses, each with its share of the files."""
    script = Path(__file__).with_name("igzip_loop.py")
    shares = [files[n::workers] for n in range(workers)]
    processes = [subprocess.Popen([sys.executable, script, target, *share]) for share in shares]
    if any(process.wait() for process in processes):
        sys.exit("the igzip loop failed")


def command_line(tool: str, files: list[Path], target: Path, workers: int) -> None:
    """Gzip by `xargs -P workers TOOL`, one process for each file, and sync the disk."""
    script = f'{tool} -c "$1" > "{target}/$(basename "$1").gz"'
    names = "\0".join(map(str, files)).encode()
    subprocess.run(["xargs", "-0", "-n", "1", "-P", str(workers), "sh", "-c", script, "sh"], input=names, check=True)
    subprocess.run(["sync", "-f", target], check=True)


def main() -> None:
    """Run the comparison."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--copies", type=int, default=30)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    parser.add_argument("--no-gzip", action="store_true", help="leave classic gzip out: it takes 20 times as long")
    chosen = parser.parse_args()
    with scratch() as folder:
        size = nifti_copies(folder / "in", chosen.copies)
        files = sorted((folder / "in").iterdir())
        hbimg = [sys.executable, "-m", "hbimg"]
        where = ["--table", "t1", "--store", f"local://{folder}/store", "--workers", str(chosen.workers)]
        subprocess.run([*hbimg, "ingest", folder / "in", *where], check=True, stderr=subprocess.DEVNULL)
        names = (f"result-{n}" for n in itertools.count())

        def run() -> None:
            # A name of its own each time: all write anew, none deletes what was there.
            command = [*hbimg, "run", "compress", *where, "--result-name", next(names)]
            subprocess.run(command, check=True, stderr=subprocess.DEVNULL)

        out, workers = folder / "out", chosen.workers

        def clear() -> None:
            new_folder(out)

        contenders = [
            Contender("hbimg run compress", run, clear),
            Contender(f"igzip -1, {workers} processes", lambda: igzip_loop(files, out, workers), clear),
        ]
        interleave(contenders, chosen.repeats)
        slow = [Contender("hbimg run compress (again)", run, clear)]
        if not chosen.no_gzip:
            slow += [
                Contender(f"xargs -P{workers} {tool}", lambda tool=tool: command_line(tool, files, out, workers), clear)
                for tool in ("gzip -6", "pigz -6 -p 1")
                if shutil.which(tool.split()[0])
            ]
            interleave(slow, 1)
        goal = "Goals: at least 0.80 beside igzip, at least 10 beside gzip -6."
        print_table(f"compress, {chosen.copies} x T1 ({size / 1e6:.0f} MB)", contenders, size, goal)
        if not chosen.no_gzip:
            print_table("compress beside classic gzip", slow, size)


if __name__ == "__main__":
    main()
