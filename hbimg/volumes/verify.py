"""Check a table against itself: checksums, digests, missing rows, and rows that nothing points to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from hbimg.errors import CorruptCellError, HbimgError, RowKeyError, VolumeChangedError
from hbimg.model import VolumeKey
from hbimg.rowkeys import KeyRange, RowKey, RowKind
from hbimg.store.cells import unseal
from hbimg.volumes.claims import CLAIM, RECORD, ClaimState
from hbimg.volumes.reader import VolumeReader
from hbimg.volumes.record import VolumeRecord
from hbimg.volumes.results import MANIFEST, Manifest, entries, read_artefact
from hbimg.volumes.table import VolumeTable
from hbimg.volumes.where import Where


@dataclass(frozen=True, slots=True)
class Checked:
    """The check of one volume: its key, bytes read, and what is wrong (empty if nothing is)."""

    key: VolumeKey
    size_bytes: int
    faults: tuple[str, ...]


def verify_volumes(volumes: VolumeTable, where: Where | None = None) -> Iterator[Checked]:
    """Read every cell of every chosen volume and result again, and compare with checksums and SHA-256."""
    for record, manifests in entries(volumes, where):
        size, faults = 0, []
        try:
            for _, pieces in VolumeReader(volumes, record).originals():
                size += sum(len(piece) for piece in pieces)
        except VolumeChangedError:
            continue  # replaced or removed while it was read: no fault of the table's
        except HbimgError as error:
            faults.append(str(error))
        for manifest in manifests:
            read, fault = _verify_result(volumes, manifest)
            size += read
            faults += fault
        yield Checked(record.key, size, tuple(faults))


def _verify_result(volumes: VolumeTable, manifest: Manifest) -> tuple[int, list[str]]:
    size, faults = 0, []
    for artefact in manifest.artefacts:
        try:
            size += sum(len(piece) for piece in read_artefact(volumes, manifest, artefact))
        except CorruptCellError as error:
            faults.append(str(error))
    return size, faults


@dataclass
class _Owners:
    """What the rows of the volume that is being passed may belong to."""

    key: VolumeKey | None = None
    generations: frozenset[str] = frozenset()
    attempts: tuple[tuple[str, str], ...] = ()
    is_claimed: bool = False


def orphans(volumes: VolumeTable) -> Iterator[bytes]:
    """Give the rows that nothing points to: what killed writers left, and rows that are none of hbimg's.

    Rows of volumes that somebody is writing now are passed over.
    """
    owners = _Owners()
    for row in volumes.table.scan(KeyRange(volumes.scheme.range_of().start)):
        try:
            decoded = volumes.scheme.decode(row.key)
        except RowKeyError:
            yield row.key
            continue
        if decoded.volume != owners.key:
            owners = _owners(volumes, decoded.volume)
        if not owners.is_claimed and not _is_owned(decoded, owners):
            yield row.key


def _owners(volumes: VolumeTable, key: VolumeKey) -> _Owners:
    row = volumes.scheme.volume(key)
    cells = volumes.table.get(row)
    state = ClaimState.decode(bytes(unseal(row, CLAIM, cells[CLAIM]))) if CLAIM in cells else ClaimState()
    record = VolumeRecord.decode(bytes(unseal(row, RECORD, cells[RECORD]))) if RECORD in cells else None
    attempts = []
    for found in volumes.table.scan(volumes.scheme.range_of(*key.labels), ["m"]):
        if record is not None and MANIFEST in found.cells:
            manifest = Manifest.decode(bytes(unseal(found.key, MANIFEST, found.cells[MANIFEST])))
            attempts.append((manifest.name, manifest.attempt))
    return _Owners(
        key=key,
        generations=frozenset([record.generation]) if record else frozenset(),
        attempts=tuple(attempts),
        is_claimed=state.is_live,
    )


def _is_owned(row: RowKey, owners: _Owners) -> bool:
    if row.kind is RowKind.VOLUME:
        return bool(owners.generations)
    if row.kind in (RowKind.FILE, RowKind.FRAME):
        return row.generation in owners.generations
    if row.kind is RowKind.MANIFEST:
        return any(row.name == name for name, _ in owners.attempts)
    return (row.name, row.generation) in owners.attempts
