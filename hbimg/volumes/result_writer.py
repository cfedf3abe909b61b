"""Write results of jobs: pieces first, the manifest last, and nothing left of those who did not get that far.

Every attempt writes pieces of its own and is named, with its process, beside the manifest before its first piece. The
manifest is swapped by check-and-put, so that two tasks that make the same result leave one, whole, whoever is first.
Who swaps it, deletes the pieces of the attempt that was replaced and of those whose process is dead.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from hbimg.errors import VolumeChangedError
from hbimg.model import VolumeKey
from hbimg.rowkeys import RowKind, new_generation
from hbimg.store import CHUNK_BYTES, Buffer, Put
from hbimg.store.cells import seal, seal_all, unseal
from hbimg.volumes.claims import MANIFEST
from hbimg.volumes.owners import Lease
from hbimg.volumes.record import VolumeRecord
from hbimg.volumes.results import PIECE, Manifest, StoredArtefact, manifest_in
from hbimg.volumes.table import VolumeTable
from hbimg.volumes.where import Where

_ATTEMPT = b"m:attempt-"
#: For how long an attempt of a process on another host, of which nothing is known, may be under way.
_ATTEMPT_SECONDS = 86400.0


class ResultWriter:
    """Writes one attempt at a result: `add` for each artefact, then `commit`, or `abandon`."""

    def __init__(self, volumes: VolumeTable, record: VolumeRecord, name: str) -> None:
        self._volumes = volumes
        self._record = record
        self._name = name
        self._row = volumes.scheme.manifest(record.key, name)
        self._attempt = new_generation()
        self._artefacts: list[StoredArtefact] = []
        self._batch: list[Put] = []
        self._batch_bytes = 0
        self._piece = 0

    def add(self, name: str, data: Iterable[Buffer]) -> StoredArtefact:
        """Write one artefact from its bytes in pieces of any size; memory holds one batch."""
        first, size, sha256 = self._piece, 0, hashlib.sha256()
        held: list[Buffer] = []
        held_bytes = 0
        for part in data:
            sha256.update(part)
            size += len(part)
            view = memoryview(part).cast("B")
            while held_bytes + len(view) >= CHUNK_BYTES:
                missing = CHUNK_BYTES - held_bytes
                self._put([*held, view[:missing]])
                held, held_bytes, view = [], 0, view[missing:]
            if view:
                # What may change under us when the next part is made is copied.
                held.append(view if isinstance(part, bytes) else bytes(view))
                held_bytes += len(view)
        if held:
            self._put(held)
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
            If the volume was replaced or removed meanwhile, or it took longer than a day; nothing of the result is left
        then.
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
        self._check_volume()
        cell = self._swap(manifest)
        _settle(self._volumes, manifest.key, manifest.name, self._volumes.table.get(self._row))
        try:
            self._check_volume()  # a removal that began before the manifest stood there did not see it
        except VolumeChangedError:
            self._volumes.table.check_and_delete(self._row, MANIFEST, cell)
            self.abandon()
            raise
        return manifest

    def abandon(self) -> None:
        """Delete what was written; a result that is visible already stays."""
        self._batch = []
        now = manifest_in(self._row, self._volumes.table.get(self._row))
        if now is None or now.attempt != self._attempt:
            _forget(self._volumes, self._record.key, self._name, self._attempt)

    def _check_volume(self) -> None:
        found = self._volumes.find(self._record.key)
        if found is None or found.generation != self._record.generation:
            self.abandon()
            raise VolumeChangedError(f"{self._record.key} was replaced or removed while it was worked on: run again")

    def _swap(self, manifest: Manifest) -> bytes:
        """Put the manifest in the place of an older one, which is named as an attempt whose pieces can go."""
        while True:
            found = self._volumes.table.get(self._row)
            old = manifest_in(self._row, found)
            if old is not None and old.attempt == self._attempt:
                return found[MANIFEST]  # done before, and the answer was lost
            if self._piece and _ATTEMPT + self._attempt.encode() not in found:
                raise VolumeChangedError(f"{manifest.key}: result {self._name!r} took over a day and was given up")
            payloads: dict[bytes, Buffer] = {MANIFEST: manifest.encode()}
            if old is not None:
                payloads[_ATTEMPT + old.attempt.encode()] = b"null"
            cells = seal_all(self._row, payloads)
            if self._volumes.table.check_and_put(self._row, MANIFEST, found.get(MANIFEST), cells):
                return bytes(cells[MANIFEST])

    def _put(self, payload: list[Buffer]) -> None:
        if self._piece == 0:
            lease = json.dumps(Lease.take(_ATTEMPT_SECONDS).to_json()).encode()
            self._add_to_batch(Put(self._row, seal_all(self._row, {_ATTEMPT + self._attempt.encode(): lease})))
        row = self._volumes.scheme.piece(self._record.key, self._name, self._attempt, self._piece)
        self._piece += 1
        self._add_to_batch(Put(row, {PIECE: seal(row, PIECE, *payload)}))

    def _add_to_batch(self, put: Put) -> None:
        self._batch.append(put)
        self._batch_bytes += put.size_bytes
        if self._batch_bytes >= self._volumes.table.batch_bytes:
            self._flush()

    def _flush(self) -> None:
        if self._batch:
            self._volumes.table.put_many(self._batch)
            self._batch, self._batch_bytes = [], 0


def attempts_in(row: bytes, cells: Mapping[bytes, Buffer]) -> Iterator[tuple[str, bool]]:
    """Give each attempt that is named in the cells of a result's row, and whether it may still be under way."""
    for column, cell in cells.items():
        if column.startswith(_ATTEMPT):
            lease = json.loads(bytes(unseal(row, column, cell)))
            yield column.removeprefix(_ATTEMPT).decode(), lease is not None and Lease.from_json(lease).is_live


def settle_results(volumes: VolumeTable, where: Where | None = None) -> None:
    """Delete the pieces that killed jobs left."""
    where = where or Where()
    for row in volumes.table.scan(where.key_range(volumes.scheme), ["m"]):
        decoded = volumes.scheme.decode(row.key)
        if decoded.kind is RowKind.MANIFEST and where.matches(decoded.volume):
            _settle(volumes, decoded.volume, decoded.name, row.cells)


def _settle(volumes: VolumeTable, key: VolumeKey, name: str, cells: Mapping[bytes, Buffer]) -> None:
    row = volumes.scheme.manifest(key, name)
    now = manifest_in(row, cells)
    for attempt, is_live in list(attempts_in(row, cells)):
        if not is_live and (now is None or attempt != now.attempt):
            _forget(volumes, key, name, attempt)


def _forget(volumes: VolumeTable, key: VolumeKey, name: str, attempt: str) -> None:
    volumes.table.delete_range(volumes.scheme.pieces_range(key, name, attempt))
    volumes.table.delete_cells(volumes.scheme.manifest(key, name), [_ATTEMPT + attempt.encode()])
