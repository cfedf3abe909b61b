"""The real T1 in every transfer syntax: in, out by SHA-256, voxels; and the rates, native and compressed side by side.

    python bench/syntaxes.py [--planes N]

Each row is one syntax; the explicit one, which the others are compared with, runs first and last.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from images import T1, scratch

from hbimg.testing.transfer_syntaxes import SYNTAXES, reencode, save


def main() -> None:
    """Measure every syntax and print a row for each."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--planes", type=int, default=384, help="how many of the T1's planes")
    planes = parser.parse_args().planes
    print(
        f"{'syntax':18} {'MB':>7} {'ingest MB/s':>12} {'SHA-256':>8} {'decode MB/s':>12} {'voxels':>16} {'dcm2niix':>9}"
    )
    with scratch() as folder:
        wanted = None
        for number, name in enumerate([*sorted(SYNTAXES, key=lambda n: n != "explicit"), "explicit"]):
            row, found = measure(folder / str(number), name, planes, wanted)
            wanted = found if wanted is None else wanted
            print(row, flush=True)


def measure(folder: Path, name: str, planes: int, wanted: np.ndarray | None) -> tuple[str, np.ndarray]:
    """Give the row of one syntax, and its voxels."""
    from hbimg.store import open_store
    from hbimg.volumes import VolumeReader, VolumeTable
    from hbimg.volumes.voxels import voxels

    source = folder / "in"
    source.mkdir(parents=True)
    write(source, name, planes)
    size_mb = sum(path.stat().st_size for path in source.iterdir()) / 1e6
    url = f"local://{folder}/store"
    began = time.perf_counter()
    hbimg("ingest", source, "--table", "t", "--store", url, "--strict")
    ingest_s = time.perf_counter() - began
    hbimg("export", "--table", "t", "--store", url, "--to", folder / "out")
    same = digests(source) == digests(folder / "out")
    with open_store(url) as store:
        volumes = VolumeTable.open(store, "t")
        (record,) = volumes.records()
        began = time.perf_counter()
        found = voxels(VolumeReader(volumes, record))
        decode_s = time.perf_counter() - began
    difference = "-" if wanted is None else str(int(np.abs(found.astype(int) - wanted).max()))
    words = "equal" if difference in ("-", "0") else f"differ by {difference}"
    converted = hbimg("run", "dicom2nifti", "--table", "t", "--store", url, "--workers", "1", check=False) == 0
    row = (
        f"{name:18} {size_mb:7.1f} {size_mb / ingest_s:12.1f} {'equal' if same else 'DIFFER':>8}"
        f" {found.nbytes / 1e6 / decode_s:12.1f} {words:>16} {'reads it' if converted else 'does not':>9}"
    )
    return row, found


def write(folder: Path, name: str, planes: int) -> None:
    """Write planes of the T1 in a syntax."""
    from pydicom import dcmread

    for path in sorted(T1.iterdir())[:planes]:
        dataset = dcmread(path)
        reencode(dataset, name)
        save(dataset, folder / path.name)


def digests(folder: Path) -> list[str]:
    """Give the SHA-256 of every file, sorted."""
    return sorted(hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*") if path.is_file())


def hbimg(*arguments: object, check: bool = True) -> int:
    """Run a command and give its exit status."""
    command = [sys.executable, "-m", "hbimg", *map(str, arguments)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=os.environ)
    if check and done.returncode:
        sys.exit(done.stderr)
    return done.returncode


if __name__ == "__main__":
    main()
