"""Archives of a study, zip and tar: their members are unpacked to a temporary folder and looked at like other files.

A member keeps its bytes, so `hbimg export` gives it back under the archive's name; the archive itself is not kept.
What is unpacked has limits, and no member is written outside of its folder: an archive that breaks a rule is refused
as a whole, before anything of it is stored.
"""

from __future__ import annotations

import lzma
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, BinaryIO, Self

from hbimg.errors import UnreadableFileError

#: An archive may unpack to this much, and to `MOST_TIMES` its own size more: images become 2 to 20 times smaller.
FREE_BYTES = 1 << 30
MOST_TIMES = 100
MOST_MEMBERS = 500_000
_PIECE_BYTES = 1 << 20
#: Headers of tar that say more of the next member, such as a long name, in as many bytes as they like.
_NAME_HEADERS = (
    *(tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE),
    *(tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK),
)
_MOST_HEADER_BYTES = 1 << 20

_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
_PACKED_TAR = (b"BZh", b"\xfd7zXZ\0")
#: Names that promise an archive, where one is found inside another.
SUFFIXES = (".zip", ".tar", ".tgz", ".tar.gz", ".tbz2", ".tar.bz2", ".txz", ".tar.xz")

_BROKEN = (
    *(zipfile.BadZipFile, zlib.error, tarfile.TarError, lzma.LZMAError, EOFError, NotImplementedError),
    *(RuntimeError, ValueError),
)


def is_archive(head: bytes) -> bool:
    """Whether the first 512 bytes of a file, unpacked where it is gzipped, are those of a zip or tar archive."""
    return head.startswith((*_ZIP, *_PACKED_TAR)) or head[257:262] == b"ustar"


class _CarefulTarInfo(tarfile.TarInfo):
    """A header of tar; one for long names or the like that is itself long is refused: all of it goes into memory."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        found = super().frombuf(buf, encoding, errors)
        if found.type in _NAME_HEADERS and found.size > _MOST_HEADER_BYTES:
            raise tarfile.ReadError(f"it has a header of {found.size:,} bytes")
        return found


@dataclass(frozen=True, slots=True)
class _Member:
    name: str
    size_bytes: int
    open: Callable[[], IO[bytes] | None]


def unpack(archive: Path, folder: Path) -> None:
    """Unpack the regular files of an archive into a folder, which is made.

    Raises
    ------
    UnreadableFileError
        If it is broken, encrypted, unpacks to too much, has too many members or one twice, or one whose name leads out
        of the folder. The folder is gone then.
    """
    limit = FREE_BYTES + MOST_TIMES * archive.stat().st_size
    folder.mkdir(parents=True)
    try:
        left = limit
        for count, member in enumerate(_members(archive), start=1):
            _check_count(archive, count)
            left -= _write(archive, member, folder, left, limit)
    except _BROKEN as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise UnreadableFileError(f"{archive} is a broken archive: {' '.join(str(error).split())}") from error
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        if isinstance(error, UnreadableFileError):
            raise
        words = error.strerror or error
        raise UnreadableFileError(f"{archive} cannot be unpacked to {folder}: {words}; TMPDIR sets where to") from error
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _check_count(archive: Path, count: int) -> None:
    if count > MOST_MEMBERS:
        raise UnreadableFileError(f"{archive} has more than {MOST_MEMBERS:,} members: unpack it yourself")


def _members(archive: Path) -> Iterator[_Member]:
    """Give the regular files of an archive; links, devices and folders are passed over."""
    with archive.open("rb") as file:
        is_zip = file.read(4) in _ZIP
    if not is_zip:
        with tarfile.open(archive, "r|*", tarinfo=_CarefulTarInfo) as tar:
            for info in tar:
                if info.isreg():
                    yield _Member(info.name, info.size, lambda info=info: tar.extractfile(info))  # type: ignore[misc]
        return
    with zipfile.ZipFile(archive) as zipped:
        for entry in zipped.infolist():
            if entry.flag_bits & 1:
                raise UnreadableFileError(f"{archive} is encrypted: unpack it first")
            kind = entry.external_attr >> 28
            if not entry.is_dir() and kind in (0, 8):  # of a regular file, or not told
                yield _Member(entry.filename, entry.file_size, lambda entry=entry: zipped.open(entry))  # type: ignore[misc]


def _write(archive: Path, member: _Member, folder: Path, left: int, limit: int) -> int:
    """Write a member and give its size in bytes."""
    inside = _inside(archive, member.name)
    path = folder / inside
    if member.size_bytes > left:
        raise _too_much(archive, limit)
    with _new_file(archive, path, member.name) as target:
        source = member.open()
        if source is None:
            return 0
        written = 0
        with source:
            while piece := source.read(_PIECE_BYTES):
                written += len(piece)
                if written > left:
                    raise _too_much(archive, limit)
                target.write(piece)
    return written


@contextmanager
def _new_file(archive: Path, path: Path, name: str) -> Iterator[BinaryIO]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        target = path.open("xb")
    except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
        raise UnreadableFileError(f"{archive} has two members called {name!r}: unpack it first") from error
    with target:
        yield target


def _inside(archive: Path, name: str) -> PurePosixPath:
    """Give a member's name as a path below the folder."""
    inside = PurePosixPath(name.replace("\\", "/"))
    if inside.is_absolute() or ".." in inside.parts or not inside.parts or ":" in inside.parts[0] or "\0" in name:
        raise UnreadableFileError(
            f"{archive} has a member whose name leads out of it: {name!r}; nothing of it is taken"
        )
    return inside


def _too_much(archive: Path, limit: int) -> UnreadableFileError:
    return UnreadableFileError(
        f"{archive} unpacks to more than {limit >> 20:,} MiB, {MOST_TIMES} times its size and 1 GiB: no study does"
    )
