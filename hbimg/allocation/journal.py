"""What was done to a table's layout, in rows of the table itself: the plan, what was before, and every step.

An entry is written before the first step: whatever is killed, the next `apply` or `rollback` knows where it came from.
"""

from __future__ import annotations

import getpass
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal

from hbimg.allocation.layout import Layout
from hbimg.allocation.plan_file import StoredPlan
from hbimg.allocation.state import TableState
from hbimg.errors import StoreBusyError
from hbimg.rowkeys import layout_lock_row, layout_row, layouts_range
from hbimg.store.cells import seal, unseal
from hbimg.volumes import VolumeTable
from hbimg.volumes.documents import document_in, save_document
from hbimg.volumes.owners import Lease

State = Literal["applying", "applied", "rolling back", "rolled back"]
_LOCK = b"m:lease"
#: How long a process of another host that is not heard of is thought to be at work, in seconds.
LEASE_S = 3600.0


@dataclass(frozen=True)
class Entry:
    """One plan that was applied.

    Attributes
    ----------
    id : str
        Six digits that count the table's entries, so that they sort.
    plan : StoredPlan
    before : Layout
        What a rollback leads back to.
    switches : mapping of str to bool
        How they were before.
    created : bool
        Whether there was no table before.
    state : str
    steps : tuple of (str, str)
        When (ISO 8601, UTC) and what was done.
    user : str
    servers_up : tuple of str
        Those that were up when it was applied: of them, those that the plan does not use were left out on purpose.
    """

    id: str
    plan: StoredPlan
    before: Layout
    switches: Mapping[str, bool]
    created: bool = False
    state: State = "applying"
    steps: tuple[tuple[str, str], ...] = ()
    user: str = ""
    servers_up: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Give a mapping of plain values."""
        return {
            "id": self.id,
            "plan": self.plan.to_json(),
            "before": [[s.decode("latin-1"), n] for s, n in zip(self.before.starts, self.before.servers, strict=True)],
            "switches": dict(self.switches),
            "created": self.created,
            "state": self.state,
            "steps": [list(step) for step in self.steps],
            "user": self.user,
            "servers_up": list(self.servers_up),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Entry:
        """Read what `to_json` gave."""
        starts, servers = zip(*data["before"], strict=True)
        before = Layout(tuple(start.encode("latin-1") for start in starts), tuple(servers))
        plan = StoredPlan.from_json(data["plan"], f"entry {data['id']} of the layout's journal")
        steps = tuple((at, what) for at, what in data["steps"])
        up = tuple(map(str, data.get("servers_up", ())))  # entries of older versions have none
        return cls(
            data["id"], plan, before, data["switches"], data["created"], data["state"], steps, str(data["user"]), up
        )


class Journal:
    """The journal of one table."""

    def __init__(self, volumes: VolumeTable) -> None:
        self._table = volumes.table

    def entries(self) -> list[Entry]:
        """Give all entries, oldest first."""
        return [Entry.from_json(document_in(row.key, row.cells)) for row in self._table.scan(layouts_range(), ["m"])]

    def last(self) -> Entry | None:
        """Give the entry that holds now: the last one that is not rolled back."""
        return next((entry for entry in reversed(self.entries()) if entry.state != "rolled back"), None)

    def save(self, entry: Entry) -> Entry:
        """Write an entry, and give it."""
        save_document(self._table, layout_row(entry.id), entry.to_json())
        return entry

    def note(self, entry: Entry, what: str) -> Entry:
        """Write down a step, and give the entry with it."""
        at = datetime.now(UTC).isoformat(timespec="seconds")
        return self.save(replace(entry, steps=(*entry.steps, (at, what))))

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep others from changing the layout meanwhile.

        Raises
        ------
        StoreBusyError
            If another process does so now.
        """
        row = layout_lock_row()
        mine = seal(row, _LOCK, json.dumps(Lease.take(LEASE_S).to_json()).encode())
        found = self._table.get(row).get(_LOCK)
        if found is not None:
            lease = Lease.from_json(json.loads(bytes(unseal(row, _LOCK, found))))
            if lease.is_live and lease.owner != Lease.take(0).owner:
                raise _busy(lease)
        if not self._table.check_and_put(row, _LOCK, found, {_LOCK: mine}):
            raise StoreBusyError("another process begins to change the layout at this moment: run again")
        try:
            yield
        finally:
            self._table.check_and_delete(row, _LOCK, mine)


def _busy(lease: Lease) -> StoreBusyError:
    return StoreBusyError(
        f"{lease.owner} changes the layout of this table now: wait until it is done; if it is dead, wait until "
        f"{datetime.fromtimestamp(lease.expires_at, UTC):%H:%M} UTC"
    )


def new_entry(plan: StoredPlan, before: TableState, *, number: int, created: bool) -> Entry:
    """Give a new entry; `number` is how many there are before it."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user id without a name
        user = str(os.getuid())
    switches = dict(before.switches)
    return Entry(f"{number + 1:06d}", plan, before.layout, switches, created, user=user, servers_up=before.servers)
