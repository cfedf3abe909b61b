"""A stored volume as an array of voxels."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from hbimg.errors import VolumeError
from hbimg.volumes.decoding import decode_planes, is_compressed
from hbimg.volumes.reader import VolumeReader


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
    record = reader.record
    geometry, encoding = record.geometry, record.encoding
    if geometry is None or encoding is None:
        raise VolumeError(f"{record.key} is no volume: {record.reason or 'it has no geometry'}")
    if is_compressed(encoding):
        flat = decode_planes([bytes(frame) for frame in reader.frames()], encoding).ravel()
    else:
        flat = reader.frame_bytes().view(np.dtype(encoding.dtype))
    if encoding.samples == 1:
        return flat.reshape(geometry.shape, order="F")
    coloured = flat.reshape((encoding.samples, *geometry.shape), order="F")
    return np.moveaxis(coloured, 0, -1)
