"""How a table lies beside its plan: shares of the servers, what changed and why, when a new plan is due. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from hbimg.allocation import placements
from hbimg.allocation.figures import Panel, Stretch
from hbimg.allocation.groups import Groups
from hbimg.allocation.journal import Entry
from hbimg.allocation.layout import Layout, Server
from hbimg.allocation.plan_file import StoredPlan
from hbimg.allocation.planner import cuts_a_group, index_of, located, make_plan
from hbimg.allocation.state import GLOBAL, LOCAL, SWITCHES, TableState, actions_to

#: From these on a new plan is due: growth of all bytes, and how much longer the short plank needs than the ideal.
MOST_GROWTH, MOST_SKEW = 0.2, 0.1


@dataclass(frozen=True, slots=True)
class ServerStatus:
    """A server: what it holds now, its share of the bytes, what its speed would make of it, and how much is local."""

    name: str
    is_up: bool
    regions: int
    groups: int
    size_bytes: int
    share: float
    ideal_share: float
    locality: float


@dataclass(frozen=True, slots=True)
class RegionStatus:
    """A region: where it is, where the plan wants it (None: it is no region of a plan), and what it holds."""

    start: bytes
    server: str
    planned_server: str | None
    groups: int
    size_bytes: int
    locality: float


@dataclass(frozen=True)
class Status:
    """How a table lies.

    Attributes
    ----------
    entry : str
        The journal's entry, or empty; `state` says how far it is.
    servers, regions
    above_ideal : float
        How much longer than ideal the short plank needs: 0.1 is 10%.
    drift : tuple of str
        What is not as it was planned, and why, as far as can be seen.
    due : tuple of str
        Why a new plan is due.
    actions : tuple of str
        What `apply` would do.
    """

    table: str
    entry: str
    state: str
    servers: tuple[ServerStatus, ...]
    regions: tuple[RegionStatus, ...]
    short_plank: str
    above_ideal: float
    drift: tuple[str, ...]
    due: tuple[str, ...]
    actions: tuple[str, ...]

    @property
    def panel(self) -> Panel:
        """The servers' bars, for a picture."""
        times = tuple(s.share / s.ideal_share if s.ideal_share else 0.0 for s in self.servers)
        return Panel(f"table {self.table} now", tuple(s.name for s in self.servers), times)

    @property
    def stretches(self) -> tuple[Stretch, ...]:
        """The regions, for a picture."""
        return tuple(Stretch(r.size_bytes, r.server, r.planned_server in (None, r.server)) for r in self.regions)


def status_of(
    table: str, groups: Groups, state: TableState, servers: Sequence[Server], entry: Entry | None = None
) -> Status:
    """Compare a table with its plan.

    Parameters
    ----------
    table : str
    groups : Groups
        What is in the table now; may be empty.
    state : TableState
    servers : sequence of Server
        Speeds of the servers that have a share; those of the plan, where there is one.
    entry : Entry or None
        The journal's entry that holds.
    """
    return _Watcher(table, groups, state, servers, entry).status()


