"""Claim, write, commit: how a volume becomes visible at once, and never half.

Who writes a volume first claims it, by a check-and-put on its own row, with a new generation, an owner and an expiry.
Frames and files go into rows named by that generation, which no reader looks at. One last check-and-put on the claim
makes the record point to the generation: from then on readers see it, whole. A removal is the same in reverse: one
check-and-put empties the record, then rows are deleted. A claim whose owner died or that expired may be taken over;
the rows of generations that lost are named as stale in the claim until they are deleted, whoever does it.

Nobody deletes what another may have written: rows named by a generation or an attempt are deleted by that name, after
the claim was proved to hold since they were listed; other rows only while they hold what was found in them.
"""

from __future__ import annotations

import json
import time
import zlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from hbimg.errors import ClaimLostError, VolumeBusyError
from hbimg.model import VolumeKey
from hbimg.rowkeys import KeyRange, RowKeyScheme, new_generation
from hbimg.store import Buffer, Row, Table
from hbimg.store.cells import seal_all, unseal
from hbimg.volumes.owners import Lease
from hbimg.volumes.record import VolumeRecord

CLAIM = b"m:claim"
RECORD = b"m:volume"
HEADER = b"m:header"
MANIFEST = b"m:result"
#: How long a claim holds after it was last renewed. Writers renew at a third of it.
CLAIM_SECONDS = 600.0
_ROWS_PER_DELETION = 1000


@dataclass(frozen=True, slots=True)
class ClaimState:
    """What the claim cell says.

    Attributes
    ----------
    generation : str
        Of who writes, or wrote last; so no two states of a volume's life have the same bytes.
    lease : Lease or None
        Who writes; None when nobody does.
    stale : tuple of str
        Generations whose rows are to be deleted.
    """

    generation: str = ""
    lease: Lease | None = None
    stale: tuple[str, ...] = ()

    @property
    def is_live(self) -> bool:
        """Whether somebody is writing now."""
        return self.lease is not None and self.lease.is_live

    @property
    def is_unfinished(self) -> bool:
        """Whether a writer that is gone left rows behind."""
        return not self.is_live and (self.lease is not None or bool(self.stale))

    def encode(self) -> bytes:
        lease = self.lease.to_json() if self.lease else None
        return json.dumps([self.generation, lease, self.stale]).encode()

    @classmethod
    def decode(cls, payload: bytes) -> ClaimState:
        generation, lease, stale = json.loads(payload)
        return cls(generation, Lease.from_json(lease) if lease else None, tuple(stale))


