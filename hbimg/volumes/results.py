"""Results of jobs, kept beside the volume they were made of: manifests and how they are read.

A result has a name (the job's, unless the user gave another) and artefacts: named byte strings, in pieces. Manifests
stand in family ``m``, so that listings see them without touching pieces. `hbimg.volumes.result_writer` writes them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from hbimg.errors import CorruptCellError, HbimgError, VolumeChangedError, VolumeNotFoundError
from hbimg.model import VolumeKey
from hbimg.rowkeys import KeyRange, RowKind
from hbimg.store import Buffer, Row
from hbimg.store.cells import unseal
from hbimg.volumes.claims import MANIFEST, record_in
from hbimg.volumes.record import VolumeRecord
from hbimg.volumes.table import VolumeTable
from hbimg.volumes.where import Where

PIECE = b"r:0"


@dataclass(frozen=True, slots=True)
class StoredArtefact:
    """One output of a job as it is stored: its file name, size in bytes, SHA-256, and its pieces' numbers."""

    name: str
    size_bytes: int
    sha256: str
    first_piece: int
    pieces: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """What is stored of a result.

    Attributes
    ----------
    key : VolumeKey
    name : str
        The result's name.
    attempt : str
        Names the rows that hold the pieces.
    job, job_version : str
    parameters : mapping
        The job's parameters, ready for JSON.
    input_digest, input_generation : str
        Digest and generation of the volume that it was made of.
    artefacts : tuple of StoredArtefact
    made : mapping
        Run id, time (ISO 8601, UTC), seconds.
    """

    key: VolumeKey
    name: str
    attempt: str
    job: str
    job_version: str
    parameters: Mapping[str, Any]
    input_digest: str
    input_generation: str
    artefacts: tuple[StoredArtefact, ...] = ()
    made: Mapping[str, Any] = field(default_factory=dict)

    @property
    def size_bytes(self) -> int:
        """Bytes of all artefacts."""
        return sum(artefact.size_bytes for artefact in self.artefacts)

    def is_current(self, record: VolumeRecord, job: str, job_version: str, parameters: Mapping[str, Any]) -> bool:
        """Whether running the job again on the volume would give this result again."""
        return (self.input_digest, self.job, self.job_version, dict(self.parameters)) == (
            record.digest,
            job,
            job_version,
            dict(parameters),
        )

    def encode(self) -> bytes:
        """Give the bytes that stand in the cell."""
        data = asdict(self)
        data["key"] = list(self.key.labels)
        return json.dumps(data, separators=(",", ":"), ensure_ascii=False).encode()

    @classmethod
    def decode(cls, payload: bytes) -> Self:
        """Read what `encode` gave."""
        data = json.loads(payload)
        data["key"] = VolumeKey(*data["key"])
        data["artefacts"] = tuple(StoredArtefact(**artefact) for artefact in data["artefacts"])
        return cls(**data)


def manifest_in(row: bytes, cells: Mapping[bytes, Buffer]) -> Manifest | None:
    """Give the manifest that stands in the cells of a result's row, if one does."""
    return Manifest.decode(bytes(unseal(row, MANIFEST, cells[MANIFEST]))) if MANIFEST in cells else None


def manifest_of(volumes: VolumeTable, key: VolumeKey, name: str) -> Manifest:
    """Give the manifest of a result; VolumeNotFoundError if there is none."""
    row = volumes.scheme.manifest(key, name)
    manifest = manifest_in(row, volumes.table.get(row))
    if manifest is None:
        raise VolumeNotFoundError(f"{key} has no result {name!r} in table {volumes.name!r}: `hbimg show` lists results")
    return manifest


def read_artefact(volumes: VolumeTable, manifest: Manifest, artefact: StoredArtefact) -> Iterator[bytes]:
    """Give the bytes of one artefact, piece by piece.

    Raises
    ------
    CorruptCellError
        If a piece is missing, or the whole does not have its SHA-256.
    VolumeChangedError
        If the result was made anew or removed while it was read.
    """
    scheme, key = volumes.scheme, manifest.key
    end = artefact.first_piece + artefact.pieces
    whole = scheme.pieces_range(key, manifest.name, manifest.attempt)
    first = scheme.piece(key, manifest.name, manifest.attempt, artefact.first_piece)
    last = scheme.piece(key, manifest.name, manifest.attempt, end) if artefact.pieces else first
    sha256 = hashlib.sha256()
    for row in volumes.table.scan(whole.intersect(KeyRange(first, last)), ["r"]):
        payload = bytes(unseal(row.key, PIECE, row.cells[PIECE]))
        sha256.update(payload)
        yield payload
    if sha256.hexdigest() == artefact.sha256:
        return
    now = manifest_in(row_key := scheme.manifest(key, manifest.name), volumes.table.get(row_key))
    if now is None or now.attempt != manifest.attempt:
        raise VolumeChangedError(f"{key}: result {manifest.name!r} was made anew while it was read: run again")
    raise CorruptCellError(f"{key}: {artefact.name} of result {manifest.name!r} is damaged: run the job with --force")


Fault = Callable[[VolumeKey, HbimgError], None]


def entries(
    volumes: VolumeTable, where: Where | None = None, on_fault: Fault | None = None
) -> Iterator[tuple[VolumeRecord, list[Manifest]]]:
    """Give each complete volume with the manifests of its results, in key order, from one scan of family ``m``.

    A damaged record or manifest raises, unless `on_fault` takes it: then it is passed over.
    """
    where = where or Where()
    record: VolumeRecord | None = None
    manifests: list[Manifest] = []
    for row in volumes.table.scan(where.key_range(volumes.scheme), ["m"]):
        key, found = _read(volumes, row, on_fault)
        if isinstance(found, Manifest):
            manifests += [found] if record is not None and key == record.key else []
            continue
        if record is not None and key != record.key:
            yield record, manifests
            record = None
        if found is not None and where.matches(key):
            record, manifests = found, []
    if record is not None:
        yield record, manifests


def _read(volumes: VolumeTable, row: Row, on_fault: Fault | None) -> tuple[VolumeKey, VolumeRecord | Manifest | None]:
    decoded = volumes.scheme.decode(row.key)
    read = record_in if decoded.kind is RowKind.VOLUME else manifest_in
    try:
        return decoded.volume, read(row.key, row.cells)
    except HbimgError as error:
        if on_fault is None:
            raise
        on_fault(decoded.volume, error)
        return decoded.volume, None
