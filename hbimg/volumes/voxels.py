"""A stored volume as an array of voxels."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from hbimg.errors import VolumeError
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
    if encoding is not None and is_plain(encoding.transfer_syntax):
        return voxels_of_frames(reader.record, reader.frame_bytes(), ())
    return voxels_of_frames(reader.record, None, reader.frames())


def voxels_of_frames(
    record: VolumeRecord, block: npt.NDArray[np.uint8] | None, frames: Iterable[memoryview]
) -> npt.NDArray[Any]:
    """Give the voxels from frames that were read already; `block` holds them in one piece where they are plain.

    Returns and raises what `voxels` does.
    """
    geometry, encoding = record.geometry, record.encoding
    if geometry is None or encoding is None:
        raise VolumeError(f"{record.key} is no volume: {record.reason or 'it has no geometry'}")
    if block is not None and is_plain(encoding.transfer_syntax):
        flat = block.view(np.dtype(encoding.dtype))
    else:
        from hbimg.volumes.decoding import decode_frames

        flat = decode_frames(iter(frames), encoding, str(record.key), record.frames)
    if flat.size != encoding.samples * math.prod(geometry.shape):
        planes = flat.size // (encoding.samples * geometry.shape[0] * geometry.shape[1])
        raise VolumeError(
            f"{record.key} is incomplete: {planes} of {math.prod(geometry.shape[2:])} planes are there, no whole array"
        )
    if encoding.samples == 1:
        return flat.reshape(geometry.shape, order="F")
    coloured = flat.reshape((encoding.samples, *geometry.shape), order="F")
    return np.moveaxis(coloured, 0, -1)


#: Implicit and explicit little endian, and explicit big endian: pixels stand there as a plain array.
_PLAIN_SYNTAXES = frozenset({"1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"})


def is_plain(transfer_syntax: str | None) -> bool:
    """Whether frames of a transfer syntax are plain arrays; None is NIfTI's."""
    return transfer_syntax is None or transfer_syntax in _PLAIN_SYNTAXES
