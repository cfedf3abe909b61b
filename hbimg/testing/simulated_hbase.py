"""Regions of a table as HBase has them, without HBase: for trying out layouts against what HBase refuses and undoes.

What real HBase does and this does, too: a region that was just cut has references, and is neither cut nor joined until
it is rewritten; cuts and joins are refused while the table's switch is off; a moved region leaves its blocks behind; a
dead server's regions are opened elsewhere; and the balancer, while it is on, makes the numbers of regions equal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hbimg.allocation.admin import LayoutAdmin, Told, refuse_server
from hbimg.allocation.state import RegionState, TableState
from hbimg.errors import StoreError


@dataclass(slots=True)
class _Region:
    start: bytes
    server: str
    home: str
    size_bytes: int = 1000
    references: bool = False


class SimulatedHBase(LayoutAdmin):
    """One table in a cluster of named servers, with all switches as HBase has them for a new table."""

    def __init__(self, servers: Sequence[str], cuts: Sequence[bytes] = ()) -> None:
        self.servers = list(servers)
        self.switches = {
            "group restriction": True,
            "splits": True,
            "merges": True,
            "normalizer": False,
            "balancer": True,
        }
        #: Every change that was made, in words.
        self.done: list[str] = []
        self._regions = [
            _Region(start, servers[n % len(servers)], servers[n % len(servers)]) for n, start in enumerate([b"", *cuts])
        ]

    def state(self) -> TableState:
        found = tuple(RegionState(r.start, r.server, r.size_bytes, float(r.home == r.server)) for r in self._regions)
        return TableState(found, tuple(self.servers), dict(self.switches))

    def split(self, start: bytes, cut: bytes) -> None:
        parent, index = self._found(start)
        following = self._regions[index + 1].start if index + 1 < len(self._regions) else None
        if not (start < cut and (following is None or cut < following)):
            raise StoreError(f"region {start!r}: {cut!r} is not inside")
        if not self.switches["splits"]:
            raise StoreError("SPLIT_ENABLED is false for this table")
        if self.switches["group restriction"] and b"!" in cut:
            cut = cut.partition(b"!")[0]
        self._compact_references(parent)
        parent.references = True
        parent.size_bytes //= 2
        self._regions.insert(index + 1, _Region(cut, parent.server, parent.home, parent.size_bytes, references=True))
        self.done.append("split")

    def merge(self, start: bytes) -> None:
        second, index = self._found(start)
        if not index:
            raise StoreError("the first region has none before it")
        if not self.switches["merges"]:
            raise StoreError("MERGE_ENABLED is false for this table")
        first = self._regions[index - 1]
        self._compact_references(first)
        self._compact_references(second)
        first.size_bytes += second.size_bytes
        if second.home != first.home:
            first.home = ""
        first.references = True
        del self._regions[index]
        self.done.append("merge")

    def move(self, start: bytes, server: str) -> None:
        refuse_server(server, self.state())
        self._found(start)[0].server = server
        self.done.append("move")

    def rewrite(self, starts: Sequence[bytes], told: Told) -> None:
        for number, start in enumerate(starts):
            self._rewrite(self._found(start)[0])
            told(f"{number + 1} of {len(starts)} regions")
        self.done.append("rewrite")

    def switch(self, name: str, *, on: bool) -> None:
        if name not in self.switches:
            raise StoreError(f"HBase has no switch {name!r}")
        self.switches[name] = on
        self.done.append("switch")

    def balance(self) -> int:
        """Let the balancer run once, and tell how many regions it moved: none while it is off."""
        moved = 0
        while self.switches["balancer"]:
            by_count = sorted(self.servers, key=lambda name: sum(r.server == name for r in self._regions))
            most = [region for region in self._regions if region.server == by_count[-1]]
            least = sum(region.server == by_count[0] for region in self._regions)
            if len(most) - least < 2:
                break
            most[-1].server = by_count[0]
            moved += 1
        return moved

    def crash(self, server: str) -> None:
        """Take a server away: its regions are opened on the others, and their blocks are where they were."""
        self.servers.remove(server)
        for number, region in enumerate(self._regions):
            if region.server == server:
                region.server = self.servers[number % len(self.servers)]

    def _compact_references(self, region: _Region) -> None:
        if region.references:
            self._rewrite(region)

    def _rewrite(self, region: _Region) -> None:
        region.home, region.references = region.server, False

    def _found(self, start: bytes) -> tuple[_Region, int]:
        for index, region in enumerate(self._regions):
            if region.start == start:
                return region, index
        raise StoreError(f"no region begins at {start!r}")
