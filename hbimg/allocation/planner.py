"""The planner: groups and servers in, a plan out. Pure and deterministic: the same input gives the same plan.

It tries several placements (`placements`) and takes, of those that come within 1% of the lower bound (or, where none
does, of the best), the one that moves the fewest bytes, then the one with the fewest regions. A new table, which moves
nothing, is never given a placement worse than HBase's own.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hbimg.allocation import placements
from hbimg.allocation.groups import Groups, Unit
from hbimg.allocation.layout import Layout, Server, check_servers
from hbimg.allocation.placements import NOBODY, Placement
from hbimg.errors import ConfigError
from hbimg.rowkeys.scheme import GROUP_END

#: Regions are kept below this unless told otherwise: HBase's own limit, hbase.hregion.max.filesize.
REGION_BYTES = 10 * 2**30
#: A placement this near to the bound is good enough: bytes moved and regions count more from there on.
TOLERANCE = 0.01
#: Pieces for each server that are tried where one stretch for each is not near enough to the bound.
_PIECES = (4, 16, 64)
#: HBase's own placement is shown with at least so many regions on each server, which is in its favour.
_LEAST_REGIONS_PER_SERVER = 2
_TOLD = 5


@dataclass(frozen=True)
class PlannedRegion:
    """A region of the plan: where it begins, its server, and what it holds."""

    start: bytes
    server: str
    groups: int
    volumes: int
    size_bytes: int
    work: float


@dataclass(frozen=True)
class Shares:
    """How a layout shares the work out.

    Attributes
    ----------
    work, size_bytes, regions : tuples, one entry for each server
    cost : float
        max(work_i / speed_i), in the plan's unit of work over cores of factor 1.
    short_plank : str
        The server that decides it.
    """

    work: tuple[float, ...]
    size_bytes: tuple[float, ...]
    regions: tuple[int, ...]
    cost: float
    short_plank: str


@dataclass(frozen=True)
class Plan:
    """Where every group shall live.

    Attributes
    ----------
    group_level : str
    unit : str
        Of all works: bytes or seconds.
    servers : tuple of Server
        Sorted by name; `Shares` follow their order.
    regions : tuple of PlannedRegion
        In key order; the first begins at the empty key.
    planned, hbase : Shares
        Of this plan, and of HBase's own placement: equal counts of regions of equal bytes.
    now : Shares or None
        Of the layout as it was when the plan was made.
    bound : float
        A cost that no layout can beat.
    moved_bytes : int
        Bytes that change their server.
    remarks : tuple of str
        What the planner could not help: groups above a region's size or a server's share.
    """

    group_level: str
    unit: Unit
    servers: tuple[Server, ...]
    regions: tuple[PlannedRegion, ...]
    planned: Shares
    hbase: Shares
    now: Shares | None
    bound: float
    moved_bytes: int
    remarks: tuple[str, ...] = ()

    @property
    def layout(self) -> Layout:
        """The plan as borders and servers."""
        return Layout(tuple(r.start for r in self.regions), tuple(r.server for r in self.regions))

    @property
    def distance(self) -> float:
        """How far above the bound it is: 0.01 is 1%."""
        return self.planned.cost / self.bound - 1 if self.bound else 0.0


def make_plan(
    groups: Groups,
    servers: Sequence[Server],
    group_level: str,
    now: Layout | None = None,
    region_bytes: float = REGION_BYTES,
) -> Plan:
    """Choose the number of regions, their borders and the server of each, so that max(work_i / speed_i) is least.

    Parameters
    ----------
    groups : Groups
    servers : sequence of Server
        In any order.
    group_level : str
        Of the table; the plan carries it.
    now : Layout or None
        The layout as it is; None for a table that is still to be made.
    region_bytes : float
        No region shall be larger, unless one group is.

    Raises
    ------
    ConfigError
        If there is no group or no server, or `region_bytes` is not above 0.
    """
    if not len(groups):
        raise ConfigError("nothing to plan: there is not a single volume")
    if not region_bytes > 0:
        raise ConfigError(f"regions of {region_bytes:g} bytes: their size must be above 0")
    return _Planner(groups, check_servers(servers), group_level, now, region_bytes).plan()


class _Planner:
    def __init__(
        self,
        groups: Groups,
        servers: tuple[Server, ...],
        group_level: str,
        now: Layout | None,
        region_bytes: float,
    ) -> None:
        self._groups = groups
        self._servers = servers
        self._group_level = group_level
        self._region_bytes = region_bytes
        # A table of empty volumes still has work: each volume the same.
        self._work = groups.work if groups.work.any() else np.ones(len(groups))
        self._speeds = np.array([server.speed for server in servers])
        self._bound = placements.bound(self._work, self._speeds)
        self._layout = now
        self._now = None if now is None else located(groups, now, [server.name for server in servers])
        self._keep = self._now.borders if self._now else ()

    def plan(self) -> Plan:
        hbase = self._hbase()
        found = [self._shaped(each) for each in self._candidates(hbase)]
        costs = [self._cost(each) for each in found]
        allowed = max(min(costs), self._near_enough(self._cost(hbase)))
        good = [
            (self._moved(each), len(each.owners), each_cost, number)
            for number, (each, each_cost) in enumerate(zip(found, costs, strict=True))
            if each_cost <= allowed * (1 + placements.ROUNDING)
        ]
        moved_bytes, _, _, number = min(good)
        return Plan(
            group_level=self._group_level,
            unit=self._groups.unit,
            servers=self._servers,
            regions=tuple(self._regions(found[number])),
            planned=self._shares(found[number]),
            hbase=self._shares(hbase),
            now=self._shares(self._now) if self._now else None,
            bound=self._bound,
            moved_bytes=int(moved_bytes),
            remarks=tuple(self._remarks()),
        )

    def _near_enough(self, hbase_cost: float) -> float:
        """Give the cost up to which fewer bytes to move count more; a new table moves none."""
        near = self._bound * (1 + TOLERANCE)
        return near if self._now else min(near, hbase_cost)

    def _candidates(self, hbase: Placement) -> Iterator[Placement]:
        scratch = [placements.fill(self._work, self._speeds), hbase]
        for pieces in _PIECES:
            if min(map(self._cost, scratch)) <= self._bound * (1 + TOLERANCE):
                break
            scratch.append(placements.spread(self._work, self._speeds, pieces))
        yield from scratch
        if self._now is None:
            return
        if NOBODY not in self._now.owners:
            yield self._now
        limit = max(min(map(self._cost, scratch)), self._bound * (1 + TOLERANCE / 2))
        yield placements.repair(self._now, self._work, self._speeds, limit)

    def _hbase(self) -> Placement:
        """Place as HBase would, with regions of the wanted size, but enough of them that each server has some."""
        regions = max(
            round(self._groups.total_bytes / self._region_bytes), _LEAST_REGIONS_PER_SERVER * len(self._servers)
        )
        return placements.equal_counts(self._groups.size_bytes, self._speeds, regions)

    def _shaped(self, placement: Placement) -> Placement:
        """Keep borders that are there, take out those that nobody needs, cut what is too large."""
        joined = placements.joined(_with_borders(placement, self._keep), self._keep)
        return placements.divided(joined, self._groups.size_bytes, self._region_bytes)

    def _cost(self, placement: Placement) -> float:
        return placements.cost(placement, self._work, self._speeds)

    def _moved(self, placement: Placement) -> float:
        if self._now is None:
            return 0.0
        changed = placement.owner_of_groups() != self._now.owner_of_groups()
        return float(self._groups.size_bytes[changed].sum())

    def _shares(self, placement: Placement) -> Shares:
        count = len(self._servers)
        work = placement.loads(self._work, count)
        regions = np.bincount([owner for owner in placement.owners if owner != NOBODY], minlength=count)
        return Shares(
            work=tuple(map(float, work)),
            size_bytes=tuple(map(float, placement.loads(self._groups.size_bytes, count))),
            regions=tuple(map(int, regions)),
            cost=float((work / self._speeds).max()),
            short_plank=self._servers[int(np.argmax(work / self._speeds))].name,
        )

    def _regions(self, placement: Placement) -> Iterator[PlannedRegion]:
        columns = (self._groups.volumes, self._groups.size_bytes, self._work)
        sums = [np.diff(placements.prefix_of(column)[list(placement.borders)]) for column in columns]
        starts = self._starts()
        for number, owner in enumerate(placement.owners):
            first, stop = placement.borders[number : number + 2]
            start = starts.get(first, self._groups.keys[first]) if first else b""
            volumes, size_bytes, work = (column[number] for column in sums)
            server = self._servers[owner].name
            yield PlannedRegion(start, server, stop - first, int(volumes), round(size_bytes), float(work))

    def _starts(self) -> dict[int, bytes]:
        """Give the borders that are there as they are written, by the group before which they stand."""
        if self._layout is None:
            return {}
        return {
            index: cut
            for cut in self._layout.cuts
            for index in [index_of(self._groups.keys, cut)]
            if not cuts_a_group(self._groups.keys, cut)
        }

    def _remarks(self) -> Iterator[str]:
        names = [key.decode("ascii", "replace") for key in self._groups.keys]
        large = np.flatnonzero(self._groups.size_bytes > self._region_bytes)
        if len(large):
            yield (
                f"{len(large)} groups are larger than a region of {self._region_bytes / 1e6:,.1f} MB and stay whole: "
                f"{_some(names, large)}"
            )
        shares = self._work.sum() * self._speeds / self._speeds.sum()
        above = np.flatnonzero(self._work > shares.min() * (1 + placements.ROUNDING))
        if len(above):
            slowest = self._servers[int(np.argmin(shares))].name
            yield (
                f"{len(above)} groups are more than the share of server {slowest} and stay whole: {_some(names, above)}"
            )


def _some(names: Sequence[str], chosen: npt.NDArray[np.int64]) -> str:
    told = ", ".join(names[index] for index in chosen[:_TOLD])
    return told if len(chosen) <= _TOLD else f"{told} and {len(chosen) - _TOLD} more"


def _with_borders(placement: Placement, keep: Sequence[int]) -> Placement:
    """Cut a placement at borders that are there, too."""
    borders = sorted({*placement.borders, *keep})
    stops = np.array(placement.borders[1:])
    owners = [placement.owners[int(np.searchsorted(stops, start, side="right"))] for start in borders[:-1]]
    return Placement(tuple(borders), tuple(owners))


def located(groups: Groups, layout: Layout, names: Sequence[str]) -> Placement:
    """Give where the groups lie in a layout: by the region of a group's first row. Unknown servers are nobody."""
    numbers = {name: number for number, name in enumerate(names)}
    borders, owners = [0], []
    stops = [*(index_of(groups.keys, cut) for cut in layout.cuts), len(groups)]
    for stop, server in zip(stops, layout.servers, strict=True):
        if stop > borders[-1]:
            borders.append(stop)
            owners.append(numbers.get(server, NOBODY))
    return Placement(tuple(borders), tuple(owners))


def index_of(keys: Sequence[bytes], cut: bytes) -> int:
    """Give the first group whose first row lies at or behind a border."""
    index = bisect_left(keys, cut)
    # The group before may lie wholly behind it all the same: a border may be written with the group's terminator.
    return index - 1 if index and keys[index - 1] + GROUP_END >= cut else index


def cuts_a_group(keys: Sequence[bytes], cut: bytes) -> bool:
    """Whether a border lies between the rows of one group."""
    index = index_of(keys, cut)
    return bool(index) and cut.startswith(keys[index - 1] + GROUP_END)
