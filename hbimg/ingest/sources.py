"""Open the files that are ingested: errors of the disk and of gzip become ours, and name the file."""

from __future__ import annotations

import io
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from isal import igzip
from isal.igzip_lib import IsalError

from hbimg.errors import UnreadableFileError

#: What a gzipped image may hold behind its last voxel; more is a gzip bomb rather than an image.
MAX_TRAILING_BYTES = 64 << 20
_PACKED_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class PathSource:
    """A file on disk; fulfils `hbimg.volumes.content.ByteSource`, in any process.

    `unpacked_limit` bounds how many bytes a packed file may unpack to; None for a file that is not packed.
    `modified_ns` is when the file was last modified as its headers were read; 0 where that is not known.
    `deflated_from` is the byte at which the raw deflate stream of a deflated DICOM file begins; 0 for gzip.
    """

    path: Path
    unpacked_limit: int | None = None
    modified_ns: int = 0
    deflated_from: int = 0

    @contextmanager
    def open(self) -> Iterator[BinaryIO]:
        """Open the file for one sequential reading, unpacked if it is packed."""
        if self.unpacked_limit is None:
            with self.open_packed() as stream:
                yield stream
            return
        with reading(self.path):
            start = self.deflated_from
            opened = cast(BinaryIO, _Inflating(self.path, start) if start else igzip.open(self.path, "rb"))
        with opened as stream:
            yield io.BufferedReader(_Limited(stream, self.path, self.unpacked_limit), 1 << 20)

    @contextmanager
    def open_packed(self) -> Iterator[BinaryIO]:
        """Open the file as it lies on the disk."""
        with reading(self.path):
            opened = self.path.open("rb", buffering=0)
        with opened as stream:
            before = os.fstat(stream.fileno())
            yield cast(BinaryIO, _Whole(stream, self.path))
            after = os.fstat(stream.fileno())
        modified_ns = self.modified_ns or before.st_mtime_ns
        if (before.st_size, modified_ns) != (after.st_size, after.st_mtime_ns) or before.st_mtime_ns != modified_ns:
            raise UnreadableFileError(
                f"{self.path} changed while it was read: nothing of its volume is kept, run again"
            )


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn errors of opening and reading a file into ours; only around these, for the store raises OSErrors too."""
    try:
        yield
    except (zlib.error, IsalError, EOFError, igzip.BadGzipFile) as error:  # type: ignore[misc]  # isal's stub errs
        raise UnreadableFileError(f"{path} is a damaged gzip file: {error}") from error
    except OSError as error:
        raise UnreadableFileError(f"{path} cannot be read: {error.strerror}") from error


class _Whole(io.RawIOBase):
    """An unbuffered file whose `read` gives all that was asked for, in one copy."""

    def __init__(self, raw: io.FileIO, path: Path) -> None:
        self._raw = raw
        self._path = path

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        with reading(self._path):
            data = self._raw.read(size) or b""
            if size < 0 or len(data) == size or not data:
                return data
            pieces = [data]
            while sum(map(len, pieces)) < size and (more := self._raw.read(size - sum(map(len, pieces)))):
                pieces.append(more)
            return b"".join(pieces)


class _Inflating(io.RawIOBase):
    """A file that is plain up to a byte and a raw deflate stream from there, unpacked; what follows is left out."""

    def __init__(self, path: Path, start: int) -> None:
        self._path = path
        self._file = path.open("rb")
        self._plain = start
        self._unpacker = zlib.decompressobj(-zlib.MAX_WBITS)

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        self._file.close()
        super().close()

    def read(self, size: int = -1) -> bytes:
        if self._plain:
            piece = self._file.read(min(self._plain, size))
            self._plain = self._plain - len(piece) if piece else 0
            return piece
        while not self._unpacker.eof:
            packed = self._unpacker.unconsumed_tail or self._file.read(_PACKED_BYTES)
            try:
                piece = self._unpacker.decompress(packed, size)
            except zlib.error as error:
                raise UnreadableFileError(f"{self._path} is damaged: its deflated part cannot be unpacked") from error
            if piece:
                return piece
            if not packed and not self._unpacker.eof:
                raise UnreadableFileError(f"{self._path} is cut short: its deflated part ends too early")
        return b""


class _Limited(io.RawIOBase):
    """A stream that refuses to give more than a limit."""

    def __init__(self, stream: BinaryIO, path: Path, limit: int) -> None:
        self._stream = stream
        self._path = path
        self._left = limit

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # typeshed's Buffer is wider
        with reading(self._path):
            data = self._stream.read(len(buffer))
        self._left -= len(data)
        if self._left < 0:
            raise UnreadableFileError(
                f"{self._path} unpacks to more than {MAX_TRAILING_BYTES >> 20} MiB beyond its last voxel: no image does"
            )
        buffer[: len(data)] = data
        return len(data)