class Claim:
    """A held claim on one volume."""

    def __init__(self, table: Table, scheme: RowKeyScheme, key: VolumeKey, state: ClaimState, cell: bytes) -> None:
        self.key = key
        self._table = table
        self._scheme = scheme
        self._state = state
        self._cell = cell
        self._row = scheme.volume(key)
        self._renewed_at = time.monotonic()

    @property
    def generation(self) -> str:
        """The generation whose rows the holder writes."""
        return self._state.generation

    def renew(self) -> None:
        """Prolong the claim when a third of its time has passed; call it often, it is cheap.

        Raises
        ------
        ClaimLostError
            If another process took the volume over.
        """
        if time.monotonic() - self._renewed_at >= CLAIM_SECONDS / 3:
            self._prove()

    def commit(self, record: VolumeRecord, header: Mapping[str, Any], replaced: str | None) -> None:
        """Make the volume point to this generation, in one step; then delete what it replaced.

        `replaced` is the generation that the volume pointed to before, if any.

        Raises
        ------
        ClaimLostError
            If another process took the volume over. This generation's rows are deleted then.
        """
        stale = (*self._state.stale, replaced) if replaced else self._state.stale
        text = json.dumps(header, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
        packed = zlib.compress(text.encode(), 6)
        try:
            cells = {RECORD: record.encode(), HEADER: packed}
            self._swap(ClaimState(self.generation, None, stale), cells, alone=False)
        except ClaimLostError:
            delete_generation(self._table, self._scheme, self.key, self.generation)
            raise
        self._clean()

    def abandon(self) -> None:
        """Give the claim back and delete what was written under it, and what killed writers left."""
        try:
            self._swap(ClaimState(self.generation, None, (*self._state.stale, self.generation)), {})
        except ClaimLostError:
            # Who took it over may have cleaned up before our last rows came.
            delete_generation(self._table, self._scheme, self.key, self.generation)
            return
        self._clean()

    def remove(self) -> int:
        """Delete the volume with all its rows; it is out of sight first. Gives the number of rows.

        Raises
        ------
        ClaimLostError
            If another process took the volume over.
        """
        old = record_in(self._row, self._table.get(self._row))
        stale = (*self._state.stale, self.generation, *([old.generation] if old else []))
        self._swap(replace(self._state, stale=stale), {RECORD: b"", HEADER: b""})
        return self.delete_results() + self._clean()

    def delete_results(self) -> int:
        """Delete the results of a volume that is out of sight."""
        results = self._scheme.results_range(self.key)
        # Manifests first: a result without its pieces would be a half one. Their rows are named alike whoever makes
        # the result, so each goes only if it is still the one that was found.
        manifests = [
            Row(row.key, {c: bytes(v) for c, v in row.cells.items()}) for row in self._table.scan(results, ["m"])
        ]
        if manifests:
            self._prove()
        for row in manifests:
            if MANIFEST in row.cells:
                self._table.check_and_delete(row.key, MANIFEST, bytes(row.cells[MANIFEST]))
            else:
                self._table.delete_cells(row.key, list(row.cells))
        return len(manifests) + self._delete_pieces(results)

    def _delete_pieces(self, key_range: KeyRange) -> int:
        deleted = 0
        while rows := [row.key for row in islice(self._table.scan(key_range, ["r"]), _ROWS_PER_DELETION)]:
            self._prove()  # what was listed is of a time when the claim was ours
            self._table.delete_many(rows)
            deleted += len(rows)
            key_range = KeyRange(rows[-1] + b"\0", key_range.stop)
        return deleted

    def _clean(self) -> int:
        """Delete stale generations, then forget them; without a record the volume's row goes too."""
        deleted = sum(
            delete_generation(self._table, self._scheme, self.key, generation) for generation in self._state.stale
        )
        if record_in(self._row, self._table.get(self._row)) is None:
            return deleted + self._table.check_and_delete(self._row, CLAIM, self._cell)
        # Somebody may have claimed the volume meanwhile: the list of stale generations is theirs then.
        if self._state.lease or self._state.stale:
            with suppress(ClaimLostError):
                self._swap(ClaimState(self.generation), {})
        return deleted

    def _prove(self) -> None:
        """Prolong the claim; ClaimLostError if it is lost."""
        self._swap(replace(self._state, lease=Lease.take(CLAIM_SECONDS)), {})
        self._renewed_at = time.monotonic()

    def _swap(self, state: ClaimState, payloads: dict[bytes, bytes], *, alone: bool = True) -> None:
        cells = seal_all(self._row, {CLAIM: state.encode(), **payloads})
        done = self._table.check_and_put(self._row, CLAIM, self._cell, cells, alone=alone)
        if not done and not self._is_done(cells):
            raise ClaimLostError(f"{self.key}: another process took this volume over; its content stands, ours is gone")
        self._state, self._cell = state, bytes(cells[CLAIM])

    def _is_done(self, cells: dict[bytes, Buffer]) -> bool:
        """Whether a check-and-put that was tried twice had been done the first time, its answer lost on the way."""
        found = self._table.get(self._row)
        return found.get(CLAIM) == cells[CLAIM] or (RECORD in cells and found.get(RECORD) == cells[RECORD])


def claim_volume(table: Table, scheme: RowKeyScheme, key: VolumeKey) -> Claim:
    """Claim a volume for writing or removing.

    Raises
    ------
    VolumeBusyError
        If another process holds it.
    """
    row = scheme.volume(key)
    while True:
        found = table.get(row)
        cell, state = found.get(CLAIM), claim_in(row, found)
        if state.is_live and state.lease is not None:
            raise VolumeBusyError(f"{key} is being written by {state.lease.owner}: wait for it, then run again")
        stale = (*state.stale, state.generation) if state.lease is not None else state.stale
        mine = ClaimState(new_generation(), Lease.take(CLAIM_SECONDS), stale)
        cells = seal_all(row, {CLAIM: mine.encode()})
        if table.check_and_put(row, CLAIM, cell, cells, alone=True):
            claim = Claim(table, scheme, key, mine, bytes(cells[CLAIM]))
            if RECORD in found and record_in(row, found) is None:
                claim.delete_results()  # of a removal that was cut off
            return claim


def claim_in(row: bytes, cells: Mapping[bytes, Buffer]) -> ClaimState:
    """Give the claim that stands in the cells of a volume's row."""
    return ClaimState.decode(bytes(unseal(row, CLAIM, cells[CLAIM]))) if CLAIM in cells else ClaimState()


def record_in(row: bytes, cells: Mapping[bytes, Buffer]) -> VolumeRecord | None:
    """Give the record that stands in the cells of a volume's row; None if the volume is not (or no more) to be seen."""
    payload = bytes(unseal(row, RECORD, cells[RECORD])) if RECORD in cells else b""
    return VolumeRecord.decode(payload) if payload else None


def delete_generation(table: Table, scheme: RowKeyScheme, key: VolumeKey, generation: str) -> int:
    """Delete the files and frames of one generation of a volume and tell how many rows there were."""
    return sum(
        table.delete_range(key_range)
        for key_range in (scheme.frames_range(key, generation), scheme.files_range(key, generation))
    )
