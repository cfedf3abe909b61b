"""Turns stored frames into planes: native grey ones are viewed as they lie, pydicom decodes the others."""

from __future__ import annotations

import base64
import math
import struct
import warnings
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hbimg.errors import VolumeError
from hbimg.volumes.content import FrameEncoding
from hbimg.volumes.pictures import decode_pictures

#: A frame that is larger than this when it is decoded, and so many times its compressed size, is a bomb.
MOST_FRAME_BYTES = 1 << 30
_MOST_TIMES = 100

_EMPTY_OFFSET_TABLE = struct.pack("<HHL", 0xFFFE, 0xE000, 0)
_SEQUENCE_END = struct.pack("<HHL", 0xFFFE, 0xE0DD, 0)
_EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
_EXPLICIT_BIG = "1.2.840.10008.1.2.2"


def is_compressed(encoding: FrameEncoding) -> bool:
    """Tell whether frames are decoded one by one: DICOM's fragments, or whole picture files."""
    return bool(encoding.details.get("fragments")) or encoding.is_pictures


def is_plain(encoding: FrameEncoding) -> bool:
    """Tell whether frames are the samples of planes as they lie in a volume: not compressed, tiled or coded colours."""
    details = encoding.details
    is_coded = encoding.transfer_syntax is not None and encoding.samples > 1
    return not (is_compressed(encoding) or is_coded or "mosaic" in details)


def has_unused_bits(encoding: FrameEncoding) -> bool:
    """Tell whether native samples of DICOM have bits above the stored ones, of which the standard says nothing."""
    details = encoding.details
    stored, allocated = details.get("bits_stored"), details.get("bits_allocated")
    if not stored or not allocated or encoding.transfer_syntax is None or is_compressed(encoding):
        return False
    is_low = details.get("high_bit") in (None, stored - 1)
    return bool(is_low and stored < allocated and np.dtype(_index_dtype(encoding)).kind in "iu")


def without_unused_bits(samples: NDArray[Any], encoding: FrameEncoding) -> NDArray[Any]:
    """Clear what stands above the stored bits, overlays mostly; above a signed sample its sign is repeated.

    Returns
    -------
    ndarray, shape and dtype of `samples`
        The very same where nothing is to be cleared, as in nearly all files.
    """
    if not has_unused_bits(encoding) or not samples.size or samples.dtype.kind not in "iu":
        return samples
    bits = int(encoding.details["bits_stored"])
    if samples.dtype.kind == "u":
        return samples if int(samples.max()) < 1 << bits else samples & samples.dtype.type((1 << bits) - 1)
    half = 1 << (bits - 1)
    if -half <= int(samples.min()) and int(samples.max()) < half:
        return samples
    unused = samples.dtype.itemsize * 8 - bits
    return (samples << unused) >> unused


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
    """Decode frames of a DICOM volume into one new array of planes, in the order of frames and of the tiles in them.

    Returns
    -------
    ndarray, shape (planes, rows, columns), dtype `encoding.dtype`
        With colour (planes, rows, columns, 3): red, green and blue, whatever the stored colour space.

    Raises
    ------
    VolumeError
        If a frame cannot be decoded, or no decoder for its transfer syntax is installed.
    """
    if encoding.is_pictures:
        return decode_pictures(frames, encoding)
    mosaic = encoding.details.get("mosaic")
    each = encoding.planes if mosaic else 1
    colour = (encoding.samples,) if encoding.samples > 1 else ()
    planes = None
    down, across = (mosaic["down"], mosaic["across"]) if mosaic else (1, 1)
    shape = (encoding.rows * down, encoding.columns * across)
    for index, frame in enumerate(frames):
        samples = _samples(frame, encoding, shape, index)
        if samples.shape != (*shape, *colour):
            raise VolumeError(f"frame {index} has shape {samples.shape}, not {(*shape, *colour)} as its header says")
        if planes is None:  # only now: a header may promise more than its frames hold
            planes = _room_for(len(frames) * each, encoding, colour)
        planes[index * each : (index + 1) * each] = _tiles(samples, encoding)[:each] if mosaic else samples
    return _room_for(0, encoding, colour) if planes is None else planes


