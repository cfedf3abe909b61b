"""What past runs tell: seconds of work in each group, and how fast each server is. Pure, from reports of runs."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from hbimg.allocation.groups import Groups
from hbimg.allocation.layout import Server
from hbimg.errors import ConfigError
from hbimg.model import VolumeKey
from hbimg.rowkeys import RowKeyScheme

Task = Mapping[str, Any]


def tasks_of(reports: Iterable[Mapping[str, Any]]) -> list[Task]:
    """Give the tasks of reports (`hbimg report --json`) that read bytes and took time; ConfigError if there is none."""
    found = [task for report in reports for task in report["tasks"] if task["input_bytes"] > 0 and _seconds(task) > 0]
    if not found:
        raise ConfigError("the runs tell of no volume that was worked on: choose a run that did something")
    return found


def _seconds(task: Task) -> float:
    return float(sum(task[f"{what}_seconds"] for what in ("read", "compute", "write", "pad")))


def measured_factors(servers: Sequence[Server], tasks: Iterable[Task]) -> tuple[Server, ...]:
    """Give the servers with the factors that runs showed: bytes per second of a slot, over the mean of all slots.

    Raises
    ------
    ConfigError
        If a server worked on nothing in these runs.
    """
    size: defaultdict[str, float] = defaultdict(float)
    took_s: defaultdict[str, float] = defaultdict(float)
    for task in tasks:
        size[task["host"]] += task["input_bytes"]
        took_s[task["host"]] += _seconds(task)
    missing = [server.name for server in servers if not took_s[server.name]]
    if missing:
        raise ConfigError(
            f"the runs tell nothing of server {missing[0]}: give its factor, --server {missing[0]}=CORES*FACTOR"
        )
    mean = sum(size[s.name] for s in servers) / sum(took_s[s.name] for s in servers)
    return tuple(replace(s, factor=round(size[s.name] / took_s[s.name] / mean, 6)) for s in servers)


def with_slots(servers: Sequence[Server], reports: Iterable[Mapping[str, Any]]) -> tuple[Server, ...]:
    """Give servers of which nobody said how many cores they have as many as slots of theirs worked in a run."""
    slots: defaultdict[str, int] = defaultdict(int)
    for report in reports:
        for host, count in Counter(slot["host"] for slot in report["slots"]).items():
            slots[host] = max(slots[host], count)
    return tuple(replace(server, cores=max(1, slots[server.name])) for server in servers)


def seconds_of_groups(groups: Groups, tasks: Iterable[Task], servers: Sequence[Server], scheme: RowKeyScheme) -> Groups:
    """Balance seconds in place of bytes: what volumes took, on a core of factor 1.

    Groups that the runs did not touch, or only in part, are taken by their bytes, at the mean seconds per byte.
    """
    factors = {server.name: server.factor for server in servers}
    taken: dict[VolumeKey, tuple[float, float]] = {}
    for task in tasks:
        seconds = _seconds(task) * factors.get(task["host"], 1.0)
        taken[VolumeKey.parse(task["volume"])] = (seconds, task["input_bytes"])
    rate = sum(seconds for seconds, _ in taken.values()) / sum(size for _, size in taken.values())
    seconds_of: defaultdict[bytes, float] = defaultdict(float)
    count_of: defaultdict[bytes, int] = defaultdict(int)
    for key, (seconds, _) in taken.items():
        group = scheme.group_of(scheme.volume(key))
        seconds_of[group] += seconds
        count_of[group] += 1
    work = [
        seconds_of[group] if count_of[group] == volumes else size * rate
        for group, size, volumes in zip(groups.keys, groups.size_bytes, groups.volumes, strict=True)
    ]
    return groups.weighed(np.array(work, np.float64))
