"""Turns stored frames into samples: native ones are viewed as they lie, pydicom decodes compressed ones."""

from __future__ import annotations

import struct
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hbimg.errors import VolumeError
from hbimg.volumes.content import FrameEncoding
from hbimg.volumes.pictures import decode_pictures, is_pictures

_EMPTY_OFFSET_TABLE = struct.pack("<HHL", 0xFFFE, 0xE000, 0)
_SEQUENCE_END = struct.pack("<HHL", 0xFFFE, 0xE0DD, 0)


def is_compressed(encoding: FrameEncoding) -> bool:
    """Tell whether frames are decoded one by one: DICOM's fragments, or whole picture files."""
    return bool(encoding.details.get("fragments")) or is_pictures(encoding)


def native_planes(samples: bytes | memoryview, encoding: FrameEncoding) -> NDArray[Any]:
    """View native frames that lie one after the other as planes, without copying.

    Returns
    -------
    ndarray, shape (planes, rows, columns), dtype `encoding.dtype`
        Read-only where `samples` is.

    Raises
    ------
    VolumeError
        If the bytes are not a whole number of planes.
    """
    plane_bytes = encoding.rows * encoding.columns * np.dtype(encoding.dtype).itemsize
    if len(samples) % plane_bytes:
        raise VolumeError(f"{len(samples):,} bytes are no whole number of planes of {plane_bytes:,} bytes")
    return np.frombuffer(samples, encoding.dtype).reshape(-1, encoding.rows, encoding.columns)


def decode_planes(frames: Sequence[bytes | memoryview], encoding: FrameEncoding) -> NDArray[Any]:
    """Decode frames, one plane each, into one new array.

    Returns
    -------
    ndarray, shape (frames, rows, columns), dtype `encoding.dtype`

    Raises
    ------
    VolumeError
        If a frame cannot be decoded, or no decoder for its transfer syntax is installed.
    """
    if is_pictures(encoding):
        return decode_pictures(frames, encoding)
    planes = np.empty((len(frames), encoding.rows, encoding.columns), encoding.dtype)
    for index, frame in enumerate(frames):
        if is_compressed(encoding):
            samples = _decompressed(frame, encoding, index)
            if samples.shape != planes.shape[1:]:
                raise VolumeError(f"frame {index} has shape {samples.shape}, not {planes.shape[1:]} as its header says")
            planes[index] = samples
        else:
            planes[index] = native_planes(frame, encoding)[0]
    return planes


def _decompressed(frame: bytes | memoryview, encoding: FrameEncoding, index: int) -> NDArray[Any]:
    # Decoders warn of what they can do nothing about (padding, colour); the shape is checked by the caller.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _decoded(frame, encoding, index)


def _decoded(frame: bytes | memoryview, encoding: FrameEncoding, index: int) -> NDArray[Any]:
    from pydicom.pixels.decoders.base import get_decoder
    from pydicom.uid import UID

    details = encoding.details
    options: dict[str, Any] = {
        "raw": True,
        "rows": encoding.rows,
        "columns": encoding.columns,
        "number_of_frames": 1,
        "samples_per_pixel": encoding.samples,
        "photometric_interpretation": details["photometric_interpretation"],
        "pixel_representation": details["pixel_representation"],
        "bits_allocated": details["bits_allocated"],
        "bits_stored": details["bits_stored"],
        "pixel_keyword": "PixelData",
    }
    fragments = _EMPTY_OFFSET_TABLE + bytes(frame) + _SEQUENCE_END
    try:
        samples, _ = get_decoder(UID(encoding.transfer_syntax or "")).as_array(fragments, index=0, **options)
    except (RuntimeError, NotImplementedError) as error:
        raise VolumeError(_advice(encoding, index, error)) from error
    except (AttributeError, LookupError, TypeError, ValueError, struct.error) as error:
        raise VolumeError(f"frame {index} cannot be decoded: {' '.join(str(error).split())}") from error
    return samples


def _advice(encoding: FrameEncoding, index: int, error: Exception) -> str:
    """Tell a decoder that is not installed, and how to get it, from a frame that is damaged."""
    from pydicom.pixels.decoders.base import get_decoder
    from pydicom.uid import UID

    try:
        available = get_decoder(UID(encoding.transfer_syntax or "")).is_available
    except NotImplementedError:
        available = False
    if available:
        return f"frame {index} cannot be decoded: {' '.join(str(error).split())}"
    name = UID(encoding.transfer_syntax or "").name
    return f"no decoder for {name} is installed: pip install 'hbimg[codecs]'"
