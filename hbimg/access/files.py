"""The files below a volume: its originals, and those of its results; listed, and opened for reading."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

from hbimg.access.addresses import ORIGINALS, RESULTS, Address
from hbimg.access.framefile import FrameFile, Layout
from hbimg.access.rows import frames_between, literals_of, stored_files
from hbimg.access.sessions import reading_table
from hbimg.errors import VolumeNotFoundError
from hbimg.model import VolumeKey
from hbimg.store import Buffer
from hbimg.volumes import (
    StoredFile,
    VolumeReader,
    VolumeRecord,
    VolumeTable,
    Where,
    entries,
    manifest_of,
    read_artefact,
)


class OriginalFile(FrameFile):
    """An original file, unpacked where it is gzipped; it can be pickled, and opens the store itself when it is read."""

    def __init__(self, record: VolumeRecord, file: StoredFile, first_frame: int, store: str, table: str) -> None:
        self._made_of = (record, file, first_frame, store, table)
        super().__init__(Layout.of_runs(file.unpacked_bytes, file.runs), self._read_literals, self._read_frames)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle what it is made of."""
        return type(self), self._made_of

    def _read_literals(self) -> bytes:
        record, file, _, store, table = self._made_of
        with reading_table(store, table) as volumes:
            return literals_of(volumes, record, file)

    def _read_frames(self, first: int, end: int) -> Iterator[Buffer]:
        record, _, offset, store, table = self._made_of
        with reading_table(store, table) as volumes:
            yield from frames_between(volumes, record, first + offset, end + offset)


def original_files(record: VolumeRecord, store: str, table: str) -> list[tuple[StoredFile, OriginalFile]]:
    """Give what is stored of each original, and the file, unpacked."""
    with reading_table(store, table) as volumes:
        files = stored_files(volumes, record)
    found, first = [], 0
    for file in files:
        found.append((file, OriginalFile(record, file, first, store, table)))
        first += file.frames
    return found


@dataclass(frozen=True, slots=True)
class FileEntry:
    """A file below a volume: its path there, size in bytes, and SHA-256."""

    path: str
    size_bytes: int
    sha256: str


def files_of(volumes: VolumeTable, key: VolumeKey, folder: str) -> list[FileEntry]:
    """List the files in a volume's folder ``originals`` or ``results``; VolumeNotFoundError if there is no volume."""
    record = volumes.record(key)
    if folder == ORIGINALS:
        files = stored_files(volumes, record)
        return [FileEntry(f"{ORIGINALS}/{file.name}", file.size_bytes, file.sha256) for file in files]
    return [
        FileEntry(f"{RESULTS}/{manifest.name}/{artefact.name}", artefact.size_bytes, artefact.sha256)
        for _, manifests in entries(volumes, Where(*key.labels))
        for manifest in manifests
        for artefact in manifest.artefacts
    ]


def open_file(address: Address, store: str) -> BinaryIO:
    """Open a file below a volume.

    An original that is not gzipped is read where it is asked for; another file is read whole now, and checked
    against its SHA-256.

    Raises
    ------
    VolumeNotFoundError, TableNotFoundError
        If there is no such file, volume or table.
    """
    key = address.key
    if key is None or len(address.inside) < 2:
        raise VolumeNotFoundError(f"{address} is no file below a volume: `hbimg show` lists originals and results")
    with reading_table(store, address.table) as volumes:
        if address.inside[0] == ORIGINALS:
            return _original(volumes, volumes.record(key), "/".join(address.inside[1:]), store)
        if address.inside[0] == RESULTS and len(address.inside) > 2:
            return io.BytesIO(_artefact(volumes, key, address.inside[1], "/".join(address.inside[2:])))
    raise VolumeNotFoundError(f"{address}: a volume has {ORIGINALS}/FILE and {RESULTS}/NAME/FILE")


def _original(volumes: VolumeTable, record: VolumeRecord, name: str, store: str) -> BinaryIO:
    for stored, file in original_files(record, store, volumes.name):
        if stored.name == name:
            if stored.packing is None:
                return io.BufferedReader(file, 1 << 16)
            return io.BytesIO(_put_together(volumes, record, stored))
    raise VolumeNotFoundError(f"{record.key} has no original {name!r}: `hbimg show --files` lists them")


def _put_together(volumes: VolumeTable, record: VolumeRecord, wanted: StoredFile) -> bytes:
    for stored, pieces in VolumeReader(volumes, record).originals():
        if stored.number == wanted.number:
            return b"".join(pieces)
    raise VolumeNotFoundError(f"{record.key} was replaced while it was read: open it again")


def _artefact(volumes: VolumeTable, key: VolumeKey, name: str, path: str) -> bytes:
    manifest = manifest_of(volumes, key, name)
    for artefact in manifest.artefacts:
        if artefact.name == path:
            return b"".join(read_artefact(volumes, manifest, artefact))
    names = ", ".join(artefact.name for artefact in manifest.artefacts)
    raise VolumeNotFoundError(f"{key} has no file {path!r} in result {name!r}; it has: {names}")
