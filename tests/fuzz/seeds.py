"""Real files to damage: those that pydicom and nibabel ship, some made here, and reference images where they are."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
import zipfile
from pathlib import Path

import nibabel
import numpy as np
from PIL import Image

#: Larger files would make cases slow and find no more.
_MOST_BYTES = 200_000
_MOST_REFERENCES = 60


def seeds() -> dict[str, bytes]:
    """Give files by name."""
    found = {**_made(), **_shipped(), **_references()}
    found |= {f"{name}.gz": gzip.compress(data, 6, mtime=0) for name, data in list(found.items())[::6]}
    return found | _archives(found)


def _made() -> dict[str, bytes]:
    found = {}
    for kind in (nibabel.Nifti1Image, nibabel.Nifti2Image):
        for dtype in ("<i2", ">i2", "<f4", "u1", "<c8"):
            array = np.arange(7 * 6 * 5).reshape(7, 6, 5).astype(dtype)
            image = kind(array, np.diag([2.0, 2.0, 3.0, 1.0]), dtype=array.dtype)
            found[f"{kind.__name__}-{dtype[-2:]}.nii"] = image.to_bytes()
    pixels = (np.arange(48 * 64) % 251).astype(np.uint8).reshape(48, 64)
    colours = np.stack([pixels, pixels[::-1], pixels[:, ::-1]], -1)
    for name, kind, array in (
        ("grey.jpg", "JPEG", pixels),
        ("colour.jpg", "JPEG", colours),
        ("grey.png", "PNG", pixels),
        ("deep.png", "PNG", pixels.astype(np.uint16) * 200),
        ("grey.tif", "TIFF", pixels),
        ("colour.ppm", "PPM", colours),
    ):
        stream = io.BytesIO()
        Image.fromarray(array).save(stream, kind)
        found[name] = stream.getvalue()
    return found


def _shipped() -> dict[str, bytes]:
    import pydicom.data

    found = {}
    for folder in (Path(pydicom.data.__file__).parent / "test_files", Path(nibabel.__file__).parent / "tests" / "data"):
        for path in sorted(folder.glob("*")):
            if path.suffix in (".dcm", ".nii", ".gz", ".hdr", ".img") and 0 < path.stat().st_size <= _MOST_BYTES:
                found[path.name] = path.read_bytes()
    return found


def _references() -> dict[str, bytes]:
    folder = Path(os.environ.get("HBIMG_TEST_DATA", Path(__file__).parents[3] / "shared" / "data"))
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file() and 200 < path.stat().st_size <= _MOST_BYTES]
    chosen = paths[:: max(1, len(paths) // _MOST_REFERENCES)]
    return {f"reference-{number}{path.suffix}": path.read_bytes() for number, path in enumerate(chosen)}


def _archives(files: dict[str, bytes]) -> dict[str, bytes]:
    some = list(files.items())[:: max(1, len(files) // 6)]
    zipped, tarred = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(zipped, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in some:
            archive.writestr(name, data)
    with tarfile.open(fileobj=tarred, mode="w:gz") as archive:
        for name, data in some:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return {"study.zip": zipped.getvalue(), "study.tar.gz": tarred.getvalue()}
