"""Find image files in folders by what they hold, never by their names."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from hbimg.errors import ConfigError, UnreadableFileError
from hbimg.ingest.archives import SUFFIXES as ARCHIVE_SUFFIXES
from hbimg.ingest.archives import is_archive, unpack
from hbimg.ingest.dicom import is_dicom
from hbimg.ingest.dicom.directory import is_directory_file, listed_files
from hbimg.ingest.heads import Head, read_head
from hbimg.ingest.nifti import is_analyze, is_nifti
from hbimg.ingest.pictures import is_picture

#: Enough for DICOM's preamble and first elements, and for both NIfTI headers.
HEAD_BYTES = 1024
_PICTURE_SUFFIXES = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".ppm", ".pgm", ".pbm")
#: Names that promise an image. A file of such a name that is none is refused; any other is left alone.
_IMAGE_SUFFIXES = (".dcm", ".dicom", ".nii", ".nii.gz", ".dcm.gz", ".ima", *_PICTURE_SUFFIXES)
#: What macOS writes beside files on other disks (`._scan.nii`), under names that promise an image.
_APPLE_DOUBLE = b"\0\5\x16\7"
#: What is said of a file that is read and is none.
NO_IMAGE = "is no image that hbimg knows"
IS_EMPTY = "is empty"
_NAME_IS_LOST = "has a name that is no UTF-8, under which it could not be given back: rename it"


class Kind(StrEnum):
    """What a file was found to be."""

    DICOM = "dicom"
    NIFTI = "nifti"
    PICTURE = "picture"
    ARCHIVE = "archive"
    OTHER = "other"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file that was found.

    Attributes
    ----------
    path : Path
    name : str
        Path below the folder that was given, with ``/``; bytes that are no UTF-8 as escapes.
    kind : Kind
    gzipped : bool
    size_bytes : int
    modified_ns : int
        When it was last modified, as the system says.
    reason : str
        For OTHER and BROKEN: what is the matter.
    """

    path: Path
    name: str
    kind: Kind
    gzipped: bool = False
    size_bytes: int = 0
    modified_ns: int = 0
    reason: str = ""


def discover(paths: Iterable[Path], scratch: Path | None = None) -> Iterator[FoundFile]:
    """Give every file at and below the paths, in the order of their names, each once.

    Symbolic links to files are followed, those to folders are not: they may go round in circles. Archives that hold
    images are unpacked into folders of their own below `scratch`, and their members given; without it they are closed.

    Raises
    ------
    ConfigError
        If a path does not exist.
    """
    seen: set[Path] = set()
    opened = 0
    for path in paths:
        if not os.path.lexists(path):
            raise ConfigError(f"{path} does not exist: give files or folders to ingest")
        for found in _walk(path):
            if found.path in seen:
                continue
            seen.add(found.path)
            if found.kind is Kind.ARCHIVE and scratch is not None:
                opened += 1
                yield from _members(found, scratch / str(opened) / found.name)
            else:
                yield found


def _members(archive: FoundFile, folder: Path) -> Iterator[FoundFile]:
    """Unpack an archive and give the files in it, or itself when it is broken or has no image."""
    try:
        unpack(archive.path, folder)
    except UnreadableFileError as error:
        yield replace(archive, kind=Kind.BROKEN, reason=str(error))
        return
    inner = [_closed(found) for found in _walk(folder)]
    if all(found.kind is Kind.OTHER for found in inner):
        shutil.rmtree(folder, ignore_errors=True)
        yield replace(archive, kind=Kind.OTHER, reason="is an archive without an image")
        return
    yield from (replace(found, name=f"{archive.name}/{found.name}") for found in inner)


def _closed(found: FoundFile) -> FoundFile:
    """Leave an archive inside an archive closed: a spreadsheet is one too, so only a name that says so is refused."""
    if found.kind is not Kind.ARCHIVE:
        return found
    is_told = found.name.lower().endswith(ARCHIVE_SUFFIXES)
    words = "is an archive inside an archive, which is not opened: unpack the outer one first"
    return replace(found, kind=Kind.BROKEN if is_told else Kind.OTHER, reason=words)


