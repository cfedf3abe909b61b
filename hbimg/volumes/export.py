"""Write originals and results to a folder: each file whole or not at all, and never outside the folder."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from hbimg.errors import ExportError, HbimgError
from hbimg.volumes.reader import VolumeReader
from hbimg.volumes.record import VolumeRecord
from hbimg.volumes.results import Manifest, read_artefact
from hbimg.volumes.table import VolumeTable


@dataclass(frozen=True, slots=True)
class Exported:
    """A file that was written: its path, size in bytes and SHA-256."""

    path: Path
    size_bytes: int
    sha256: str


class Exporter:
    """Writes files below a folder.

    Parameters
    ----------
    folder : Path
        Made if absent.
    overwrite : bool
        Whether files that are there may be overwritten.
    """

    def __init__(self, folder: Path, *, overwrite: bool = False) -> None:
        self.folder = folder
        self._overwrite = overwrite
        self._written: set[PurePosixPath] = set()
        self._spellings: dict[str, PurePosixPath] = {}
        self._case_blind: bool | None = None

    def originals(
        self, volumes: VolumeTable, record: VolumeRecord, below: PurePosixPath | None = None
    ) -> Iterator[Exported]:
        """Write the original files of a volume, byte for byte, below ``project/subject/session/scan``, or `below`.

        Raises
        ------
        ExportError
            If a file is there already, or cannot be written.
        CorruptCellError
            If a file does not come back with its SHA-256.
        """
        for stored, pieces in VolumeReader(volumes, record).originals():
            folder = self._folder_of(record) if below is None else below
            path = self.write(folder / _safe(stored.name), pieces)
            yield Exported(path, stored.size_bytes, stored.sha256)

    def result(self, volumes: VolumeTable, record: VolumeRecord, manifest: Manifest) -> Iterator[Exported]:
        """Write the artefacts of a result below ``project/subject/session/scan``; errors as for originals."""
        for artefact in manifest.artefacts:
            path = self._folder_of(record) / _safe(artefact.name)
            written = self.write(path, read_artefact(volumes, manifest, artefact))
            yield Exported(written, artefact.size_bytes, artefact.sha256)

    def file(self, inside: PurePosixPath, pieces: Iterable[bytes]) -> Exported:
        """Write a file below the folder, and tell its size and SHA-256; errors as for `write`."""
        sha256, size_bytes = hashlib.sha256(), 0

        def counted() -> Iterator[bytes]:
            nonlocal size_bytes
            for piece in pieces:
                sha256.update(piece)
                size_bytes += len(piece)
                yield piece

        path = self.write(inside, counted())
        return Exported(path, size_bytes, sha256.hexdigest())

    def _folder_of(self, record: VolumeRecord) -> PurePosixPath:
        return PurePosixPath(*record.key.labels)

    def write(self, inside: PurePosixPath, pieces: Iterable[bytes]) -> Path:
        """Write a file below the folder, whole or not at all; ExportError if it is there already, or cannot be."""
        path = self.folder / inside
        draft = path.with_name(f".hbimg-{os.getpid()}.part")
        try:
            self._refuse(inside)
            path.parent.mkdir(parents=True, exist_ok=True)
            with draft.open("wb") as stream:
                for piece in pieces:
                    stream.write(piece)
            draft.replace(path)
        except OSError as error:
            _drop(draft)
            if isinstance(error, HbimgError):
                raise
            raise ExportError(f"{path} cannot be written: {error.strerror}") from error
        except BaseException:
            _drop(draft)
            raise
        return path

    def _refuse(self, inside: PurePosixPath) -> None:
        """Refuse to write over a file, and, on a disk that is blind to case, what is told apart by case alone."""
        path = self.folder / inside
        if inside in self._written:
            raise ExportError(f"{path} would be written twice: two files of the volume have this name")
        self._written.add(inside)
        for part in (inside, *inside.parents):
            twin = self._spellings.setdefault(str(part).casefold(), part)
            if twin != part and self._is_case_blind():
                raise ExportError(
                    f"{part} and {twin} differ only in case, and {self.folder} lies on a disk that takes them for one: "
                    "export them into different folders"
                )
        if path.exists() and not self._overwrite:
            raise ExportError(f"{path} is there already: give another --to folder, or --overwrite")

    def _is_case_blind(self) -> bool:
        if self._case_blind is None:
            self._case_blind = _is_case_blind(self.folder)
        return self._case_blind


def _is_case_blind(folder: Path) -> bool:
    """Whether the disk takes names that differ only in case for one; tried out in the folder, which is made."""
    folder.mkdir(parents=True, exist_ok=True)
    probe = folder / f".hbimg-Case-{os.getpid()}"
    probe.touch()
    try:
        return probe.with_name(probe.name.lower()).exists()
    finally:
        probe.unlink()


def _drop(draft: Path) -> None:
    with suppress(OSError):
        draft.unlink(missing_ok=True)


def _safe(name: str) -> PurePosixPath:
    """Give a relative path without ``..``, an absolute start or a NUL, whatever the stored name says."""
    parts = [part for part in PurePosixPath(name.replace("\0", "_")).parts if part not in ("/", "..", ".")]
    if not parts:
        raise ExportError(f"a stored file has the name {name!r}, which is none: export the rest with --where")
    return PurePosixPath(*parts)
