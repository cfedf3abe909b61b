"""Check a table against itself: checksums, digests, missing rows, and rows that nothing points to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field

from hbimg.errors import (
    ClaimLostError,
    CorruptCellError,
    HbimgError,
    RowKeyError,
    StoreBusyError,
    TableFormatError,
    VolumeChangedError,
    VolumeNotFoundError,
)
from hbimg.model import VolumeKey
from hbimg.rowkeys import KeyRange, RowKey, RowKind
from hbimg.volumes.claims import CLAIM, claim_in, record_in
from hbimg.volumes.reader import VolumeReader
from hbimg.volumes.record import VolumeRecord
from hbimg.volumes.result_writer import attempts_in, settle_results
from hbimg.volumes.results import Manifest, entries, manifest_in, read_artefact
from hbimg.volumes.table import VolumeTable
from hbimg.volumes.where import Where

_ROWS_PER_DELETION = 1000


@dataclass(frozen=True, slots=True)
class Checked:
    """The check of one volume: its key, bytes read, and what is wrong (empty if nothing is)."""

    key: VolumeKey
    size_bytes: int
    faults: tuple[str, ...]


def verify_volumes(volumes: VolumeTable, where: Where | None = None) -> Iterator[Checked]:
    """Read every cell of every chosen volume and result again, and compare with checksums and SHA-256."""
    damaged: list[Checked] = []
    for record, manifests in entries(volumes, where, lambda key, error: damaged.append(Checked(key, 0, (str(error),)))):
        try:
            size, faults = _verify_volume(volumes, record)
        except VolumeChangedError:
            continue  # replaced or removed while it was read: no fault of the table's
        for manifest in manifests:
            read, fault = _verify_result(volumes, manifest)
            size += read
            faults += fault
        yield Checked(record.key, size, tuple(faults))
    yield from damaged


def _verify_volume(volumes: VolumeTable, record: VolumeRecord) -> tuple[int, list[str]]:
    size, faults = 0, []
    reader = VolumeReader(volumes, record)
    try:
        volumes.header(record.key)
        kept = False
        for stored, pieces in reader.originals():
            size += sum(len(piece) for piece in pieces)
            kept |= bool(stored.packing and stored.packing.get("kept"))
        if kept:  # then the frames were not needed for the originals
            size += sum(len(frame) for frame in reader.frames())
    except VolumeChangedError:
        raise
    except HbimgError as error:
        faults.append(str(error))
    return size, faults


def _verify_result(volumes: VolumeTable, manifest: Manifest) -> tuple[int, list[str]]:
    size, faults = 0, []
    for artefact in manifest.artefacts:
        try:
            size += sum(len(piece) for piece in read_artefact(volumes, manifest, artefact))
        except VolumeChangedError:
            break  # made anew while it was read
        except CorruptCellError as error:
            faults.append(str(error))
    return size, faults


@dataclass
class _Owners:
    """What the rows of the volume that is being passed may belong to."""

    key: VolumeKey | None = None
    generation: str = ""
    attempts: set[tuple[str, str]] = field(default_factory=set)
    is_claimed: bool = False


def orphans(volumes: VolumeTable) -> Iterator[bytes]:
    """Give the rows that nothing points to: what killed writers left, and rows that are none of hbimg's.

    Rows of what somebody is writing now are passed over.
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
        if not _is_owned(decoded, owners):
            # Looked at again: somebody may have begun or ended after the first look and before this row was read.
            owners = _owners(volumes, decoded.volume)
            if not _is_owned(decoded, owners):
                yield row.key


def delete_orphans(volumes: VolumeTable, rows: Iterable[bytes]) -> None:
    """Delete rows that `orphans` gave.

    Rows that are named by a generation or an attempt nobody takes up again are deleted as they were listed. Rows that
    somebody may take up in this moment, a volume's own and its manifests, are deleted under a claim.
    """
    settle_results(volumes)
    seen: VolumeKey | None = None
    batch: list[bytes] = []
    for row in rows:
        key, is_named = _key_of(volumes, row)
        if key is not None and key != seen and volumes.find(key) is None:
            with suppress(StoreBusyError, ClaimLostError, VolumeNotFoundError):
                volumes.remove(key)
        seen = key
        batch += [row] if is_named else []
        if len(batch) == _ROWS_PER_DELETION:
            volumes.table.delete_many(batch)
            batch = []
    volumes.table.delete_many(batch)


def _key_of(volumes: VolumeTable, row: bytes) -> tuple[VolumeKey | None, bool]:
    """Give the volume of a row, and whether nobody can write a row of that name again."""
    try:
        decoded = volumes.scheme.decode(row)
    except RowKeyError:
        return None, True
    return decoded.volume, decoded.kind not in (RowKind.VOLUME, RowKind.MANIFEST)


def _owners(volumes: VolumeTable, key: VolumeKey) -> _Owners:
    try:
        return _read_owners(volumes, key)
    except (CorruptCellError, TableFormatError):
        return _Owners(key, is_claimed=True)  # who owns its rows cannot be told, so none is called an orphan


def _read_owners(volumes: VolumeTable, key: VolumeKey) -> _Owners:
    owners = _Owners(key)
    for row in volumes.table.scan(volumes.scheme.range_of(*key.labels), ["m"]):
        decoded = volumes.scheme.decode(row.key)
        name = decoded.name
        if decoded.kind is RowKind.VOLUME:
            owners.is_claimed = CLAIM in row.cells and claim_in(row.key, row.cells).is_live
            record = record_in(row.key, row.cells)
            owners.generation = record.generation if record else ""
            continue
        manifest = manifest_in(row.key, row.cells)
        if manifest is not None and owners.generation:
            owners.attempts.add((name, manifest.attempt))
        owners.attempts |= {(name, attempt) for attempt, is_live in attempts_in(row.key, row.cells) if is_live}
    return owners


def _is_owned(row: RowKey, owners: _Owners) -> bool:
    if owners.is_claimed:
        return True
    if row.kind is RowKind.VOLUME:
        return bool(owners.generation)
    if row.kind in (RowKind.FILE, RowKind.FRAME):
        return row.generation == owners.generation
    if row.kind is RowKind.MANIFEST:
        return any(row.name == name for name, _ in owners.attempts)
    return (row.name, row.generation) in owners.attempts
