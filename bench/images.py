"""The images that the benchmarks work on: copies of the real T1 of the reference data, as DICOM and as NIfTI."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

DATA = Path(os.environ.get("HBIMG_TEST_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
T1 = DATA / "t1-structural" / "dicoms"


@contextmanager
def scratch() -> Iterator[Path]:
    """Give a folder on a disk (not in memory) that is removed afterwards; $HBIMG_BENCH_DIR says where."""
    folder = Path(tempfile.mkdtemp(prefix="hbimg-bench-", dir=os.environ.get("HBIMG_BENCH_DIR", "/var/tmp")))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def new_folder(path: Path) -> None:
    """Make an empty folder, put aside one that is there, and sync the disk.

    It is not deleted: who writes where files were just deleted finds memory and disk ready, which is no fair start.
    """
    if path.exists():
        path.rename(tempfile.mkdtemp(prefix=f"{path.name}-", dir=path.parent))
    path.mkdir()
    subprocess.run(["sync"], check=True)


def dicom_copies(folder: Path, copies: int) -> int:
    """Copy the T1 series `copies` times, each with a patient id and series UID of its own; give the bytes.

    The ids are changed in place, in bytes of the same length, so that the files stay as they are otherwise.
    """
    from pydicom import dcmread

    if not T1.is_dir():
        sys.exit(f"{T1} is not there: set HBIMG_TEST_DATA to the folder of the reference images")
    total = 0
    for number in range(copies):
        target = folder / f"sub-{number:03d}"
        target.mkdir(parents=True)
        for path in sorted(T1.iterdir()):
            dataset = dcmread(path)
            dataset.PatientID = f"bench{number:03d}"
            dataset.SeriesInstanceUID = f"1.2.826.0.1.3680043.10.1.{number + 1}"
            dataset.save_as(target / path.name)
            total += (target / path.name).stat().st_size
    return total


def nifti_copies(folder: Path, copies: int) -> int:
    """Convert the T1 by dcm2niix and copy the .nii `copies` times, with names by BIDS; give the bytes."""
    import dcm2niix

    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run([dcm2niix.bin, "-z", "n", "-f", "t1", "-o", folder, T1], check=True, stdout=subprocess.DEVNULL)
    data = bytearray((folder / "t1.nii").read_bytes())
    for path in folder.glob("t1.*"):
        path.unlink()
    for number in range(copies):
        data[148:156] = f"copy {number:03d}".encode()  # in the header's free text, so that no two are the same
        (folder / f"sub-{number:03d}_T1w.nii").write_bytes(data)
    return copies * len(data)
