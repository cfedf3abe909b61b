"""What a table's regions are at a moment, and what leads from there to a layout: pure, state in, actions out."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from hbimg.allocation.layout import Layout

#: A region whose blocks lie to this share on its own server counts as local.
LOCAL = 0.99

#: What moves or cuts regions by itself, or keeps groups whole: name to how a planned table has it.
SWITCHES: Mapping[str, bool] = {
    "group restriction": True,
    "splits": False,
    "merges": False,
    "normalizer": False,
    "balancer": False,
}
#: Switches of the whole cluster: other tables feel them, too.
GLOBAL = ("balancer",)
#: Without these a border can neither be made nor taken away.
_NEEDED = {"splits": "split", "merges": "merge"}

Kind = Literal["switch", "split", "merge", "move", "rewrite"]


@dataclass(frozen=True, slots=True)
class RegionState:
    """A region as it is.

    Attributes
    ----------
    start : bytes
    server : str
        Empty while it is on none.
    size_bytes : int or None
        None where the store does not tell it.
    locality : float
        Share of its bytes that lie on its server, 0 to 1; 1 if it has none.
    """

    start: bytes
    server: str
    size_bytes: int | None = None
    locality: float = 1.0


@dataclass(frozen=True)
class TableState:
    """A table as it is: its regions in key order, the servers that are up, and the switches that its store has."""

    regions: tuple[RegionState, ...]
    servers: tuple[str, ...]
    switches: Mapping[str, bool]

    @property
    def layout(self) -> Layout:
        """The regions as borders and servers."""
        return Layout(tuple(r.start for r in self.regions), tuple(r.server for r in self.regions))


@dataclass(frozen=True, slots=True)
class Action:
    """One step.

    `starts` are the regions that it is about, as they are then; `target` is a switch's name, a border to be made, or a
    server, and `on` how a switch is to be.
    """

    kind: Kind
    starts: tuple[bytes, ...] = ()
    target: str = ""
    cut: bytes = b""
    on: bool = False
    size_bytes: int | None = None

    @property
    def is_global(self) -> bool:
        """Whether other tables feel it, too."""
        return self.kind == "switch" and self.target in GLOBAL

    def __str__(self) -> str:
        """Say it as a user reads it."""
        if self.kind == "switch":
            scope = "the whole cluster" if self.is_global else "this table"
            return f"switch {'on' if self.on else 'off'} the {self.target} of {scope}"
        if self.kind == "rewrite":
            return f"rewrite {len(self.starts)} regions on their servers, so that their bytes lie there"
        where = _text(self.starts[0])
        if self.kind == "split":
            return f"cut region {where} at {_text(self.cut)}"
        if self.kind == "merge":
            return f"join region {where} to the one before it"
        return f"move region {where} to {self.target}"


def _text(start: bytes) -> str:
    return start.decode("ascii", "replace") if start else "(first)"


def actions_to(state: TableState, target: Layout, wanted: Mapping[str, bool] = SWITCHES) -> list[Action]:
    """Give the steps from a state to a layout, in the order in which they can be done; none if it is reached.

    First what is in the way is switched off, then borders are made and taken away, regions moved, what is not local
    rewritten, and last the other switches are set. What is asked for in between may change how it goes on, so only
    the first step is sure; the rest is what it looks like from here.
    """
    return list(_Path(state, target, wanted).steps())


class _Path:
    def __init__(self, state: TableState, target: Layout, wanted: Mapping[str, bool]) -> None:
        self._target = target
        self._wanted = {name: wanted.get(name, SWITCHES[name]) for name in state.switches}
        self._switches = dict(state.switches)
        self._regions = list(state.regions)
        now = {region.start for region in state.regions}
        self._missing = [cut for cut in target.cuts if cut not in now]
        self._extra = sorted(now - set(target.starts))

    def steps(self) -> Iterator[Action]:
        yield from self._switch(name for name in GLOBAL if not self._wanted.get(name, True))
        yield from self._switch(name for name in ("group restriction",) if self._wanted.get(name))
        due = {"split": self._missing, "merge": self._extra}
        for name, kind in _NEEDED.items():
            if due[kind] and self._switches.get(name) is False:
                self._switches[name] = True
                yield Action("switch", target=name, on=True)
        yield from self._splits()
        yield from self._merges()
        yield from self._moves()
        yield from self._rewrite()
        yield from self._switch(self._wanted)

    def _switch(self, names: Iterator[str] | Mapping[str, bool]) -> Iterator[Action]:
        for name in names:
            if self._switches[name] != self._wanted[name]:
                self._switches[name] = self._wanted[name]
                yield Action("switch", target=name, on=self._wanted[name])

    def _splits(self) -> Iterator[Action]:
        for cut in self._missing:
            index = bisect_right(self._regions, cut, key=lambda region: region.start) - 1
            parent = self._regions[index]
            self._regions.insert(index + 1, replace(parent, start=cut, size_bytes=None))
            yield Action("split", (parent.start,), cut=cut)

    def _merges(self) -> Iterator[Action]:
        for start in self._extra:
            index = next(n for n, region in enumerate(self._regions) if region.start == start)
            first, second = self._regions[index - 1 : index + 1]
            if first.server != second.server:
                first = replace(first, locality=0.0)
            self._regions[index - 1 : index + 1] = [first]
            yield Action("merge", (start,))

    def _moves(self) -> Iterator[Action]:
        for number, (region, server) in enumerate(zip(self._regions, self._target.servers, strict=True)):
            if region.server == server:
                continue
            if region.size_bytes != 0:
                self._regions[number] = replace(region, server=server, locality=0.0)
            yield Action("move", (region.start,), target=server, size_bytes=region.size_bytes)

    def _rewrite(self) -> Iterator[Action]:
        foreign = tuple(region.start for region in self._regions if region.locality < LOCAL)
        if foreign:
            yield Action("rewrite", foreign)
