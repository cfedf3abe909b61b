"""What `hbimg layout` starts from: the groups and servers that its options mean, and how it goes about its work."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hbimg.allocation.admin import LayoutAdmin
from hbimg.allocation.executor import Executor, Progress
from hbimg.allocation.expect import Expected, JobShape, expect, machines_of
from hbimg.allocation.groups import Groups
from hbimg.allocation.history import measured_factors, seconds_of_groups, tasks_of, with_slots
from hbimg.allocation.journal import Journal
from hbimg.allocation.layout import Layout, Server
from hbimg.allocation.opening import groups_of_table, layout_admin, servers_of_store
from hbimg.allocation.plan_file import StoredPlan
from hbimg.allocation.planner import Plan
from hbimg.errors import ConfigError, HbimgError, TableNotFoundError
from hbimg.model import VolumeKey
from hbimg.perfmodel import scenario_file
from hbimg.rowkeys import RowKeyScheme
from hbimg.store import Store
from hbimg.volumes import VolumeTable, load_run


@dataclass(frozen=True)
class Found:
    """What a plan is made for: a table that is there (`volumes`, `now`), or one that is still to be made.

    Attributes
    ----------
    groups : Groups
    group_level : str
    servers : tuple of Server
        Those that are up.
    volumes : VolumeTable or None
    now : Layout or None
    guessed : tuple of str
        Of the servers, those that came since the table was planned, so that nobody said how fast they are.
    """

    groups: Groups
    group_level: str
    servers: tuple[Server, ...]
    volumes: VolumeTable | None = None
    now: Layout | None = None
    guessed: tuple[str, ...] = ()


def gather(store: Store, table: str, sizes: Path | None, group_level: str) -> Found:
    """Read the groups of a table, or those of a file of sizes.

    Raises
    ------
    ConfigError
        If the file is none of sizes, or the table is there already.
    """
    if sizes is None:
        volumes = VolumeTable.open(store, table)
        with layout_admin(store, volumes) as admin:
            state = admin.state()
        servers = servers_of_store(store, state)
        guessed: tuple[str, ...] = ()
        entry = Journal(volumes).last()
        if entry is not None and not store.servers:
            servers, guessed = as_planned(servers, entry.plan)
        return Found(groups_of_table(volumes), volumes.scheme.group_level, servers, volumes, state.layout, guessed)
    if table in store.tables():
        raise ConfigError(f"table {table!r} is there already: leave --sizes out, and its own volumes are planned for")
    groups = Groups.of_sizes(_sizes_in(sizes), RowKeyScheme(group_level))
    return Found(groups, group_level, servers_of_store(store, None))


def as_planned(servers: Sequence[Server], plan: StoredPlan) -> tuple[tuple[Server, ...], tuple[str, ...]]:
    """Give servers of which the store tells no speed that of the plan that holds, and the names that are not in it."""
    known = {server.name: server for server in plan.servers}
    told = tuple(known.get(server.name, server) for server in servers)
    return told, tuple(server.name for server in servers if server.name not in known)


def _sizes_in(path: Path) -> list[tuple[VolumeKey, float]]:
    try:
        items = json.loads(path.read_text(encoding="utf-8"))["items"]
        planned = [item for item in items if item["outcome"] in ("planned", "stored", "present", "set aside")]
        return [(VolumeKey.parse(item["key"]), float(item["size_bytes"])) for item in planned]
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{path} is not what `hbimg ingest --dry-run --json` prints: {error!r}") from error


def servers_of(texts: Sequence[str], cluster_file: Path | None, found: Found) -> tuple[Server, ...]:
    """Give the servers that the options name, or those of the store; ConfigError if there is none."""
    if texts and cluster_file:
        raise ConfigError("give either --server or --cluster")
    if cluster_file:
        machines = scenario_file.load(cluster_file).cluster.machines
        return tuple(Server(machine.name, machine.cores, machine.speed) for machine in machines)
    servers = tuple(map(Server.parse, texts)) or found.servers
    if not servers:
        raise ConfigError("say which servers there are: give --server NAME=CORES, once for each")
    return servers


def strangers(servers: Sequence[Server], found: Found) -> list[str]:
    """Give the names that no server of the store has now: slips of the pen, or servers that are still to come."""
    up = {server.name for server in found.servers}
    return sorted({server.name for server in servers} - up) if up else []


def with_history(
    found: Found, servers: tuple[Server, ...], run_ids: Sequence[str], *, cores_told: bool
) -> tuple[Found, tuple[Server, ...]]:
    """Take factors and seconds from past runs, and cores that nobody told; ConfigError if there is no table yet."""
    if found.volumes is None:
        raise ConfigError("--from-run needs a table in which something was run: leave --sizes out")
    reports = [load_run(found.volumes, run_id)["report"] for run_id in run_ids]
    tasks = tasks_of(reports)
    measured = measured_factors(servers if cores_told else with_slots(servers, reports), tasks)
    return replace(found, groups=seconds_of_groups(found.groups, tasks, measured, found.volumes.scheme)), measured


def expectations(plan: Plan, groups: Groups, cluster_file: Path | None, time_s: float) -> dict[str, Expected]:
    """Give what the model expects of the plan, of HBase's own placement, and of the layout as it is."""
    described = scenario_file.load(cluster_file).cluster.machines if cluster_file else ()
    machines = machines_of(plan.servers, described)
    job = JobShape(int(groups.volumes.sum()), float(groups.total_bytes), time_s)
    layouts = {"planned": plan.planned, "hbase": plan.hbase, "now": plan.now}
    return {name: expect(shares, machines, job) for name, shares in layouts.items() if shares and sum(shares.work)}


def table_for(store: Store, table: str, plan: StoredPlan | None, *, dry_run: bool) -> tuple[VolumeTable | None, bool]:
    """Open a table, or make it as a plan says; gives whether it is new, and no table where it was not to be made."""
    try:
        volumes = VolumeTable.open(store, table)
    except TableNotFoundError:
        if plan is None:
            raise
        if dry_run:
            return None, True
        refuse_other_table(plan, table)
        return VolumeTable.create(store, table, plan.group_level, plan.layout.cuts, fixed=True), True
    return volumes, False


def refuse_other_table(plan: StoredPlan, table: str) -> None:
    """Raise ConfigError if a plan is for another table, before one is made for it."""
    if plan.table != table:
        raise ConfigError(f"the plan is for table {plan.table!r}, not for {table!r}: make one for it")


def last_plan(journal: Journal, table: str) -> StoredPlan:
    """Give the plan that holds; ConfigError if there is none."""
    entry = journal.last()
    if entry is None:
        raise ConfigError(
            f"table {table!r} has no plan yet: make one with `hbimg layout plan`, and give it with --plan"
        )
    return entry.plan


def executor(
    volumes: VolumeTable, admin: LayoutAdmin, show: Callable[[Progress], None], *, keep_balancer: bool
) -> Executor:
    """Give the executor."""
    return Executor(volumes, admin, show, keep_balancer=keep_balancer)


def problems(url: str) -> list[Any]:
    """Give the problems that the doctor finds; what cannot be examined has none."""
    from hbimg.doctor import Severity, examine

    try:
        found = examine(url)
    except ConfigError:
        return []  # a store in memory has nothing to examine
    except HbimgError as error:
        raise ConfigError(f"the doctor could not look at {url}: {error}") from error
    return [finding for findings in found.values() for finding in findings if finding.severity is Severity.PROBLEM]
