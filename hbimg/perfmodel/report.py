"""Run reports: what the model needs to know of a run that was measured, as JSON files.

A report is one JSON object: `name`, `system` ("grid" or "hbimg"), optionally `wall_clock_s` (from submission; else from
the first task's start to the last one's end) and `tasks`, a list of objects with the fields of `TaskRecord`. Other
fields are ignored, so a report may carry whatever else its writer wants to keep. docs/model.md shows one.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hbimg.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hbimg.perfmodel.parameters import Scenario
    from hbimg.perfmodel.simulator import System
    from hbimg.perfmodel.trace import Trace


@dataclass(frozen=True)
class TaskRecord:
    """One task that succeeded. Times are seconds on one clock for all hosts, sizes bytes.

    A task reads from `start_s` for `read_seconds`, computes, writes for `write_seconds`, and may then be padded by
    sleep until `end_s`. `local` says that its data did not cross the network. `slot` (any text) tells a host's slots
    apart; where it is empty, each task is taken to follow the one that left the host's earliest free slot.
    """

    host: str
    start_s: float
    end_s: float
    read_seconds: float
    compute_seconds: float
    write_seconds: float
    input_bytes: float
    output_bytes: float
    local: bool
    slot: str = ""

    @property
    def write_start_s(self) -> float:
        """When writing began."""
        return self.start_s + self.read_seconds + self.compute_seconds


@dataclass(frozen=True)
class RunReport:
    """A measured run; `source` is the file it came from."""

    name: str
    system: System
    tasks: tuple[TaskRecord, ...]
    wall_clock_s: float
    source: str = ""

    @property
    def resource_time_s(self) -> float:
        """Sum of the tasks' lengths."""
        return math.fsum(task.end_s - task.start_s for task in self.tasks)

    @property
    def network_share(self) -> float:
        """Share of tasks whose data crossed the network."""
        return sum(not task.local for task in self.tasks) / len(self.tasks)


_NUMBERS = ("start_s", "end_s", "read_seconds", "compute_seconds", "write_seconds", "input_bytes", "output_bytes")
_DURATIONS_AND_SIZES = _NUMBERS[2:]
#: No time in seconds and no size in bytes; an integer of JSON may be larger than any float.
_TOO_LARGE = 1e30
_LONGEST_SHOWN = 40


def load_report(path: Path) -> RunReport:
    """The report in the JSON file `path`; ConfigError names the file, the task and the field that is wrong."""
    try:
        document = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
        raise ConfigError(f"cannot read the run report {path}: {reason}") from error
    # A number of thousands of digits is a plain ValueError, brackets nested thousands deep a RecursionError.
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path} is no JSON file: {error}") from error
    return parse_report(document, str(path))


def parse_report(document: object, source: str) -> RunReport:
    """The report in a JSON document; `source` names it in errors."""
    if not isinstance(document, dict) or not isinstance(document.get("tasks"), list):
        raise ConfigError(f"{source} is no run report: it needs a list of tasks; see docs/model.md")
    system = document.get("system")
    if system not in ("grid", "hbimg"):
        raise ConfigError(f'{source}: system = {system!r}: must be "grid" or "hbimg"')
    tasks = tuple(_task(entry, f"{source}: task {number}") for number, entry in enumerate(document["tasks"], start=1))
    if not tasks:
        raise ConfigError(f"{source}: the run has no tasks, so there is nothing to learn from it")
    span_s = max(task.end_s for task in tasks) - min(task.start_s for task in tasks)
    wall_clock_s = _number(document, "wall_clock_s", source) if "wall_clock_s" in document else span_s
    if wall_clock_s <= 0:
        raise ConfigError(f"{source}: the run's wall-clock time is {wall_clock_s} s: it must be above 0")
    return RunReport(str(document.get("name", Path(source).stem)), system, tasks, wall_clock_s, source)


def _task(entry: object, where: str) -> TaskRecord:
    if not isinstance(entry, dict):
        raise ConfigError(f"{where} is no object with fields")
    if not isinstance(entry.get("host"), str) or not isinstance(entry.get("local"), bool):
        raise ConfigError(f"{where} needs host (a text) and local (true or false)")
    numbers = {key: _number(entry, key, where) for key in _NUMBERS}
    for key in _DURATIONS_AND_SIZES:
        if numbers[key] < 0:
            raise ConfigError(f"{where}: {key} = {numbers[key]}: must not be negative")
    if numbers["end_s"] < numbers["start_s"]:
        raise ConfigError(f"{where} ends at {numbers['end_s']} s, before its start at {numbers['start_s']} s")
    return TaskRecord(host=entry["host"], local=entry["local"], slot=str(entry.get("slot", "")), **numbers)


def _number(entry: Mapping[str, Any], key: str, where: str) -> float:
    value = entry.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < _TOO_LARGE:
        shown = repr(value)
        raise ConfigError(
            f"{where}: {key} = {shown if len(shown) <= _LONGEST_SHOWN else 'too large'}: must be a finite number"
        )
    return float(value)


def report_of_trace(scenario: Scenario, system: System, trace: Trace) -> RunReport:
    """A simulated run as a report."""
    machines = scenario.cluster.machines
    tasks = tuple(
        TaskRecord(
            host=machines[trace.machine[job]].name,
            start_s=trace.start_s[job],
            end_s=trace.end_s[job],
            read_seconds=trace.read_s[job],
            compute_seconds=trace.compute_s[job],
            write_seconds=trace.write_s[job],
            input_bytes=trace.input_bytes[job],
            output_bytes=trace.output_bytes[job],
            local=bool(trace.local[job]),
        )
        for job in range(len(trace.end_s))
    )
    return RunReport(scenario.name, system, tasks, trace.wall_clock_s, "simulation")


def dump_report(report: RunReport) -> str:
    """The report as the JSON text that `load_report` reads."""
    return json.dumps(asdict(report), indent=1)
