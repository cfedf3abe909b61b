"""Deflated DICOM files: the elements behind the meta information are one raw deflate stream (PS3.5, A.5)."""

from __future__ import annotations

from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import BinaryIO, cast

from hbimg.errors import UnreadableFileError
from hbimg.ingest.sources import PathSource

#: What a packed DICOM file may unpack to. A length in DICOM counts up to 4 GiB; images have less than half of that.
MAX_UNPACKED_BYTES = 2 << 30
_IN_MEMORY_BYTES = 16 << 20
_PIECE_BYTES = 1 << 20
_NO_LIMIT = 1 << 62  # of the source: the limit is kept here


def unpacked(path: Path, deflated_from: int = 0) -> tuple[BinaryIO, int]:
    """Unpack a gzipped file, or one that is deflated from a byte on; give it open, and its size in bytes.

    It is in memory, or in a temporary file where it is large.

    Raises
    ------
    UnreadableFileError
        If it is damaged, or unpacks to more than `MAX_UNPACKED_BYTES`.
    """
    # The caller closes it; closing removes it.
    spool = cast(BinaryIO, SpooledTemporaryFile(_IN_MEMORY_BYTES))  # noqa: SIM115
    try:
        with PathSource(path, _NO_LIMIT, deflated_from=deflated_from).open() as stream:
            while piece := stream.read(_PIECE_BYTES):
                spool.write(piece)
                _check(path, spool.tell())
        size = spool.tell()
    except BaseException:
        spool.close()
        raise
    return spool, size


def _check(path: Path, size: int) -> None:
    if size > MAX_UNPACKED_BYTES:
        raise UnreadableFileError(f"{path} unpacks to more than {MAX_UNPACKED_BYTES >> 20:,} MiB: no DICOM image does")