def _room_for(count: int, encoding: FrameEncoding, colour: tuple[int, ...]) -> NDArray[Any]:
    shape = (count, encoding.rows, encoding.columns, *colour)
    try:
        return np.empty(shape, encoding.dtype)
    except MemoryError as error:
        gib = math.prod(shape) * np.dtype(encoding.dtype).itemsize / (1 << 30)
        raise VolumeError(f"{count:,} decoded planes take {gib:,.1f} GiB, more memory than there is") from error


def _tiles(sheet: NDArray[Any], encoding: FrameEncoding) -> NDArray[Any]:
    """View a tile sheet as its tiles, row by row: shape (tiles, rows, columns)."""
    rows, columns = encoding.rows, encoding.columns
    tiled = sheet.reshape(sheet.shape[0] // rows, rows, sheet.shape[1] // columns, columns)
    return tiled.swapaxes(1, 2).reshape(-1, rows, columns)


def _samples(frame: bytes | memoryview, encoding: FrameEncoding, shape: tuple[int, int], index: int) -> NDArray[Any]:
    palette = encoding.details.get("palette")
    if is_compressed(encoding) or (encoding.samples > 1 and not palette):
        # Decoders warn of what they can do nothing about (padding, colour); the shape is checked by the caller.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            samples = _decoded(frame, encoding, shape, index)
    else:
        dtype = _index_dtype(encoding) if palette else encoding.dtype
        samples = np.frombuffer(frame, dtype)
        if samples.size != shape[0] * shape[1]:
            raise VolumeError(f"frame {index} has {samples.size:,} samples, not {shape[0]} x {shape[1]}")
        samples = without_unused_bits(samples.reshape(shape), encoding)
    return _coloured(samples, palette) if palette else samples


def _index_dtype(encoding: FrameEncoding) -> str:
    """Give numpy's name of a stored number that stands for a colour."""
    details = encoding.details
    order = ">" if encoding.transfer_syntax == _EXPLICIT_BIG else "<"
    return f"{order}{'i' if details['pixel_representation'] else 'u'}{details['bits_allocated'] // 8}"


def _coloured(numbers: NDArray[Any], palette: Mapping[str, Any]) -> NDArray[np.uint8]:
    """Look up colours; numbers before the first and behind the last colour have these (PS3.3, C.7.6.3.1.5)."""
    table = np.frombuffer(zlib.decompress(base64.b64decode(palette["rgb"])), np.uint8).reshape(-1, 3)
    found: NDArray[np.uint8] = table[np.clip(numbers.astype(np.int64) - palette["first"], 0, len(table) - 1)]
    return found


def _decoded(frame: bytes | memoryview, encoding: FrameEncoding, shape: tuple[int, int], index: int) -> NDArray[Any]:
    from pydicom.pixels.decoders.base import get_decoder
    from pydicom.uid import UID

    details = encoding.details
    decoded_bytes = shape[0] * shape[1] * encoding.samples * np.dtype(encoding.dtype).itemsize
    if decoded_bytes > MOST_FRAME_BYTES and decoded_bytes > _MOST_TIMES * len(frame):
        raise VolumeError(
            f"frame {index} promises {decoded_bytes >> 20:,} MiB when decoded, {decoded_bytes // max(1, len(frame)):,} "
            f"times its size: above {MOST_FRAME_BYTES >> 20:,} MiB at most {_MOST_TIMES} times are decoded"
        )
    is_colour = encoding.samples > 1 and "palette" not in details
    options: dict[str, Any] = {
        "raw": not is_colour,  # else made red, green and blue
        "rows": shape[0],
        "columns": shape[1],
        "number_of_frames": 1,
        "samples_per_pixel": encoding.samples if is_colour else 1,
        "photometric_interpretation": details["photometric_interpretation"],
        "planar_configuration": details.get("planar_configuration", 0),
        "pixel_representation": details["pixel_representation"],
        "bits_allocated": details["bits_allocated"],
        "bits_stored": details["bits_stored"],
        "pixel_keyword": "PixelData",
    }
    data = bytes(frame)
    syntax = encoding.transfer_syntax or ""
    if is_compressed(encoding):
        data = _EMPTY_OFFSET_TABLE + data + _SEQUENCE_END
    elif syntax != _EXPLICIT_BIG:
        syntax = _EXPLICIT_LITTLE  # implicit and deflated ones hold the same samples
    try:
        samples, _ = get_decoder(UID(syntax)).as_array(data, index=0, **options)
    except MemoryError as error:
        raise VolumeError(f"frame {index} takes more memory than there is: {decoded_bytes >> 20:,} MiB") from error
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
