"""Decode compressed DICOM frames with pydicom's decoders; the only place that does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from hbimg.errors import VolumeError
from hbimg.volumes.content import FrameEncoding

#: A sequence item and the sequence's delimiter, which a frame needs around its fragments to be pixel data again.
_EMPTY_OFFSET_TABLE = b"\xfe\xff\x00\xe0\x00\x00\x00\x00"
_SEQUENCE_END = b"\xfe\xff\xdd\xe0\x00\x00\x00\x00"


def decode_frames(frames: Iterator[memoryview], encoding: FrameEncoding, name: str, count: int) -> npt.NDArray[Any]:
    """Decode single-plane frames, each the fragments (items) of one encapsulated frame.

    Parameters
    ----------
    frames : iterator of memoryview
    encoding : FrameEncoding
    name : str
        The volume, for messages.
    count : int
        Number of frames.

    Returns
    -------
    array of shape (count * rows * columns * samples,), dtype of the decoded samples

    Raises
    ------
    VolumeError
        If no decoder is installed for the transfer syntax, or the bytes cannot be decoded.
    """
    from pydicom.pixels.decoders.base import get_decoder

    try:
        decoder = get_decoder(str(encoding.transfer_syntax))
    except NotImplementedError as error:
        raise VolumeError(f"{name}: transfer syntax {encoding.transfer_syntax} has no decoder in pydicom") from error
    if not decoder.is_available:
        raise VolumeError(f"{name}: install the decoders for {decoder.UID.name}: pip install 'hbimg[codecs]'")
    plane = encoding.rows * encoding.columns * encoding.samples
    out = np.empty(count * plane, np.dtype(encoding.dtype).newbyteorder("="))
    for index, frame in enumerate(frames):
        source = b"".join((_EMPTY_OFFSET_TABLE, frame, _SEQUENCE_END))
        try:
            decoded, _ = decoder.as_array(source, index=0, raw=False, **_options(encoding))
        except (
            RuntimeError,
            ValueError,
            AttributeError,
            TypeError,
        ) as error:  # what pydicom's plugins are seen to raise
            raise VolumeError(f"{name}: frame {index} cannot be decoded: {error}") from error
        out[index * plane : (index + 1) * plane] = decoded.ravel()
    return out


def _options(encoding: FrameEncoding) -> dict[str, Any]:
    return {
        "transfer_syntax_uid": encoding.transfer_syntax,
        "rows": encoding.rows,
        "columns": encoding.columns,
        "samples_per_pixel": encoding.samples,
        "number_of_frames": 1,
        "pixel_keyword": "PixelData",
        **encoding.details,
    }
