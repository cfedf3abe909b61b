"""Made-up NIfTI volumes for tests and trials: real header bytes, smooth random voxels, no files."""

from __future__ import annotations

import gzip
import hashlib
import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from hbimg.model import Geometry, VolumeKey
from hbimg.volumes import FrameEncoding, FrameRun, SourceFile, VolumeContent, VolumeTable, store_content

_AFFINE = ((-1.0, 0.0, 0.0, 90.0), (0.0, 1.0, 0.0, -126.0), (0.0, 0.0, 2.0, -72.0), (0.0, 0.0, 0.0, 1.0))


@dataclass(frozen=True, slots=True)
class MemorySource:
    """A file in memory."""

    packed: bytes
    unpacked: bytes

    @contextmanager
    def open(self) -> Iterator[BinaryIO]:
        """Open it unpacked."""
        yield io.BytesIO(self.unpacked)

    @contextmanager
    def open_packed(self) -> Iterator[BinaryIO]:
        """Open it as it would lie on a disk."""
        yield io.BytesIO(self.packed)


def smooth_voxels(shape: tuple[int, ...], dtype: str = "<i2", seed: int = 0) -> npt.NDArray[Any]:
    """Give voxels that gzip as images do: a smooth hill with some noise, zero outside; first index fastest."""
    grids = np.meshgrid(*(np.linspace(-1, 1, length) for length in shape), indexing="ij")
    hill = np.clip(1.0 - sum(grid**2 for grid in grids), 0, None)
    noise = np.random.default_rng(seed).normal(0, 0.02, shape)
    values = np.where(hill > 0, 1000 * (hill + noise), 0)
    return np.asfortranarray(values.astype(dtype))


def nifti_bytes_of(array: npt.NDArray[Any], slope: float = 1.0, intercept: float = 0.0) -> bytes:
    """Give a NIfTI-1 file with these voxels as stored."""
    import nibabel

    header = nibabel.Nifti1Header(endianness="<")
    header.set_data_dtype(array.dtype)
    header.set_data_shape(array.shape)
    header.set_sform(np.array(_AFFINE), code="scanner")
    header.set_slope_inter(slope, intercept)
    header["magic"] = header.single_magic
    header["vox_offset"] = header.single_vox_offset
    head: bytes = header.binaryblock
    return head.ljust(int(header["vox_offset"]), b"\0") + array.tobytes(order="F")


def nifti_content(
    key: VolumeKey, array: npt.NDArray[Any], *, packed: bool = False, slope: float = 1.0, intercept: float = 0.0
) -> VolumeContent:
    """Give a NIfTI volume ready for `store_content`; `packed` makes it a ``.nii.gz`` whose stream is kept."""
    plain = nifti_bytes_of(array, slope, intercept)
    data = gzip.compress(plain, 6, mtime=0) if packed else plain
    plane_bytes = array.shape[0] * array.shape[1] * array.dtype.itemsize
    planes = array.size // (array.shape[0] * array.shape[1])
    file = SourceFile(
        name=f"{key.scan}.nii.gz" if packed else f"{key.scan}.nii",
        source=MemorySource(data, plain),
        size_bytes=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        runs=(FrameRun(len(plain) - planes * plane_bytes, plane_bytes, planes, plane_bytes),),
        packing={"kind": "gzip", "kept": True} if packed else None,
    )
    return VolumeContent(
        key=key,
        kind="volume",
        format="nifti1",
        files=(file,),
        geometry=Geometry(
            shape=array.shape,
            dtype=array.dtype.str,
            affine=_AFFINE,
            axes=("i", "j", "k", "t", "d5", "d6", "d7")[: array.ndim],
            slope=slope,
            intercept=intercept,
        ),
        encoding=FrameEncoding(dtype=array.dtype.str, rows=array.shape[1], columns=array.shape[0]),
        plane_map={"order": "running"},
    )


def store_volumes(volumes: VolumeTable, count: int, shape: tuple[int, ...] = (16, 12, 5)) -> list[VolumeKey]:
    """Store `count` volumes, two to a subject, and give their keys in order."""
    keys = [VolumeKey("made", f"sub-{n // 2:03d}", f"ses-{n % 2}", "T1w") for n in range(count)]
    for seed, key in enumerate(keys):
        store_content(volumes, nifti_content(key, smooth_voxels(shape, seed=seed), packed=seed % 3 == 2))
    return keys
