"""Find image files in folders by what they hold, never by their names."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from hbimg.errors import ConfigError
from hbimg.ingest.dicom import is_dicom
from hbimg.ingest.heads import Head, read_head
from hbimg.ingest.nifti import is_analyze, is_nifti
from hbimg.ingest.pictures import is_picture

#: Enough for DICOM's preamble and first elements, and for both NIfTI headers.
HEAD_BYTES = 1024
_PICTURE_SUFFIXES = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".ppm", ".pgm", ".pbm")
#: Names that promise an image. A file of such a name that is none is refused; any other is left alone.
_IMAGE_SUFFIXES = (".dcm", ".dicom", ".nii", ".nii.gz", ".dcm.gz", ".ima", *_PICTURE_SUFFIXES)
#: What is said of a file that is read and is none.
NO_IMAGE = "is no image that hbimg knows"
_NAME_IS_LOST = "has a name that is no UTF-8, under which it could not be given back: rename it"


class Kind(StrEnum):
    """What a file was found to be."""

    DICOM = "dicom"
    NIFTI = "nifti"
    PICTURE = "picture"
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


def discover(paths: Iterable[Path]) -> Iterator[FoundFile]:
    """Give every file at and below the paths, in the order of their names, each once.

    Symbolic links to files are followed, those to folders are not: they may go round in circles.

    Raises
    ------
    ConfigError
        If a path does not exist.
    """
    seen: set[Path] = set()
    for path in paths:
        if not os.path.lexists(path):
            raise ConfigError(f"{path} does not exist: give files or folders to ingest")
        for found in _walk(path):
            if found.path not in seen:
                seen.add(found.path)
                yield found


def _walk(path: Path) -> Iterator[FoundFile]:
    root = Path(os.path.abspath(path))  # noqa: PTH100 - resolve() would follow links
    if not root.is_dir():
        yield _look_at(root, root.name)
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
    if path.name.lower().endswith(_IMAGE_SUFFIXES):
        return Kind.BROKEN, _why_broken(head, size_bytes)
    return Kind.OTHER, NO_IMAGE


def _why_broken(head: Head, size_bytes: int) -> str:
    if size_bytes == 0:
        return "is empty"
    if head.damage:
        return f"is a damaged gzip file: {head.damage}"
    inside = " when unpacked" if head.gzipped else ""
    return f"has the name of an image, but is neither DICOM nor NIfTI nor a picture{inside}"
