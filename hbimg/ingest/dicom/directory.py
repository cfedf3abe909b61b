"""DICOMDIR: a table of contents, whose records name the files of a medium (PS3.10, 8.6)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hbimg.errors import UnreadableFileError
from hbimg.ingest.dicom.elements import MalformedError, NeedMoreError, Walker
from hbimg.ingest.dicom.recognise import is_dicom
from hbimg.ingest.dicom.syntaxes import DICOMDIR

_RECORDS, _FILE = 0x00041220, 0x00041500
#: A record has some hundred bytes, and a medium some ten thousand files.
_MOST_BYTES = 256 << 20


@dataclass(frozen=True, slots=True)
class Listed:
    """The files that a DICOMDIR names: those that are there, and the names of those that are not."""

    there: tuple[Path, ...]
    absent: tuple[str, ...]


def is_directory_file(head: bytes) -> bool:
    """Whether the first 1,024 bytes of a file are those of a DICOMDIR."""
    return is_dicom(head[:512]) and DICOMDIR.encode() in head[128:1024]


def listed_files(path: Path) -> Listed:
    """Give the files that a DICOMDIR names, below its own folder; case does not matter, for discs are blind to it.

    Raises
    ------
    UnreadableFileError
        If it cannot be read, or is broken.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES)
    except OSError as error:
        raise UnreadableFileError(f"{path} cannot be read: {error.strerror}") from error
    there, absent = [], []
    for name in dict.fromkeys(_names(path, data)):
        found = _below(path.parent, name)
        if found is None:
            absent.append("/".join(name))
        else:
            there.append(found)
    return Listed(tuple(there), tuple(absent))


def _names(path: Path, data: bytes) -> list[tuple[str, ...]]:
    """Give the parts of each name."""
    try:
        # A DICOMDIR is explicit little endian, always.
        start = 132 if data[128:132] == b"DICM" else 0
        meta = Walker(data, little=True, implicit=False).walk(start, (), into={}, stop_group=3).end
        found = Walker(data, little=True, implicit=False).walk(meta, (_RECORDS,), into={}).values
        names = []
        for item in Walker(found.get(_RECORDS, b""), little=True, implicit=False).items():
            raw = Walker(item, little=True, implicit=False).walk(0, (_FILE,), into={}).values.get(_FILE, b"")
            text = raw.decode("latin-1").strip(" \0")
            if text:
                names.append(tuple(part.strip() for part in text.split("\\")))
    except (MalformedError, NeedMoreError) as error:
        raise UnreadableFileError(f"{path} is a broken DICOMDIR: {error}") from error
    return names


def _below(folder: Path, name: tuple[str, ...]) -> Path | None:
    """Find a file by the parts of its name, in any case; None when it is not there, or leads out of the folder."""
    at = folder
    for part in name:
        if part in ("", ".", "..") or "/" in part or "\0" in part:
            return None
        plain = at / part
        if not plain.exists():
            spelled = [entry for entry in _entries(at) if entry.name.casefold() == part.casefold()]
            if not spelled:
                return None
            plain = spelled[0]
        at = plain
    return at if at.is_file() else None


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []
