"""A stored volume as an array of voxels."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from hbimg.errors import VolumeError
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
    if _is_plain(encoding.transfer_syntax):
        flat = reader.frame_bytes().view(np.dtype(encoding.dtype))
    else:
        from hbimg.volumes.decoding import decode_frames

        flat = decode_frames(reader.frames(), encoding, str(record.key), record.frames)
    if encoding.samples == 1:
        return flat.reshape(geometry.shape, order="F")
    coloured = flat.reshape((encoding.samples, *geometry.shape), order="F")
    return np.moveaxis(coloured, 0, -1)


#: Implicit and explicit little endian, and explicit big endian: pixels stand there as a plain array.
_PLAIN_SYNTAXES = frozenset({"1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"})


def _is_plain(transfer_syntax: str | None) -> bool:
    return transfer_syntax is None or transfer_syntax in _PLAIN_SYNTAXES
