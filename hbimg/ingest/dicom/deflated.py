"""Reads the header of a deflated DICOM file, in bounded memory whatever it unpacks to."""

from __future__ import annotations

import zlib
from pathlib import Path

from hbimg.errors import UnreadableFileError
from hbimg.ingest.dicom.elements import UNDEFINED, NeedMoreError, Walk, Walker
from hbimg.ingest.dicom.tags import WANTED

#: More unpacked header than this is no header; the rest is only counted.
_MAX_HEADER = 16 * 1024 * 1024
_PIECE = 1024 * 1024


def read_deflated_header(path: Path, start: int, into: dict[int, bytes]) -> Walk:
    """Unpack what follows the meta information at byte `start` and walk its elements; values go `into` a mapping.

    Raises
    ------
    UnreadableFileError
        If the stream is broken, cut short, or holds fewer bytes than its pixel data say.
    """
    try:
        head, size = _unpack(path, start)
        walk = Walker(head, little=True, implicit=False).walk(0, WANTED, into=into)
    except zlib.error as error:
        raise UnreadableFileError(f"{path} is cut short or damaged: its deflated part cannot be unpacked") from error
    except NeedMoreError as need:
        raise UnreadableFileError(
            f"{path} is cut short or damaged: its unpacked part has {size:,} bytes, an element reaches to byte"
            f" {need.args[0]:,}"
        ) from None
    if walk.pixels is not None and walk.pixels.length != UNDEFINED:
        _check_length(path, walk.pixels.offset + walk.pixels.length, size)
    return walk


def _check_length(path: Path, needed: int, size: int) -> None:
    if needed > size:
        raise UnreadableFileError(f"{path} is cut short: its pixels reach to unpacked byte {needed:,} of {size:,}")


def _unpack(path: Path, start: int) -> tuple[bytes, int]:
    """Give the first unpacked bytes, and how many there are in all."""
    unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
    head, size = bytearray(), 0
    with path.open("rb") as file:
        file.seek(start)
        pending = file.read(_PIECE)
        while pending and not unpacker.eof:
            out = unpacker.decompress(pending, _PIECE)
            size += len(out)
            head += out[: max(0, _MAX_HEADER - len(head))]
            pending = unpacker.unconsumed_tail or file.read(_PIECE)
    if not unpacker.eof:
        raise zlib.error("incomplete stream")
    return bytes(head), size
