"""Results of jobs, kept beside the volume they were made of: pieces first, the manifest last.

A result has a name (the job's, unless the user gave another) and artefacts: named byte strings. Every attempt writes
pieces of its own; the manifest is swapped by check-and-put, so that two tasks that make the same result leave one,
whole, whoever is first. Manifests stand in family ``m``, so that listings see them without touching pieces.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from hbimg.errors import CorruptCellError, VolumeChangedError, VolumeNotFoundError
from hbimg.model import VolumeKey
from hbimg.rowkeys import KeyRange, RowKind, new_generation
from hbimg.store import CHUNK_BYTES, Buffer, Put
from hbimg.store.cells import seal_all, unseal
from hbimg.volumes.claims import RECORD
from hbimg.volumes.record import VolumeRecord
from hbimg.volumes.table import VolumeTable
from hbimg.volumes.where import Where

MANIFEST = b"m:result"
_PIECE = b"r:0"


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


class ResultWriter:
    """Writes one attempt at a result: `add` for each artefact, then `commit`, or `abandon`."""

    def __init__(self, volumes: VolumeTable, record: VolumeRecord, name: str) -> None:
        self._volumes = volumes
        self._record = record
        self._name = name
        self._attempt = new_generation()
        self._artefacts: list[StoredArtefact] = []
        self._batch: list[Put] = []
        self._batch_bytes = 0
        self._piece = 0

    def add(self, name: str, data: Iterable[Buffer]) -> StoredArtefact:
        """Write one artefact from its bytes in pieces of any size; memory holds one batch."""
        first, size, sha256, pending = self._piece, 0, hashlib.sha256(), bytearray()
        for part in data:
            sha256.update(part)
            size += len(part)
            pending += part
            while len(pending) >= CHUNK_BYTES:
                self._put(bytes(pending[:CHUNK_BYTES]))
                del pending[:CHUNK_BYTES]
        if pending:
            self._put(bytes(pending))
        artefact = StoredArtefact(name, size, sha256.hexdigest(), first, self._piece - first)
        self._artefacts.append(artefact)
        return artefact

    def commit(
        self, job: str, job_version: str, parameters: Mapping[str, Any], made: Mapping[str, Any] | None = None
    ) -> Manifest:
        """Make the result visible in place of an older one, in one step, and delete what it replaced.

        Raises
        ------
        VolumeChangedError
            If the volume was replaced or removed meanwhile; nothing of the result is left then.
        """
        self._flush()
        manifest = Manifest(
            key=self._record.key,
            name=self._name,
            attempt=self._attempt,
            job=job,
            job_version=job_version,
            parameters=parameters,
            input_digest=self._record.digest,
            input_generation=self._record.generation,
            artefacts=tuple(self._artefacts),
            made=made or {},
        )
        volumes, key = self._volumes, self._record.key
        row = volumes.scheme.manifest(key, self._name)
        while True:
            found = volumes.find(key)
            if found is None or found.generation != self._record.generation:
                self.abandon()
                raise VolumeChangedError(f"{key} was replaced or removed while it was worked on: run again")
            old = volumes.table.get(row).get(MANIFEST)
            if volumes.table.check_and_put(row, MANIFEST, old, seal_all(row, {MANIFEST: manifest.encode()})):
                break
        if old is not None:
            attempt = Manifest.decode(bytes(unseal(row, MANIFEST, old))).attempt
            volumes.table.delete_range(volumes.scheme.pieces_range(key, self._name, attempt))
        return manifest

    def abandon(self) -> None:
        """Delete what was written."""
        self._batch = []
        key_range = self._volumes.scheme.pieces_range(self._record.key, self._name, self._attempt)
        self._volumes.table.delete_range(key_range)

    def _put(self, payload: bytes) -> None:
        row = self._volumes.scheme.piece(self._record.key, self._name, self._attempt, self._piece)
        put = Put(row, seal_all(row, {_PIECE: payload}))
        self._piece += 1
        self._batch.append(put)
        self._batch_bytes += put.size_bytes
        if self._batch_bytes >= self._volumes.table.batch_bytes:
            self._flush()

    def _flush(self) -> None:
        if self._batch:
            self._volumes.table.put_many(self._batch)
            self._batch, self._batch_bytes = [], 0


def manifest_of(volumes: VolumeTable, key: VolumeKey, name: str) -> Manifest:
    """Give the manifest of a result; VolumeNotFoundError if there is none."""
    row = volumes.scheme.manifest(key, name)
    cell = volumes.table.get(row).get(MANIFEST)
    if cell is None:
        raise VolumeNotFoundError(f"{key} has no result {name!r} in table {volumes.name!r}: `hbimg show` lists results")
    return Manifest.decode(bytes(unseal(row, MANIFEST, cell)))


def read_artefact(volumes: VolumeTable, manifest: Manifest, artefact: StoredArtefact) -> Iterator[bytes]:
    """Give the bytes of one artefact, piece by piece.

    Raises
    ------
    CorruptCellError
        If a piece is missing, or the whole does not have its SHA-256.
    """
    scheme, key = volumes.scheme, manifest.key
    end = artefact.first_piece + artefact.pieces
    whole = scheme.pieces_range(key, manifest.name, manifest.attempt)
    first = scheme.piece(key, manifest.name, manifest.attempt, artefact.first_piece)
    last = scheme.piece(key, manifest.name, manifest.attempt, end) if artefact.pieces else first
    sha256 = hashlib.sha256()
    for row in volumes.table.scan(whole.intersect(KeyRange(first, last)), ["r"]):
        payload = bytes(unseal(row.key, _PIECE, row.cells[_PIECE]))
        sha256.update(payload)
        yield payload
    if sha256.hexdigest() != artefact.sha256:
        raise CorruptCellError(f"{key}: {artefact.name} of result {manifest.name!r} is damaged: run the job again")


def entries(volumes: VolumeTable, where: Where | None = None) -> Iterator[tuple[VolumeRecord, list[Manifest]]]:
    """Give each complete volume with the manifests of its results, in key order, from one scan of family ``m``."""
    where = where or Where()
    record: VolumeRecord | None = None
    manifests: list[Manifest] = []
    for row in volumes.table.scan(where.key_range(volumes.scheme), ["m"]):
        decoded = volumes.scheme.decode(row.key)
        if decoded.kind is RowKind.VOLUME:
            if record is not None:
                yield record, manifests
            visible = RECORD in row.cells and where.matches(decoded.volume)
            record = VolumeRecord.decode(bytes(unseal(row.key, RECORD, row.cells[RECORD]))) if visible else None
            manifests = []
        elif record is not None and decoded.volume == record.key and MANIFEST in row.cells:
            manifests.append(Manifest.decode(bytes(unseal(row.key, MANIFEST, row.cells[MANIFEST]))))
    if record is not None:
        yield record, manifests