def _walk(path: Path) -> Iterator[FoundFile]:
    root = Path(os.path.abspath(path))  # noqa: PTH100 - resolve() would follow links
    if not root.is_dir():
        found = _look_at(root, root.name)
        yield found
        if found.kind is Kind.DICOM and not found.gzipped:
            yield from _listed(root)
        return
    unread: list[OSError] = []
    for folder, subfolders, files in os.walk(root, onerror=unread.append):
        for error in unread:
            yield _unreadable(Path(error.filename), root, error)
        unread.clear()
        subfolders.sort()
        for name in sorted([*files, *(name for name in subfolders if Path(folder, name).is_symlink())]):
            full = Path(folder, name)
            yield _look_at(full, full.relative_to(root).as_posix())
    for error in unread:
        yield _unreadable(Path(error.filename), root, error)


def _listed(path: Path) -> Iterator[FoundFile]:
    """Give the files that a DICOMDIR names, when that itself was given."""
    if not is_directory_file(read_head(path, HEAD_BYTES).data):
        return
    with suppress(UnreadableFileError):  # it is set aside then, with this reason
        for file in listed_files(path).there:
            yield _look_at(file, file.relative_to(path.parent).as_posix())


def _unreadable(path: Path, root: Path, error: OSError) -> FoundFile:
    return FoundFile(path, _shown(path.relative_to(root).as_posix()), Kind.BROKEN, reason=_cannot_be_read(error))


def _cannot_be_read(error: OSError) -> str:
    return f"cannot be read: {error.strerror}"


def _shown(name: str) -> str:
    """Give a name as it can be printed and stored: bytes of it that are no UTF-8 as escapes."""
    return name.encode(errors="surrogateescape").decode(errors="backslashreplace")


def _look_at(path: Path, name: str) -> FoundFile:
    shown = _shown(name)
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            reason = "is a link to a folder, which is not followed: name the folder itself"
            return FoundFile(path, shown, Kind.OTHER, reason=reason)
        if not stat.S_ISREG(status.st_mode):
            return FoundFile(path, shown, Kind.OTHER, reason="is no regular file")
        head = read_head(path, HEAD_BYTES)
    except OSError as error:
        return FoundFile(path, shown, Kind.BROKEN, reason=_cannot_be_read(error))
    found = FoundFile(path, shown, Kind.OTHER, head.gzipped, status.st_size, status.st_mtime_ns)
    kind, reason = _judge(path, head, status.st_size)
    if kind is not Kind.BROKEN and shown != name:
        kind, reason = (kind if kind is Kind.OTHER else Kind.BROKEN), _NAME_IS_LOST
    return replace(found, kind=kind, reason=reason)


def _judge(path: Path, head: Head, size_bytes: int) -> tuple[Kind, str]:
    if is_nifti(head.data):
        return Kind.NIFTI, ""
    if is_dicom(head.data):
        return Kind.DICOM, ""
    if is_picture(head.data) and not head.gzipped:
        return Kind.PICTURE, ""
    if is_analyze(head.data):
        return Kind.BROKEN, "is ANALYZE 7.5, which says nothing of left and right: convert it to NIfTI first"
    if is_archive(head.data):
        return Kind.ARCHIVE, "is an archive"
    if promises_image(path) and not head.data.startswith(_APPLE_DOUBLE):
        return Kind.BROKEN, _why_broken(head, size_bytes)
    return Kind.OTHER, NO_IMAGE


def promises_image(path: Path) -> bool:
    """Whether a file's name is that of an image."""
    return path.name.lower().endswith(_IMAGE_SUFFIXES)


def _why_broken(head: Head, size_bytes: int) -> str:
    if size_bytes == 0:
        return IS_EMPTY
    if head.damage:
        return f"is a damaged gzip file: {head.damage}"
    inside = " when unpacked" if head.gzipped else ""
    return f"has the name of an image, but is neither DICOM nor NIfTI nor a picture{inside}"
