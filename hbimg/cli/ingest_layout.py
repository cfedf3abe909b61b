"""`hbimg ingest --layout auto`: read all sizes first, plan, make the table with its regions in place, then store."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import click

from hbimg.allocation.executor import Executor
from hbimg.allocation.groups import Groups
from hbimg.allocation.journal import Journal
from hbimg.allocation.layout import Layout, Server
from hbimg.allocation.opening import balancer_is_on, layout_admin, servers_of_store
from hbimg.allocation.plan_file import StoredPlan
from hbimg.allocation.planner import REGION_BYTES, make_plan
from hbimg.cli.printing import say
from hbimg.errors import ConfigError, TableNotFoundError
from hbimg.ingest.candidates import Outcome
from hbimg.ingest.planned import Planned
from hbimg.rowkeys import RowKeyScheme
from hbimg.store import Store
from hbimg.volumes import VolumeTable


def lay_out(
    store: Store, table: str, items: Sequence[Planned], group_level: str | None, servers: Sequence[Server], *, yes: bool
) -> None:
    """Plan a table for what is to be stored, and make it so; one that has a plan keeps it.

    Raises
    ------
    ConfigError
        If the table has volumes, and no plan.
    """
    try:
        volumes = VolumeTable.open(store, table)
    except TableNotFoundError:
        plan = _plan(items, table, group_level or "subject", servers or servers_of_store(store, None), None)
        _consent(store, yes=yes)
        volumes = VolumeTable.create(store, table, plan.group_level, plan.layout.cuts, fixed=True)
        _apply(store, volumes, lambda _: plan, created=True)
        return
    entry = Journal(volumes).last()
    if entry is not None and entry.state == "applied":
        say(f"table {table} has a plan: what is new goes where its regions are (`hbimg layout status` watches it)")
        return
    if entry is None and next(volumes.records(), None) is not None:
        raise ConfigError(f"table {table!r} has volumes and no plan: use `hbimg layout plan`, or leave --layout out")
    _consent(store, yes=yes)
    level = volumes.scheme.group_level

    def finish(now: Layout) -> StoredPlan:
        """What a killed ingest began."""
        return entry.plan if entry else _plan(items, table, level, servers or servers_of_store(store, None), now)

    _apply(store, volumes, finish, created=True)


def _plan(
    items: Iterable[Planned], table: str, group_level: str, servers: Sequence[Server], now: Layout | None
) -> StoredPlan:
    stored = [item for item in items if item.key is not None and item.candidate.outcome is not Outcome.REFUSE]
    sizes = [(item.key, float(_bytes_of(item))) for item in stored if item.key is not None]
    groups = Groups.of_sizes(sizes, RowKeyScheme(group_level))
    plan = make_plan(groups, servers, group_level, now)
    for remark in plan.remarks:
        say(f"remark: {remark}")
    above = plan.hbase.cost / plan.bound - 1
    regions = ", ".join(f"{s.name} {n}" for s, n in zip(plan.servers, plan.planned.regions, strict=True))
    say(f"layout: regions on {regions}; {plan.distance:.1%} above the bound, HBase's own {above:.1%}")
    return StoredPlan.of(plan, table, REGION_BYTES)


def _bytes_of(item: Planned) -> int:
    """Give the bytes that a job will read of it: its frames, or its files where those are larger."""
    frames = sum(run.count * run.length for file in item.candidate.files for run in file.runs)
    return max(item.size_bytes, frames)


def _consent(store: Store, *, yes: bool) -> None:
    if yes or not balancer_is_on(store):
        return
    click.confirm(
        "HBase's balancer will be switched off, for all tables: it undoes plans. Go on?", abort=True, err=True
    )


def _apply(store: Store, volumes: VolumeTable, plan: Callable[[Layout], StoredPlan], *, created: bool) -> None:
    with layout_admin(store, volumes) as admin:
        Executor(volumes, admin).apply(plan(admin.state().layout), created=created)
