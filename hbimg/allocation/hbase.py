"""Layouts in HBase, through its own RPC: cut, join, move, compact, and switch off what would undo it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from time import monotonic, sleep

from hbimg.allocation.admin import LayoutAdmin, Told
from hbimg.allocation.state import SWITCHES, RegionState, TableState
from hbimg.errors import StoreError
from hbimg.store.rpc.admin import Admin
from hbimg.store.rpc.locations import RegionPlace, ServerName

_RESTRICTION = "hbase.regionserver.region.split_restriction"
#: Switch to the attributes of a table that set it: on, and off (None: not there, which is HBase's default).
_ATTRIBUTES: dict[str, tuple[dict[str, str | None], dict[str, str | None]]] = {
    "group restriction": (
        {f"{_RESTRICTION}.type": "DelimitedKeyPrefix", f"{_RESTRICTION}.delimiter": "!"},
        {f"{_RESTRICTION}.type": None, f"{_RESTRICTION}.delimiter": None},
    ),
    "splits": ({"SPLIT_ENABLED": "true"}, {"SPLIT_ENABLED": "false"}),
    "merges": ({"MERGE_ENABLED": "true"}, {"MERGE_ENABLED": "false"}),
    "normalizer": ({"NORMALIZATION_ENABLED": "true"}, {"NORMALIZATION_ENABLED": "false"}),
}
#: What they are where the table says nothing.
_DEFAULTS = {"group restriction": False, "splits": True, "merges": True, "normalizer": False}
#: How long a region may be on no server before somebody has to look, in seconds, and how often is looked.
_SETTLE_S, _PAUSE_S = 60.0, 0.3
#: How often a cut or a join is tried again, and how long HBase's catalog is given to be tidied before, in seconds: the
#: first time and, growing by half each time, at most.
_TRIES, _TIDY_S, _TIDY_MOST_S = 20, 0.25, 2.0


class HBaseLayoutAdmin(LayoutAdmin):
    """The regions of a table in HBase.

    Parameters
    ----------
    admin : Admin
        Closed by `close`.
    table : str
        HBase's full name, ``namespace:name`` or ``name``.
    """

    def __init__(self, admin: Admin, table: str) -> None:
        self._admin = admin
        self._table = table

    def close(self) -> None:
        self._admin.close()

    def state(self) -> TableState:
        servers = self._servers()
        names = {server: name for name, server in servers.items()}
        places = self._settled()
        loads = self._admin.loads(self._table)
        regions = []
        for place in places:
            load = loads.get(place.encoded)
            name = names.get(place.server, "") if place.server is not None else ""
            if load is None:
                regions.append(RegionState(place.range.start, name))
            else:
                # What is in memory yet is written where the region is.
                locality = load.locality if load.size_bytes else 1.0
                size_bytes = load.size_bytes + load.memory_bytes
                regions.append(RegionState(place.range.start, name, size_bytes, locality))
        attributes = self._admin.describe(self._table).attributes
        switches = {name: _is_on(name, attributes) for name in SWITCHES if name in _ATTRIBUTES}
        return TableState(tuple(regions), tuple(servers), {**switches, "balancer": self._admin.balancer_is_on()})

    def _servers(self) -> dict[str, ServerName]:
        """Give the servers that are up by name: the host, with the port where a host has several."""
        up = self._admin.servers()
        count = Counter(server.host for server in up)
        return {s.host if count[s.host] == 1 else f"{s.host}:{s.port}": s for s in up}

    def _settled(self) -> list[RegionPlace]:
        """Give the regions when all of them are open, or as they are if that takes too long."""
        deadline = monotonic() + _SETTLE_S
        while True:
            places = self._admin.regions(self._table)
            if all(place.state == "OPEN" and place.server for place in places) or monotonic() > deadline:
                return places
            sleep(_PAUSE_S)

    def _place(self, start: bytes) -> RegionPlace:
        for place in self._settled():
            if place.range.start == start:
                return place
        raise StoreError(f"table {self._table!r} has no region that begins at {start!r}: look again")

    def split(self, start: bytes, cut: bytes) -> None:
        place = self._place(start)
        if cut == start or cut not in place.range:
            raise StoreError(f"region {start!r} has no row {cut!r} inside: it cannot be cut there")
        self._without_references(lambda: self._admin.split(self._place(start), cut), [start])
        if cut not in [now.range.start for now in self._admin.regions(self._table)]:
            raise StoreError(
                f"HBase cut region {start!r} elsewhere than at {cut!r}: is its split restriction the delimiter '!'?"
            )

    def merge(self, start: bytes) -> None:
        self._place(start)
        starts = [place.range.start for place in self._admin.regions(self._table)]
        index = starts.index(start)
        if not index:
            raise StoreError("the first region has none before it to be joined to")
        both = starts[index - 1 : index + 1]
        self._without_references(lambda: self._admin.merge([self._place(each) for each in both]), both)

    def _without_references(self, change: Callable[[], object], starts: Sequence[bytes]) -> None:
        """Cut or join; a region that was cut or joined before may first have to write its own files."""
        try:
            change()
        except StoreError:
            if not self._have_references(starts):
                raise
            self._compact(starts, _say_nothing)
            # HBase keeps files that were compacted for two minutes, and counts their references; regions that are
            # opened anew have let go of them. (A move there and back does that too, but then HBase's own clients look
            # for the region in the wrong place for a minute or two once it is joined to another.)
            self._admin.alter(self._table, {})
            self._insist(change)

    def _insist(self, change: Callable[[], object]) -> None:
        """Cut or join as soon as HBase has forgotten where the regions come from."""
        for number in range(_TRIES):
            self._admin.tidy_catalog()
            sleep(min(_TIDY_S * 1.5**number, _TIDY_MOST_S))
            try:
                change()
            except StoreError:
                if number == _TRIES - 1:
                    raise
            else:
                return

    def _have_references(self, starts: Sequence[bytes]) -> bool:
        """Whether the regions may refer to files of others: they have files, and no compaction of their own yet."""
        loads = self._admin.loads(self._table)
        places = [self._place(start) for start in starts]
        return any(place.encoded in loads and loads[place.encoded].files for place in places)

    def move(self, start: bytes, server: str) -> None:
        target = self._servers().get(server)
        if target is None:
            raise StoreError(f"server {server!r} is not up; those that are: {', '.join(self._servers())}")
        place = self._place(start)
        if place.server is None:
            place = self._admin.assign(place)
        self._admin.move(place, target)

    def rewrite(self, starts: Sequence[bytes], told: Told) -> None:
        self._compact(starts, told)

    def _compact(self, starts: Sequence[bytes], told: Told) -> None:
        places = [self._place(start) for start in starts]
        self._admin.flush(self._table)
        names = {place.encoded for place in places}
        self._admin.major_compact(
            self._table, only=names, told=lambda done, of: told(f"{done} of {of} regions written")
        )

    def switch(self, name: str, *, on: bool) -> None:
        if name == "balancer":
            self._admin.set_balancer(on=on)
            return
        if name not in _ATTRIBUTES:
            raise StoreError(f"HBase has no switch {name!r}")
        if _is_on(name, self._admin.describe(self._table).attributes) is not on:
            self._admin.alter(self._table, _ATTRIBUTES[name][0 if on else 1])


def _say_nothing(words: str) -> None:
    del words


def _is_on(name: str, attributes: Mapping[str, str]) -> bool:
    on, off = _ATTRIBUTES[name]
    if all(attributes.get(key) == value for key, value in on.items()):
        return True
    if name == "group restriction":
        return False
    key, value = next(iter(off.items()))
    return _DEFAULTS[name] if key not in attributes else attributes[key].lower() != str(value)
