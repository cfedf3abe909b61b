"""Writes DICOM files again in another transfer syntax: the same samples, encoded in every way that hbimg reads.

The encoders of JPEG, JPEG-LS, JPEG 2000 and HTJ2K are imagecodecs', which is no other than the decoders': it is needed
for tests and benchmarks alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

_ROOT = "1.2.840.10008.1.2"


@dataclass(frozen=True, slots=True)
class Syntax:
    """A transfer syntax: its UID, whether samples come back as they were, bits of a sample, and how frames are made."""

    uid: str
    lossless: bool = True
    bits: int = 16
    encode: Callable[[NDArray[Any]], bytes] | None = None


def _jpeg(**options: Any) -> Callable[[NDArray[Any]], bytes]:
    def encode(plane: NDArray[Any]) -> bytes:
        import imagecodecs

        return bytes(imagecodecs.jpeg8_encode(plane, **options))

    return encode


def _by(name: str, **options: Any) -> Callable[[NDArray[Any]], bytes]:
    def encode(plane: NDArray[Any]) -> bytes:
        import imagecodecs

        return bytes(getattr(imagecodecs, name)(plane, **options))

    return encode


def _rle(plane: NDArray[Any]) -> bytes:
    from pydicom.pixels.encoders.base import get_encoder
    from pydicom.uid import RLELossless

    bits = 8 * plane.itemsize
    return get_encoder(RLELossless).encode(
        plane.tobytes(),
        rows=plane.shape[0],
        columns=plane.shape[1],
        number_of_frames=1,
        samples_per_pixel=1,
        bits_allocated=bits,
        bits_stored=bits,
        pixel_representation=0,
        photometric_interpretation="MONOCHROME2",
    )


#: Every transfer syntax that hbimg reads, by a short name.
SYNTAXES: Mapping[str, Syntax] = {
    "implicit": Syntax(_ROOT),
    "explicit": Syntax(f"{_ROOT}.1"),
    "deflated": Syntax(f"{_ROOT}.1.99"),
    "big-endian": Syntax(f"{_ROOT}.2"),
    "rle": Syntax(f"{_ROOT}.5", encode=_rle),
    "jpeg-baseline": Syntax(f"{_ROOT}.4.50", lossless=False, bits=8, encode=_jpeg(level=98)),
    "jpeg-extended": Syntax(f"{_ROOT}.4.51", lossless=False, bits=12, encode=_jpeg(level=99, bitspersample=12)),
    "jpeg-lossless-14": Syntax(f"{_ROOT}.4.57", encode=_jpeg(lossless=True, predictor=4, bitspersample=16)),
    "jpeg-lossless": Syntax(f"{_ROOT}.4.70", encode=_jpeg(lossless=True, predictor=1, bitspersample=16)),
    "jpeg-ls": Syntax(f"{_ROOT}.4.80", encode=_by("jpegls_encode", level=0)),
    "jpeg-ls-near": Syntax(f"{_ROOT}.4.81", lossless=False, encode=_by("jpegls_encode", level=2)),
    "jpeg-2000": Syntax(f"{_ROOT}.4.90", encode=_by("jpeg2k_encode", codecformat="j2k", reversible=True, level=0)),
    "jpeg-2000-lossy": Syntax(
        f"{_ROOT}.4.91", lossless=False, encode=_by("jpeg2k_encode", codecformat="j2k", level=100)
    ),
    "htj2k": Syntax(f"{_ROOT}.4.201", encode=_by("htj2k_encode", reversible=True)),
    "htj2k-rpcl": Syntax(f"{_ROOT}.4.202", encode=_by("htj2k_encode", reversible=True)),
    "htj2k-lossy": Syntax(f"{_ROOT}.4.203", lossless=False, encode=_by("htj2k_encode", reversible=False)),
}


def reencode(dataset: Dataset, name: str, *, fragments: int = 1, table: str = "basic") -> None:
    """Put the samples of a native data set of one sample per pixel into another transfer syntax, in place.

    Parameters
    ----------
    dataset : Dataset
        With file meta information; its samples must fit into the syntax's bits.
    name : str
        Of `SYNTAXES`.
    fragments : int
        Into how many fragments each compressed frame is cut.
    table : str
        Where frames begin: ``basic`` or ``extended`` offset table, or ``none``.
    """
    from pydicom.uid import UID

    syntax = SYNTAXES[name]
    frames = int(dataset.get("NumberOfFrames", 1))
    shape = (frames, dataset.Rows, dataset.Columns)
    samples = np.frombuffer(dataset.PixelData, f"<u{dataset.BitsAllocated // 8}")[: int(np.prod(shape))].reshape(shape)
    dataset.file_meta.TransferSyntaxUID = UID(syntax.uid)
    if syntax.encode is None:
        order = ">" if name == "big-endian" else "<"
        dataset.PixelData = samples.astype(samples.dtype.newbyteorder(order)).tobytes()
        dataset["PixelData"].VR = "OW"
        return
    if syntax.bits < 16:
        dataset.BitsStored = syntax.bits
        dataset.HighBit = syntax.bits - 1
        dataset.BitsAllocated = 8 if syntax.bits == 8 else 16
        dataset.PixelRepresentation = 0
        samples = samples.astype(f"<u{dataset.BitsAllocated // 8}")
    _encapsulate(dataset, [syntax.encode(np.ascontiguousarray(frame)) for frame in samples], fragments, table)


def save(dataset: Dataset, path: Path) -> None:
    """Write a data set in its transfer syntax, whichever it was read in."""
    import pydicom

    syntax = dataset.file_meta.TransferSyntaxUID
    dataset.walk(lambda *_: None)  # values that were not looked at yet would be written as they were read
    pydicom.dcmwrite(
        path,
        dataset,
        implicit_vr=syntax.is_implicit_VR,
        little_endian=syntax.is_little_endian,
        enforce_file_format=True,
    )


def _encapsulate(dataset: Dataset, frames: list[bytes], fragments: int, table: str) -> None:
    from pydicom.encaps import encapsulate, encapsulate_extended

    if table == "extended":  # which the standard allows for frames of one fragment alone
        data, offsets, lengths = encapsulate_extended(frames)
        dataset.ExtendedOffsetTable, dataset.ExtendedOffsetTableLengths = offsets, lengths
        dataset.PixelData = data
    else:
        dataset.PixelData = encapsulate(frames, fragments_per_frame=fragments, has_bot=table == "basic")
    dataset["PixelData"].is_undefined_length = True
    dataset["PixelData"].VR = "OB"
