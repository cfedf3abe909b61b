"""How `hbimg layout` prints plans and states: tables for people, plain values for JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from hbimg.allocation.expect import Expected
from hbimg.allocation.figures import Panel
from hbimg.allocation.planner import Plan, Shares
from hbimg.allocation.status import Status
from hbimg.cli.printing import bytes_text, print_table, say
from hbimg.perfmodel.units import human_time

_NAMES = {"planned": "this plan", "hbase": "HBase's own", "now": "as it is now"}


def _layouts(plan: Plan) -> Iterator[tuple[str, Shares]]:
    for name in _NAMES:
        shares: Shares | None = getattr(plan, name)
        if shares is not None:
            yield name, shares


def _times(plan: Plan, shares: Shares) -> tuple[float, ...]:
    """Give each server's time in units of the ideal one."""
    total, speed = sum(plan.planned.work), sum(server.speed for server in plan.servers)
    pairs = zip(shares.work, plan.servers, strict=True)
    return tuple(work / server.speed / (total / speed) for work, server in pairs)


def panels(plan: Plan) -> list[Panel]:
    """Give the bars of the plan, and of HBase's own placement beside it."""
    names = tuple(server.name for server in plan.servers)
    return [Panel(_NAMES[name], names, _times(plan, shares)) for name, shares in _layouts(plan) if name != "now"]


def print_plan(plan: Plan, expected: Mapping[str, Expected], time_s: float) -> None:
    """Print the servers' shares, what each layout would take, and what the planner has to say."""
    total = sum(plan.planned.work)
    ideal = sum(server.speed for server in plan.servers)
    rows = []
    columns = (plan.planned.work, plan.planned.size_bytes, plan.planned.regions, _times(plan, plan.planned))
    for server, work, size_bytes, regions, longer in zip(plan.servers, *columns, strict=True):
        rows.append(
            (
                server.name,
                f"{server.cores}" + (f" x {server.factor:g}" if server.factor != 1 else ""),
                f"{100 * server.speed / ideal:.2f} %",
                f"{100 * work / total:.2f} %",
                bytes_text(size_bytes),
                str(regions),
                f"{longer:.3f}",
            )
        )
    titles = ["server", "cores", "of all speed", "of all work", "bytes", "regions", "time / ideal"]
    print_table(titles, rows, right=titles[1:])
    compared = []
    for name, shares in _layouts(plan):
        if name not in expected:
            continue
        above, found = shares.cost / plan.bound - 1, expected[name]
        wall = human_time(found.wall_clock_s)
        compared.append(
            (_NAMES[name], shares.short_plank, f"{above:.2%}", str(found.rounds), wall, str(sum(shares.regions)))
        )
    titles = ["layout", "short plank", "above the bound", "rounds", "wall-clock", "regions"]
    print_table(titles, compared, right=titles[2:])
    say(f"work is {plan.unit}; wall-clock is the model's for a job of {human_time(time_s)} on each volume, all local")
    if plan.now is not None:
        say(f"{bytes_text(plan.moved_bytes)} change their server")
    for remark in plan.remarks:
        say(f"remark: {remark}")


def plan_json(plan: Plan, expected: Mapping[str, Expected]) -> dict[str, Any]:
    """Give a plan as plain values; the keys carry the units."""
    return {
        "group_level": plan.group_level,
        "work": plan.unit,
        "bound": plan.bound,
        "above_the_bound": plan.distance,
        "moved_bytes": plan.moved_bytes,
        "remarks": list(plan.remarks),
        "layouts": {
            name: {**asdict(shares), **(asdict(expected[name]) if name in expected else {})}
            for name, shares in _layouts(plan)
        },
        "servers": [{**asdict(server), "speed": server.speed} for server in plan.servers],
        "regions": [{**asdict(region), "start": region.start.decode("ascii")} for region in plan.regions],
    }


def print_status(status: Status) -> None:
    """Print the servers, and in words what changed, what is due and what `apply` would do."""
    rows = [
        (
            server.name + ("" if server.is_up else " (not up)"),
            str(server.regions),
            str(server.groups),
            bytes_text(server.size_bytes),
            f"{100 * server.share:.1f} %",
            f"{100 * server.ideal_share:.1f} %",
            f"{100 * server.locality:.0f} %",
        )
        for server in status.servers
    ]
    titles = ["server", "regions", "groups", "bytes", "of all bytes", "of all speed", "local"]
    print_table(titles, rows, right=titles[1:])
    plan = f"plan {status.entry}: {status.state}" if status.entry else "no plan is applied"
    say(f"{plan}; the short plank is {status.short_plank}, {status.above_ideal:.1%} above ideal")
    for word, lines in (("changed", status.drift), ("due", status.due), ("apply would", status.actions)):
        for line in lines:
            say(f"{word}: {line}")
    if status.due:
        say(f"make a new plan, `hbimg layout plan --table {status.table}`, and apply it")
    if status.entry and not status.drift and not status.actions:
        say("all is as it was planned")


def status_json(status: Status) -> dict[str, Any]:
    """Give a status as plain values."""
    data = asdict(status)
    for region in data["regions"]:
        region["start"] = region["start"].decode("ascii", "replace")
    return data
