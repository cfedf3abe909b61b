"""Deflated DICOM files: the elements behind the meta information are one raw deflate stream (PS3.5, A.5)."""

from __future__ import annotations

from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import BinaryIO, cast

from hbimg.ingest.sources import PathSource

#: What a packed DICOM file may unpack to. A length in DICOM counts up to 4 GiB; images have less than half of that.
MAX_UNPACKED_BYTES = 2 << 30
_IN_MEMORY_BYTES = 16 << 20
_PIECE_BYTES = 1 << 20


def unpacked(source: PathSource) -> tuple[BinaryIO, int]:
    """Unpack a file to memory, or to a temporary file where it is large; give it open, and its size in bytes.

    Raises
    ------
    UnreadableFileError
        If it is damaged, or unpacks to more than `MAX_UNPACKED_BYTES`.
    """
    # The caller closes it; closing removes it.
    spool = cast(BinaryIO, SpooledTemporaryFile(_IN_MEMORY_BYTES))  # noqa: SIM115
    try:
        with source.open() as stream:
            while piece := stream.read(_PIECE_BYTES):
                spool.write(piece)
        size = spool.tell()
    except BaseException:
        spool.close()
        raise
    return spool, size


def inflated(path: Path, start: int) -> tuple[BinaryIO, int]:
    """Unpack a deflated file whose meta information ends at byte `start`; as `unpacked`."""
    return unpacked(PathSource(path, MAX_UNPACKED_BYTES, deflated_from=start))
