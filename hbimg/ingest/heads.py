"""The first bytes of a file, unpacked where it is gzipped: all that finding and judging need."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

_GZIP = b"\x1f\x8b\x08"
_PIECE_BYTES = 4096
#: A gzip header holds at most 64 KiB of extra field, and a name and a comment, which nobody makes longer than this.
_MOST_PACKED_BYTES = 1 << 18


@dataclass(frozen=True, slots=True)
class Head:
    """The first bytes of a file, fewer only where the file has no more, or is damaged there.

    Attributes
    ----------
    data : bytes
    gzipped : bool
    damage : str
        What zlib said where the gzip stream is damaged, or where it ends too early.
    """

    data: bytes
    gzipped: bool = False
    damage: str = ""


def read_head(path: Path, length: int) -> Head:
    """Read the first bytes of a file; OSError if that cannot be done."""
    with path.open("rb", buffering=0) as stream:
        first = stream.read(max(length, _PIECE_BYTES))
        if not first.startswith(_GZIP):
            return Head(first[:length])
        return _unpacked(first, stream, length)


def _unpacked(packed: bytes, stream: BinaryIO, length: int) -> Head:
    """Unpack the start of a gzip file, which may have a long header and several members."""
    head, taken = b"", 0
    unpacker = zlib.decompressobj(31)
    try:
        while packed and len(head) < length and taken < _MOST_PACKED_BYTES:
            head += unpacker.decompress(packed, length - len(head))
            taken += len(packed)
            packed = b""
            if unpacker.eof:
                packed = unpacker.unused_data.lstrip(b"\0")
                unpacker = zlib.decompressobj(31)
            packed = packed or stream.read(_PIECE_BYTES)
    except zlib.error as error:
        return Head(head, gzipped=True, damage=str(error))
    return Head(head, gzipped=True)
