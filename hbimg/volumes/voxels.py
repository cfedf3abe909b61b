"""A stored volume as an array of voxels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from hbimg.errors import VolumeError
from hbimg.volumes.decoding import decode_planes, is_plain, without_unused_bits
from hbimg.volumes.reader import VolumeReader
from hbimg.volumes.record import VolumeRecord


def voxels(reader: VolumeReader) -> npt.NDArray[Any]:
    """Give a volume's voxels as they were stored, unscaled.

    Returns
    -------
    array of shape `geometry.shape` and dtype `geometry.dtype`
        Indexed (i, j, k, t, ...), the first index running fastest in memory; for colour one more axis of samples
        stands last.

    Raises
    ------
    VolumeError
        If the record is a series that was set aside, or its frames cannot be decoded here.
    """
    encoding = reader.record.encoding
    if encoding is None or not is_plain(encoding):
        return voxels_of_frames(reader.record, [bytes(frame) for frame in reader.frames()])
    return voxels_of_frames(reader.record, reader.frame_bytes())


def voxels_of_frames(
    record: VolumeRecord, frames: npt.NDArray[np.uint8] | Sequence[bytes | memoryview]
) -> npt.NDArray[Any]:
    """Give the voxels from frames that were read already; `voxels` says what is given and raised.

    Parameters
    ----------
    record : VolumeRecord
    frames : array of shape (frame_bytes,), dtype uint8, or sequence of buffers
        Where frames are plain (`hbimg.volumes.decoding.is_plain`) all of them, one behind the other; else one buffer
        for each.
    """
    geometry, encoding = record.geometry, record.encoding
    if geometry is None or encoding is None:
        raise VolumeError(f"{record.key} is no volume: {record.reason or 'it has no geometry'}")
    if isinstance(frames, np.ndarray):
        flat = without_unused_bits(frames.view(np.dtype(encoding.dtype)), encoding)
    else:
        flat = decode_planes(frames, encoding).ravel()
    if flat.size != encoding.samples * math.prod(geometry.shape):
        planes = flat.size // (encoding.samples * geometry.shape[0] * geometry.shape[1])
        wanted = math.prod(geometry.shape[2:])
        raise VolumeError(f"{record.key} is incomplete: {planes} of {wanted} planes are there, which make no array")
    listed = record.plane_map.get("planes")
    if listed:
        as_stored = flat.reshape(len(listed), -1)
        running = np.empty_like(as_stored)
        running[listed] = as_stored
        flat = running.ravel()
    if encoding.samples == 1:
        return flat.reshape(geometry.shape, order="F")
    coloured = flat.reshape((encoding.samples, *geometry.shape), order="F")
    return np.moveaxis(coloured, 0, -1)
