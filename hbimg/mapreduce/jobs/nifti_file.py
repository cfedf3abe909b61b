"""Stored planes as the bytes of a NIfTI file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from hbimg.errors import VolumeError
from hbimg.mapreduce.job import LoadedVolume
from hbimg.volumes.nifti_image import NiftiVoxels, nifti_of, planes_as_nifti
from hbimg.volumes.parts import parts_of

#: NIfTI-1 counts voxels along an axis in 16 bits; longer axes make it NIfTI-2.
_NIFTI1_MAX_LENGTH = 32767


def nifti_files(volume: LoadedVolume) -> Iterator[tuple[str, memoryview]]:
    """Give the NIfTI file of a DICOM volume of grey planes, oriented as dcm2niix orients it; one for each of its parts.

    Yields
    ------
    name : str
        What tells the part from the others (``part-mag``); empty for a volume without parts.
    file : memoryview

    Raises
    ------
    VolumeError
        If the frames cannot be decoded, are in colour, or do not fill the volume.
    """
    geometry, encoding = volume.record.geometry, volume.record.encoding
    if geometry is None or encoding is None or encoding.samples != 1:
        raise VolumeError(f"{volume.record.key} has no grey planes: convert it with dicom2nifti")
    planes = volume.voxels().T.reshape(-1, encoding.rows, encoding.columns)
    for part in parts_of(volume.record):
        own = planes[part.first_plane : part.first_plane + part.planes]
        image = nifti_of(own, part.geometry, part.encoding_in(encoding))
        yield part.name, image_bytes(image, part.geometry.time_step_s)


def plane_bytes(volume: LoadedVolume, plane: npt.NDArray[Any], number: int) -> memoryview:
    """Give one grey plane as a NIfTI file of one slice, at its place in space.

    A plane of a DICOM volume is oriented as the whole volume is before dcm2niix turns it: rows are flipped.

    Parameters
    ----------
    volume : LoadedVolume
    plane : array of shape (i, j)
    number : int
        Its running number, fastest in space.
    """
    geometry, encoding = volume.record.geometry, volume.record.encoding
    assert geometry is not None
    assert encoding is not None
    affine = np.array(geometry.affine, np.float64)
    affine[:3, 3] += affine[:3, 2] * (number % geometry.shape[2])
    one = replace(geometry, shape=(*geometry.shape[:2], 1), affine=tuple(tuple(row) for row in affine.tolist()))
    slopes, intercepts = (encoding.details.get(f"rescale_{name}") for name in ("slopes", "intercepts"))
    scaling = (slopes[number], intercepts[number]) if slopes and intercepts else (geometry.slope, geometry.intercept)
    if volume.record.format == "dicom":
        array, affine = planes_as_nifti(plane.T[None], one)
    else:
        array = plane[..., None]
    return image_bytes(NiftiVoxels(array, affine, *scaling), None)


def image_bytes(image: NiftiVoxels, time_step_s: float | None) -> memoryview:
    """Give an image as a NIfTI file.

    Header and voxels are laid into one block: the voxels are copied once, straight to their place.
    """
    header = _header(image, time_step_s)
    offset = int(header["vox_offset"])
    # Header, then the four bytes that say that no extensions follow.
    head = header.binaryblock.ljust(offset, b"\0")
    block = np.empty(offset + image.array.nbytes, np.uint8)
    block[:offset] = np.frombuffer(head, np.uint8)
    target = block[offset:].view(header.get_data_dtype()).reshape(image.array.shape, order="F")
    np.copyto(target, image.array)
    return block.data


def _header(image: NiftiVoxels, time_step_s: float | None) -> Any:
    import nibabel

    is_long = max(image.array.shape) > _NIFTI1_MAX_LENGTH
    header = (nibabel.Nifti2Header if is_long else nibabel.Nifti1Header)(endianness="<")
    header.set_data_dtype(image.array.dtype.newbyteorder("<"))
    header.set_data_shape(image.array.shape)
    header.set_sform(image.affine, code="scanner")
    header.set_qform(image.affine, code="scanner", strip_shears=True)
    header.set_slope_inter(image.slope, image.intercept)
    header.set_xyzt_units("mm", "sec")
    if time_step_s and len(image.array.shape) > 3:
        header["pixdim"][4] = time_step_s
    header["magic"] = header.single_magic
    header["vox_offset"] = header.single_vox_offset
    return header
