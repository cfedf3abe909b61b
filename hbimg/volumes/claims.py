"""Claim, write, commit: how a volume becomes visible at once, and never half.

Who writes a volume first claims it, by a check-and-put on its own row, with a new generation, an owner and an expiry.
Frames and files go into rows named by that generation, which no reader looks at. One last check-and-put on the claim
makes the record point to the generation: from then on readers see it, whole. A claim whose owner died or that expired
may be taken over; the rows of generations that lost are named as stale in the claim until they are deleted.
"""

from __future__ import annotations

import json
import os
import socket
import time
import zlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from hbimg.errors import ClaimLostError, StoreBusyError
from hbimg.model import VolumeKey
from hbimg.rowkeys import RowKeyScheme, new_generation
from hbimg.store import Table
from hbimg.store.cells import seal_all, unseal
from hbimg.volumes.record import VolumeRecord

CLAIM = b"m:claim"
RECORD = b"m:volume"
HEADER = b"m:header"
#: How long a claim holds after it was last renewed. Writers renew at a third of it.
CLAIM_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Owner:
    """A process: host, process id, and when it started, since ids are used again."""

    host: str
    process: int
    started: str

    @property
    def is_known_dead(self) -> bool:
        """Whether the process ran on this host and is gone. Of other hosts nothing is known."""
        return self.host == _host() and start_of_process(self.process) != self.started


@dataclass(frozen=True, slots=True)
class ClaimState:
    """What the claim cell says: who writes (nobody, when `owner` is None) and which generations are to be deleted."""

    generation: str = ""
    owner: Owner | None = None
    expires_at: float = 0.0
    stale: tuple[str, ...] = ()

    @property
    def is_live(self) -> bool:
        """Whether somebody is writing now."""
        return self.owner is not None and self.expires_at > time.time() and not self.owner.is_known_dead

    def encode(self) -> bytes:
        owner = [self.owner.host, self.owner.process, self.owner.started] if self.owner else None
        return json.dumps([self.generation, owner, self.expires_at, self.stale]).encode()

    @classmethod
    def decode(cls, payload: bytes) -> ClaimState:
        generation, owner, expires_at, stale = json.loads(payload)
        return cls(generation, Owner(*owner) if owner else None, expires_at, tuple(stale))


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
        if time.monotonic() - self._renewed_at < CLAIM_SECONDS / 3:
            return
        self._swap(replace(self._state, expires_at=time.time() + CLAIM_SECONDS), {})
        self._renewed_at = time.monotonic()

    def commit(self, record: VolumeRecord, header: Mapping[str, Any], replaced: str | None) -> None:
        """Make the volume point to this generation, in one step; then delete what it replaced.

        `replaced` is the generation that the volume pointed to before, if any.

        Raises
        ------
        ClaimLostError
            If another process took the volume over. This generation's rows are deleted then.
        """
        stale = (*self._state.stale, replaced) if replaced else self._state.stale
        packed = zlib.compress(json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode(), 6)
        try:
            self._swap(ClaimState(stale=stale), {RECORD: record.encode(), HEADER: packed})
        except ClaimLostError:
            delete_generation(self._table, self._scheme, self.key, self.generation)
            raise
        self._clean()

    def abandon(self) -> None:
        """Give the claim back and delete what was written under it."""
        try:
            self._swap(ClaimState(stale=(*self._state.stale, self.generation)), {})
        except ClaimLostError:
            return  # who took it over knows this generation as stale
        self._clean()

    def remove(self) -> int:
        """Delete the volume with all its rows, visible ones first, and tell how many rows there were."""
        self._table.delete_cells(self._row, [RECORD, HEADER])
        return self._table.delete_range(self._scheme.range_of(*self.key.labels))

    def _clean(self) -> None:
        for generation in self._state.stale:
            delete_generation(self._table, self._scheme, self.key, generation)
        # Somebody may have claimed the volume meanwhile: the list of stale generations is theirs then.
        with suppress(ClaimLostError):
            self._swap(ClaimState(), {})

    def _swap(self, state: ClaimState, payloads: dict[bytes, bytes]) -> None:
        cells = seal_all(self._row, {CLAIM: state.encode(), **payloads})
        if not self._table.check_and_put(self._row, CLAIM, self._cell, cells):
            raise ClaimLostError(f"{self.key}: another process took this volume over; its content stands, ours is gone")
        self._state, self._cell = state, bytes(cells[CLAIM])


def claim_volume(table: Table, scheme: RowKeyScheme, key: VolumeKey) -> Claim:
    """Claim a volume for writing or removing.

    Raises
    ------
    StoreBusyError
        If another process holds it.
    """
    row = scheme.volume(key)
    while True:
        cell = table.get(row).get(CLAIM)
        state = ClaimState.decode(bytes(unseal(row, CLAIM, cell))) if cell is not None else ClaimState()
        if state.is_live and state.owner is not None:
            writer = f"process {state.owner.process} on {state.owner.host}"
            raise StoreBusyError(f"{key} is being written by {writer}: wait for it, then run again")
        stale = (*state.stale, state.generation) if state.owner is not None else state.stale
        mine = ClaimState(new_generation(), _this_process(), time.time() + CLAIM_SECONDS, stale)
        cells = seal_all(row, {CLAIM: mine.encode()})
        if table.check_and_put(row, CLAIM, cell, cells):
            return Claim(table, scheme, key, mine, bytes(cells[CLAIM]))


def delete_generation(table: Table, scheme: RowKeyScheme, key: VolumeKey, generation: str) -> int:
    """Delete the files and frames of one generation of a volume and tell how many rows there were."""
    return sum(
        table.delete_range(key_range)
        for key_range in (scheme.frames_range(key, generation), scheme.files_range(key, generation))
    )


def _this_process() -> Owner:
    return Owner(_host(), os.getpid(), start_of_process(os.getpid()))


@cache
def _host() -> str:
    return socket.gethostname()


def start_of_process(process: int) -> str:
    """Give a process's start time as the kernel counts it; empty if there is no such process.

    Containers may share a host name and see different processes; the boot id and the start time together tell apart.
    """
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""
    return f"{boot}:{fields[19]}"
