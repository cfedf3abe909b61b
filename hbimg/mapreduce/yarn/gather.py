"""Gather what the tasks of a job wrote into HDFS: outcomes, what each task says of itself, partials of groups."""

from __future__ import annotations

import base64
import heapq
import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from hbimg.mapreduce.outcomes import Outcome, State
from hbimg.mapreduce.yarn.hdfs import Hdfs
from hbimg.mapreduce.yarn.order import VOLUMES
from hbimg.model import VolumeKey
from hbimg.rowkeys import RowKeyScheme


@dataclass(slots=True)
class Gathered:
    """What the committed attempts of a job's tasks wrote; `outcomes` by volume, `tasks` by attempt."""

    outcomes: dict[VolumeKey, Outcome] = field(default_factory=dict)
    tasks: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    groups: dict[str, bytes] = field(default_factory=dict)

    def add(self, record: Mapping[str, Any]) -> None:
        """Take one record."""
        if "outcome" in record:
            outcome = Outcome.from_json(record["outcome"])
            before = self.outcomes.get(outcome.key)
            # A task that was run again after it had ended finds its own results; the first run tells more.
            if before is None or before.state is State.CURRENT or not before.input_bytes:
                self.outcomes[outcome.key] = outcome
        elif "task" in record:
            self.tasks[record["task"]["attempt"]] = record["task"]
        elif "partial" in record:
            self.groups[record["partial"]["group"]] = base64.b64decode(record["partial"]["data"])


def gather(hdfs: Hdfs, folder: str) -> Gathered:
    """Read all that is in a job's output folder."""
    found = Gathered()
    for name in hdfs.names(folder):
        if name.startswith("part-"):
            for line in hdfs.read(f"{folder}/{name}").splitlines():
                found.add(json.loads(line.partition(b"\t")[2]))
    return found


def listed_keys(hdfs: Hdfs, folder: str, scheme: RowKeyScheme) -> list[VolumeKey]:
    """Give the volumes that a run was to work on."""
    lines = hdfs.read(f"{folder}/{VOLUMES}").splitlines()
    return [scheme.decode(line.partition(b"\t")[0]).volume for line in lines]


def with_lanes(gathered: Gathered) -> list[Outcome]:
    """Give the outcomes, each with a lane of its host as its slot, so that tasks in one lane do not overlap in time."""
    lanes = lanes_of(gathered.tasks)
    return [
        replace(outcome, slot=lanes.get(outcome.slot, outcome.slot), task=outcome.slot)
        for outcome in gathered.outcomes.values()
    ]


def lanes_of(tasks: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Give each task (by its attempt) the lowest lane of its host that is free when it starts."""
    free: dict[str, list[int]] = defaultdict(list)
    running: dict[str, list[tuple[float, int]]] = defaultdict(list)
    used: dict[str, int] = defaultdict(int)
    found = {}
    for attempt, task in sorted(tasks.items(), key=lambda item: item[1]["start_s"]):
        host = task["host"]
        while running[host] and running[host][0][0] <= task["start_s"]:
            heapq.heappush(free[host], heapq.heappop(running[host])[1])
        if free[host]:
            lane = heapq.heappop(free[host])
        else:
            lane, used[host] = used[host], used[host] + 1
        heapq.heappush(running[host], (task["end_s"], lane))
        found[attempt] = str(lane)
    return found
