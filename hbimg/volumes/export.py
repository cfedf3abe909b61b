"""Write originals and results to a folder: each file whole or not at all, and never outside the folder."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from hbimg.errors import ExportError
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
        self._written: dict[str, Path] = {}

    def originals(self, volumes: VolumeTable, record: VolumeRecord) -> Iterator[Exported]:
        """Write the original files of a volume, byte for byte, below ``project/subject/session/scan``.

        Raises
        ------
        ExportError
            If a file is there already, or cannot be written.
        CorruptCellError
            If a file does not come back with its SHA-256.
        """
        for stored, pieces in VolumeReader(volumes, record).originals():
            path = self._write(self._folder_of(record) / _safe(stored.name), pieces)
            yield Exported(path, stored.size_bytes, stored.sha256)

    def result(self, volumes: VolumeTable, record: VolumeRecord, manifest: Manifest) -> Iterator[Exported]:
        """Write the artefacts of a result below ``project/subject/session/scan``; errors as for originals."""
        for artefact in manifest.artefacts:
            path = self._folder_of(record) / _safe(artefact.name)
            written = self._write(path, read_artefact(volumes, manifest, artefact))
            yield Exported(written, artefact.size_bytes, artefact.sha256)

    def _folder_of(self, record: VolumeRecord) -> PurePosixPath:
        return PurePosixPath(*record.key.labels)

    def _write(self, inside: PurePosixPath, pieces: Iterable[bytes]) -> Path:
        path = self.folder / inside
        self._refuse_twin(inside, path)
        if path.exists() and not self._overwrite:
            raise ExportError(f"{path} is there already: give another --to folder, or --overwrite")
        draft = path.with_name(f".{path.name[:200]}.{os.getpid()}.part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with draft.open("wb") as stream:
                for piece in pieces:
                    stream.write(piece)
            draft.replace(path)
        except OSError as error:
            draft.unlink(missing_ok=True)
            raise ExportError(f"{path} cannot be written: {error.strerror}") from error
        except BaseException:
            draft.unlink(missing_ok=True)
            raise
        return path

    def _refuse_twin(self, inside: PurePosixPath, path: Path) -> None:
        """Refuse names that are equal but for case: on many disks one would overwrite the other."""
        twin = self._written.setdefault(str(inside).casefold(), path)
        if twin != path:
            raise ExportError(f"{path} and {twin} differ only in case: export them into different folders")


def _safe(name: str) -> PurePosixPath:
    """Give a relative path without ``..``, an absolute start or a NUL, whatever the stored name says."""
    parts = [part for part in PurePosixPath(name.replace("\0", "_")).parts if part not in ("/", "..", ".")]
    if not parts:
        raise ExportError(f"a stored file has the name {name!r}, which is none: export the rest with --where")
    return PurePosixPath(*parts)
