"""Find image files in folders by what they hold, never by their names."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from hbimg.errors import ConfigError
from hbimg.ingest.dicom import is_dicom
from hbimg.ingest.nifti import is_nifti

#: Enough for DICOM's preamble and first elements, and for both NIfTI headers.
HEAD_BYTES = 1024
#: Names that promise an image. A file of such a name that is none is refused; any other is left alone.
_IMAGE_SUFFIXES = (".dcm", ".dicom", ".nii", ".nii.gz", ".dcm.gz", ".ima")
_GZIP = b"\x1f\x8b\x08"


class Kind(StrEnum):
    """What a file was found to be."""

    DICOM = "dicom"
    NIFTI = "nifti"
    OTHER = "other"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file that was found.

    Attributes
    ----------
    path : Path
    name : str
        Path below the folder that was given, with ``/``.
    kind : Kind
    gzipped : bool
    size_bytes : int
    reason : str
        For OTHER and BROKEN: what is the matter.
    """

    path: Path
    name: str
    kind: Kind
    gzipped: bool = False
    size_bytes: int = 0
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
        if not path.exists():
            raise ConfigError(f"{path} does not exist: give files or folders to ingest")
        for file, name in _walk(path):
            if file not in seen:
                seen.add(file)
                yield _look_at(file, name)


def _walk(path: Path) -> Iterator[tuple[Path, str]]:
    root = Path(os.path.abspath(path))  # noqa: PTH100 - resolve() would follow links
    if not root.is_dir():
        yield root, root.name
        return
    for folder, subfolders, files in os.walk(root):
        subfolders.sort()
        for file in sorted(files):
            full = Path(folder, file)
            yield full, full.relative_to(root).as_posix()


def _look_at(path: Path, name: str) -> FoundFile:
    try:
        size_bytes = path.stat().st_size
        if not path.is_file():
            return FoundFile(path, name, Kind.OTHER, reason="no regular file")
        with path.open("rb") as stream:
            head = stream.read(HEAD_BYTES)
    except OSError as error:
        return FoundFile(path, name, Kind.BROKEN, reason=f"cannot be read: {error.strerror}")
    gzipped = head.startswith(_GZIP)
    if gzipped:
        head = _unpacked_head(head)
    if is_nifti(head):
        return FoundFile(path, name, Kind.NIFTI, gzipped, size_bytes)
    if is_dicom(head) and not gzipped:
        return FoundFile(path, name, Kind.DICOM, gzipped, size_bytes)
    if path.name.lower().endswith(_IMAGE_SUFFIXES):
        return FoundFile(path, name, Kind.BROKEN, gzipped, size_bytes, _why_broken(head, size_bytes, gzipped))
    return FoundFile(path, name, Kind.OTHER, gzipped, size_bytes, "no image that hbimg knows")


def _unpacked_head(head: bytes) -> bytes:
    try:
        return zlib.decompressobj(31).decompress(head, HEAD_BYTES)
    except zlib.error:
        return b""


def _why_broken(head: bytes, size_bytes: int, gzipped: bool) -> str:
    if size_bytes == 0:
        return "is empty"
    if gzipped and is_dicom(head):
        return "is a gzipped DICOM file: unpack it with gunzip first"
    inside = " when unpacked" if gzipped else ""
    return f"has the name of an image, but is neither DICOM nor NIfTI{inside}"