class _Watcher:
    def __init__(
        self, table: str, groups: Groups, state: TableState, servers: Sequence[Server], entry: Entry | None
    ) -> None:
        self._table = table
        self._groups = groups
        self._state = state
        self._speeds = {server.name: server.speed for server in servers}
        self._names = sorted({*self._speeds, *state.servers, *(r.server for r in state.regions if r.server)})
        self._entry = entry
        self._plan: StoredPlan | None = entry.plan if entry is not None else None
        self._regions = self._region_statuses()

    def status(self) -> Status:
        servers = tuple(map(self._server_status, self._names))
        times = {s.name: s.share / s.ideal_share if s.ideal_share else 0.0 for s in servers}
        short = max(times, key=lambda name: (times[name], name))
        can_apply = self._plan is not None and not self._gone(self._plan)
        steps = actions_to(self._state, self._plan.layout) if self._plan and can_apply else []
        return Status(
            table=self._table,
            entry=self._entry.id if self._entry else "",
            state=self._entry.state if self._entry else "no plan",
            servers=servers,
            regions=self._regions,
            short_plank=short,
            above_ideal=max(0.0, times[short] - 1.0),
            drift=tuple(self._drift()),
            due=tuple(self._due()),
            actions=tuple(str(step) for step in steps),
        )

    def _region_statuses(self) -> tuple[RegionStatus, ...]:
        layout = self._state.layout
        planned = self._plan.layout if self._plan else None
        wanted = dict(zip(planned.starts, planned.servers, strict=True)) if planned else {}
        prefix = placements.prefix_of(self._groups.size_bytes)
        firsts = [index_of(self._groups.keys, start) for start in layout.starts]
        return tuple(
            RegionStatus(
                region.start,
                region.server,
                wanted.get(region.start),
                stop - first,
                round(float(prefix[stop] - prefix[first])),
                region.locality,
            )
            for region, first, stop in zip(self._state.regions, firsts, [*firsts[1:], len(self._groups)], strict=True)
        )

    def _server_status(self, name: str) -> ServerStatus:
        mine = [region for region in self._regions if region.server == name]
        size_bytes = sum(region.size_bytes for region in mine)
        local = sum(region.size_bytes * region.locality for region in mine)
        total, speed = self._groups.total_bytes, sum(self._speeds.values())
        return ServerStatus(
            name=name,
            is_up=name in self._state.servers,
            regions=len(mine),
            groups=sum(region.groups for region in mine),
            size_bytes=size_bytes,
            share=size_bytes / total if total else 0.0,
            ideal_share=self._speeds.get(name, 0.0) / speed if speed else 0.0,
            locality=local / size_bytes if size_bytes else 1.0,
        )

    def _drift(self) -> Iterator[str]:
        halved = [cut for cut in self._state.layout.cuts if cuts_a_group(self._groups.keys, cut)]
        if halved:
            yield f"{len(halved)} borders lie inside a group, the first at {halved[0].decode('ascii', 'replace')}"
        if self._plan is not None:
            yield from self._strayed(self._plan.layout)
            yield from self._servers_changed(self._plan)
            for name, on in self._state.switches.items():
                if on is not SWITCHES[name]:
                    yield _switch_words(name, on=on)
        foreign = [region for region in self._regions if region.locality < LOCAL]
        if foreign:
            size = sum(region.size_bytes * (1 - region.locality) for region in foreign) / 1e6
            yield f"{len(foreign)} regions have {size:,.1f} MB on other servers than their own"

    def _strayed(self, planned: Layout) -> Iterator[str]:
        borders, now = set(planned.cuts), set(self._state.layout.cuts)
        if now - borders:
            yield f"{len(now - borders)} borders are not in the plan: HBase or somebody cut regions"
        if borders - now:
            yield f"{len(borders - now)} borders of the plan are not there: HBase or somebody joined regions"
        strays = Counter(
            (region.planned_server, region.server)
            for region in self._regions
            if region.planned_server not in (None, region.server)
        )
        for (wanted, found), count in sorted(strays.items(), key=str):
            gone = wanted not in self._state.servers
            why = f"{wanted} is not up" if gone else "moved by the balancer, after a restart, or by hand"
            yield f"{count} regions of {wanted} are on {found or 'no server'}: {why}"

    def _servers_changed(self, plan: StoredPlan) -> Iterator[str]:
        known = {server.name for server in plan.servers}
        left_out = self._entry.servers_up if self._entry else ()
        for name in sorted(set(self._state.servers) - known - set(left_out)):
            yield f"server {name} is new: the plan does not use it; `hbimg layout plan` makes one that does"
        for name in sorted(known - set(self._state.servers)):
            yield f"server {name} is not up"

    def _due(self) -> Iterator[str]:
        if self._plan is None or not len(self._groups):
            return
        large = [r for r in self._regions if r.size_bytes > self._plan.region_bytes and r.groups > 1]
        if large:
            yield f"{len(large)} regions are larger than {self._plan.region_bytes / 1e6:,.1f} MB"
        if self._plan.planned_bytes and self._groups.total_bytes > (1 + MOST_GROWTH) * self._plan.planned_bytes:
            growth = self._groups.total_bytes / self._plan.planned_bytes - 1
            yield f"the table has grown by {growth:.0%} since it was planned"
        skew = self._planned_skew(self._plan)
        if skew > MOST_SKEW:
            yield f"under the plan the short plank would need {skew:.0%} longer than the best layout of today's volumes"
        for name in self._gone(self._plan):
            yield (
                f"the plan puts regions on {name}, which is not up: it cannot be applied until it is; "
                "`hbimg layout plan` makes one without it"
            )

    def _gone(self, plan: StoredPlan) -> list[str]:
        return sorted(set(plan.layout.servers) - set(self._state.servers))

    def _planned_skew(self, plan: StoredPlan) -> float:
        """Give how much longer the short plank of the plan needs, on the volumes of today, than that of a new plan."""
        if not self._groups.size_bytes.any() or plan.unit != "bytes":
            return 0.0  # what seconds today's volumes take is not known
        placed = located(self._groups, plan.layout, [server.name for server in plan.servers])
        speeds = np.array([server.speed for server in plan.servers])
        today = placements.cost(placed, self._groups.size_bytes, speeds)
        # Not the bound: with few groups no layout comes near it, and a plan would be due for ever.
        best = make_plan(self._groups, plan.servers, plan.group_level, region_bytes=plan.region_bytes).planned.cost
        return today / best - 1


def _switch_words(name: str, *, on: bool) -> str:
    scope = "of the whole cluster " if name in GLOBAL else ""
    risk = "groups may be cut" if name == "group restriction" else "it may undo the plan"
    return f"the {name} {scope}is {'on' if on else 'off'}: {risk}"
