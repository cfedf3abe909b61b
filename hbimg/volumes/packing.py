"""Gzip streams of source files: recognised, and reproduced where that is possible.

A ``.nii.gz`` can come back as the same compressed stream in two ways: the stream is kept beside the frames, or it is
made again from the unpacked bytes with the recorded gzip header and zlib level. The second is smaller but costs a
compression at ingest and at every export, and holds only as long as zlib compresses as it does today; so it is chosen
by the user (docs/decisions/0006).
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

#: An extra field has up to 64 KiB; a name and a comment may follow.
_MOST_HEADER_BYTES = 1 << 18
#: Enough to tell zlib's levels apart.
_PROBE_BYTES = 1 << 18
_LEVELS = (6, 9, 1, 2, 3, 4, 5, 7, 8)
_FEXTRA, _FNAME, _FCOMMENT, _FHCRC = 4, 8, 16, 2


def gzip_recipe(path: Path, unpacked_limit: int) -> dict[str, Any] | None:
    """Find how zlib makes exactly this gzip file; None if it does not, or it unpacks to more than the limit in bytes.

    The recipe holds the header bytes as hex digits, the level, and zlib's memory level. The whole file is compressed
    once to be sure. OSError if the file cannot be read.
    """
    with path.open("rb") as stream:
        header = _header_of(stream.read(_MOST_HEADER_BYTES))
        if header is None:
            return None
        plain_start = _unpack_start(path, len(header))
        for level in _LEVELS:
            for memory_level in (8, 9):
                recipe = {"kind": "gzip", "header": header.hex(), "level": level, "memory_level": memory_level}
                if _starts_alike(path, recipe, plain_start) and _makes(path, recipe, unpacked_limit):
                    return recipe
    return None


def pack_again(recipe: Mapping[str, Any], plain: Iterator[bytes]) -> Iterator[bytes]:
    """Give the gzip stream that a recipe makes of plain bytes."""
    packer = zlib.compressobj(recipe["level"], zlib.DEFLATED, -15, recipe["memory_level"])
    crc, size = 0, 0
    yield bytes.fromhex(recipe["header"])
    for piece in plain:
        crc, size = zlib.crc32(piece, crc), size + len(piece)
        yield packer.compress(piece)
    yield packer.flush() + crc.to_bytes(4, "little") + (size & 0xFFFFFFFF).to_bytes(4, "little")


def _header_of(start: bytes) -> bytes | None:
    """Give the bytes of a gzip member's header (RFC 1952)."""
    if len(start) < 18 or start[:3] != b"\x1f\x8b\x08":
        return None
    flags, end = start[3], 10
    if flags & _FEXTRA:
        end += 2 + int.from_bytes(start[10:12], "little")
    for flag in (_FNAME, _FCOMMENT):
        if flags & flag:
            end = start.find(b"\0", end) + 1
            if end == 0:
                return None
    if flags & _FHCRC:
        end += 2
    return start[:end] if end < len(start) else None


def _unpack_start(path: Path, skip: int) -> bytes:
    with path.open("rb") as stream:
        stream.seek(skip)
        try:
            return zlib.decompressobj(-15).decompress(stream.read(_PROBE_BYTES), 4 * _PROBE_BYTES)
        except zlib.error:
            return b""


def _starts_alike(path: Path, recipe: dict[str, Any], plain_start: bytes) -> bool:
    """Whether the first compressed blocks agree; cheap, and rules out most levels."""
    packer = zlib.compressobj(recipe["level"], zlib.DEFLATED, -15, recipe["memory_level"])
    made = packer.compress(plain_start)
    with path.open("rb") as stream:
        stream.seek(len(recipe["header"]) // 2)
        return stream.read(len(made)) == made


def _makes(path: Path, recipe: dict[str, Any], unpacked_limit: int) -> bool:
    """Whether the recipe gives the whole file."""
    try:
        with path.open("rb") as packed:
            return all(
                packed.read(len(piece)) == piece for piece in pack_again(recipe, _unpacked(path, unpacked_limit))
            ) and not packed.read(1)
    except zlib.error:
        return False


def _unpacked(path: Path, limit: int) -> Iterator[bytes]:
    """Unpack the first member of a gzip file, up to a little more than the limit in bytes."""
    with path.open("rb") as stream:
        for piece in _inflate(stream):
            yield piece
            limit -= len(piece)
            if limit < 0:
                return


def _inflate(stream: BinaryIO) -> Iterator[bytes]:
    unpacker = zlib.decompressobj(31)
    while not unpacker.eof and (data := stream.read(1 << 20)):
        while data and not unpacker.eof:
            yield unpacker.decompress(data, 1 << 22)
            data = unpacker.unconsumed_tail
    yield unpacker.flush()
