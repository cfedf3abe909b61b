"""Scenarios as TOML files: reading with every unit and key checked, and writing what reads back to the same scenario.

`docs/model.md` shows a whole file. An unknown key, a missing one, a number without its unit or a layout that names a
machine the cluster does not have is a ParameterError that names the file's key.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import tomli_w

from hbimg.errors import ConfigError, ParameterError
from hbimg.perfmodel.distributions import Distribution, Kind
from hbimg.perfmodel.parameters import (
    MEASURED_UNEVENNESS,
    MOST_MACHINES,
    Allocation,
    Cluster,
    Machine,
    Scenario,
    Scheduling,
    Workload,
    balanced,
)
from hbimg.perfmodel.units import format_size, format_speed, format_time, parse_size, parse_speed, parse_time

Parser = Callable[[object, str], Any]


def _number(value: object, what: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ParameterError(f"{what} = {value!r}: must be a plain number")
    try:
        return float(value)
    except OverflowError as error:
        raise ParameterError(f"{what} is too large a number") from error


def _whole(value: object, what: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ParameterError(f"{what} = {value!r}: must be a whole number")
    return value


def _flag(value: object, what: str) -> bool:
    if not isinstance(value, bool):
        raise ParameterError(f"{what} = {value!r}: must be true or false")
    return value


def _text(value: object, what: str) -> str:
    if not isinstance(value, str):
        raise ParameterError(f"{what} = {value!r}: must be a text in quotes")
    return value


def _spread(parse: Parser) -> Parser:
    """A parser of a quantity that may vary over jobs, its values read by `parse`."""

    def read(value: object, what: str) -> Distribution:
        if not isinstance(value, dict):
            return _distributed("constant", (parse(value, what),), what)
        if len(value) != 1 or next(iter(value)) not in ("uniform", "lognormal", "mixture", "sample"):
            raise ParameterError(
                f"{what}: a distribution is one of uniform, lognormal, mixture, sample; see docs/model.md"
            )
        kind, values = next(iter(value.items()))
        if not isinstance(values, list):
            raise ParameterError(f"{what}.{kind} = {values!r}: must be a list")
        return _distributed(kind, _values(kind, values, parse, what), what)

    return read


def _distributed(kind: Kind, values: tuple[float, ...], what: str) -> Distribution:
    try:
        return Distribution(kind, values)
    except ParameterError as error:
        raise ParameterError(f"{what}: {error}") from error


def _values(kind: str, values: list[object], parse: Parser, what: str) -> tuple[float, ...]:
    if kind == "lognormal" and len(values) == 2:
        return (parse(values[0], what), _number(values[1], f"{what}: coefficient of variation"))
    if kind == "mixture":
        pairs = [pair for pair in values if isinstance(pair, list) and len(pair) == 2]
        if len(pairs) != len(values):
            raise ParameterError(f"{what}.mixture: must be a list of [share, value] pairs")
        return tuple(v for share, value in pairs for v in (_number(share, what), parse(value, what)))
    return tuple(parse(value, what) for value in values)


def _failures(value: object, what: str) -> tuple[tuple[str, float], ...]:
    if not isinstance(value, dict):
        raise ParameterError(f'{what}: must be a table of machine and time, as {{ "node-1" = "10 min" }}')
    return tuple((name, parse_time(at, f"{what}.{name}")) for name, at in value.items())


#: Per table: key of the file to (field of the dataclass, parser, writer).
_CLUSTER: dict[str, tuple[str, Parser, Callable[[Any], object]]] = {
    "bandwidth": ("bandwidth_bytes_per_s", parse_speed, format_speed),
    "grid_slots": ("grid_slots", _whole, int),
    "rack_bandwidth": ("rack_bandwidth_bytes_per_s", parse_speed, format_speed),
    "shared_disk": ("shared_disk", _flag, bool),
    "host_io": ("host_io", _flag, bool),
    "warm_cache": ("warm_cache", _flag, bool),
}
_MACHINE: dict[str, tuple[str, Parser, Callable[[Any], object]]] = {
    "name": ("name", _text, str),
    "cores": ("cores", _whole, int),
    "disk_read": ("disk_read_bytes_per_s", parse_speed, format_speed),
    "disk_write": ("disk_write_bytes_per_s", parse_speed, format_speed),
    "speed": ("speed", _number, float),
    "memory": ("memory_bytes", parse_size, format_size),
    "page_cache": ("page_cache_bytes", parse_size, format_size),
    "network": ("network_bytes_per_s", parse_speed, format_speed),
    "rack": ("rack", _text, str),
}
_WORKLOAD: dict[str, tuple[str, Parser, Callable[[Any], object]]] = {
    "jobs": ("jobs", _whole, int),
    "input": ("input_bytes", _spread(parse_size), lambda d: _distribution(d, format_size)),
    "output": ("output_bytes", _spread(parse_size), lambda d: _distribution(d, format_size)),
    "time": ("processing_s", _spread(parse_time), lambda d: _distribution(d, format_time)),
    "pad_to": ("pad_to_s", parse_time, format_time),
    "memory_per_job": ("memory_per_job_bytes", parse_size, format_size),
    "release_interval": ("release_interval_s", parse_time, format_time),
}
_SCHEDULING: dict[str, tuple[str, Parser, Callable[[Any], object]]] = {
    "grid_dispatch_gap": ("grid_dispatch_gap_s", parse_time, format_time),
    "map_dispatch_gap": ("map_dispatch_gap_s", parse_time, format_time),
    "share_unevenness": ("share_unevenness", _number, float),
    "stealing": ("stealing", _text, str),
    "locality_delay": ("locality_delay_s", parse_time, format_time),
    "straggler_probability": ("straggler_probability", _number, float),
    "straggler_factor": ("straggler_factor", _number, float),
    "failure_probability": ("failure_probability", _number, float),
    "failure_detection": ("failure_detection_s", parse_time, format_time),
    "machine_failures": ("machine_failures", _failures, lambda pairs: {name: format_time(at) for name, at in pairs}),
    "grid_throttle": ("grid_throttle", _whole, int),
}


def load(path: Path) -> Scenario:
    """The scenario in the TOML file `path`; without a [workload] table it describes one job of 1 byte per core.

    Commands that need the workload ask `has_workload` or bring their own. Raises ConfigError for a file that cannot be
    read or is no TOML, ParameterError for its contents.
    """
    try:
        # Some editors put a byte order mark in front.
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
        raise ConfigError(f"cannot read the cluster file {path}: {reason}") from error
    return loads(text, str(path))


def loads(text: str, source: str) -> Scenario:
    """The scenario in the TOML `text`; `source` names it in errors."""
    try:
        document = tomllib.loads(text)
    # A number of thousands of digits is a plain ValueError, brackets nested thousands deep a RecursionError.
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{source} is no TOML file: {error}") from error
    try:
        return _scenario(document, Path(source).stem)
    except ParameterError as error:
        raise ParameterError(f"{source}: {error}") from error


def _scenario(document: Mapping[str, Any], default_name: str) -> Scenario:
    _refuse_unknown(document, ("name", "cluster", "workload", "allocation", "scheduling"), "the file")
    name = _text(document.get("name", default_name), "name")
    table = dict(_table(document, "cluster"))
    machines, groups = _machines(table.pop("machine", []))
    cluster = Cluster(machines=machines, **_fields(table, _CLUSTER, ("bandwidth",), "cluster"))
    if "workload" in document:
        needed = ("jobs", "input", "output")
        workload = Workload(**_fields(_table(document, "workload"), _WORKLOAD, needed, "workload"))
    else:
        workload = Workload(cluster.core, Distribution("constant", (1.0,)), Distribution("constant", (0.0,)))
    allocation = _allocation(document.get("allocation", {}), machines, groups)
    # Even shares keep equal jobs in step for ever, which no real link does: what was measured is the better default.
    settings: dict[str, Any] = {"share_unevenness": MEASURED_UNEVENNESS}
    settings |= _fields(document.get("scheduling", {}), _SCHEDULING, (), "scheduling")
    scheduling = Scheduling(**settings)
    return Scenario(name, cluster, workload, allocation, scheduling)


def has_workload(path: Path) -> bool:
    """Whether the readable TOML file `path` describes a workload."""
    return "workload" in tomllib.loads(path.read_text(encoding="utf-8-sig"))


def _table(document: Mapping[str, Any], name: str) -> dict[str, Any]:
    found = document.get(name)
    if not isinstance(found, dict):
        raise ParameterError(f"there is no [{name}] table: see docs/model.md for a whole file")
    return found


def _refuse_unknown(table: Mapping[str, Any], known: tuple[str, ...], where: str) -> None:
    for key in table:
        if key not in known:
            raise ParameterError(f"{where} has an unknown key {key!r}; known are {', '.join(known)}")


def _fields(table: object, known: Mapping[str, Any], needed: tuple[str, ...], where: str) -> dict[str, Any]:
    if not isinstance(table, dict):
        raise ParameterError(f"[{where}] must be a table of keys and values")
    _refuse_unknown(table, tuple(known), f"[{where}]")
    for key in needed:
        if key not in table:
            raise ParameterError(f"[{where}] lacks {key}: give it")
    return {known[key][0]: known[key][1](value, f"{where}.{key}") for key, value in table.items()}


def _machines(entries: object) -> tuple[tuple[Machine, ...], dict[str, list[str]]]:
    """All machines, and which machines each name stands for (a group of `count` machines has one name)."""
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise ParameterError("[[cluster.machine]] must be a list of tables, one for each kind of machine")
    machines: list[Machine] = []
    groups: dict[str, list[str]] = {}
    for entry in entries:
        rest = dict(entry)
        count = _whole(rest.pop("count", 1), "cluster.machine.count")
        if not 1 <= count <= MOST_MACHINES:
            raise ParameterError(f"cluster.machine.count = {count}: must be from 1 to {MOST_MACHINES}")
        settings = _fields(rest, _MACHINE, ("name", "cores", "disk_read", "disk_write"), "cluster.machine")
        name = settings.pop("name")
        names = [name] if count == 1 else [f"{name}-{number}" for number in range(1, count + 1)]
        machines += [Machine(name=each, **settings) for each in names]
        groups[name] = names
    return tuple(machines), groups


def _allocation(table: object, machines: tuple[Machine, ...], groups: Mapping[str, list[str]]) -> Allocation:
    if not isinstance(table, dict):
        raise ParameterError("[allocation] must be a table")
    _refuse_unknown(table, ("regions", "layout", "network_share"), "[allocation]")
    share = _number(table.get("network_share", 0.05), "allocation.network_share")
    weights = dict.fromkeys((machine.name for machine in machines), 0.0)
    if "regions" in table and "layout" in table:
        raise ParameterError("[allocation] has both regions and layout: give one")
    if "regions" not in table and "layout" not in table:
        return balanced(machines, share)
    for name, weight in _placed(table):
        for each in [name] if name in weights else groups.get(name, ()):
            weights[each] += weight
        if name not in weights and name not in groups:
            raise ParameterError(f"the allocation names machine {name!r}, unknown to the cluster: {_some(weights)}")
    return Allocation(tuple(weights.values()), share)


def _placed(table: Mapping[str, Any]) -> list[tuple[str, float]]:
    """(machine or group, weight) pairs of `regions = {name = n}` or of a layout's list of regions."""
    if "regions" in table:
        if not isinstance(table["regions"], dict):
            raise ParameterError('allocation.regions must be a table, as { "node-1" = 2 }')
        return [(name, _number(value, f"allocation.regions.{name}")) for name, value in table["regions"].items()]
    if not isinstance(table["layout"], list):
        raise ParameterError("[[allocation.layout]] must be a list of regions with machine and bytes")
    pairs = []
    for entry in table["layout"]:
        if not isinstance(entry, dict) or set(entry) != {"machine", "bytes"}:
            raise ParameterError(f"[[allocation.layout]] {entry!r}: a region has machine and bytes, and nothing else")
        pairs.append((_text(entry["machine"], "layout.machine"), parse_size(entry["bytes"], "layout.bytes")))
    return pairs


def _some(names: Mapping[str, float]) -> str:
    shown = list(names)[:4]
    return f"it has {', '.join(shown)}" + (f" and {len(names) - 4} more" if len(names) > len(shown) else "")


def _distribution(distribution: Distribution, write: Callable[[float], str]) -> object:
    values = distribution.parameters
    match distribution.kind:
        case "constant":
            return write(values[0])
        case "lognormal":
            return {"lognormal": [write(values[0]), values[1]]}
        case "mixture":
            return {"mixture": [[values[i], write(values[i + 1])] for i in range(0, len(values), 2)]}
        case kind:
            return {kind: [write(value) for value in values]}


def dumps(scenario: Scenario, *, workload: bool = True) -> str:
    """`scenario` as TOML that `loads` reads back to an equal one; settings at their default are left out.

    Without `workload` the jobs are left out too: for a file that described none.
    """
    machines = [_written(machine, _MACHINE) for machine in scenario.cluster.machines]
    names = [machine.name for machine in scenario.cluster.machines]
    document = {
        "name": scenario.name,
        "cluster": {**_written(scenario.cluster, _CLUSTER), "machine": machines},
        **({"workload": _written(scenario.workload, _WORKLOAD)} if workload else {}),
        "allocation": {
            "network_share": scenario.allocation.network_share,
            "regions": dict(zip(names, scenario.allocation.regions, strict=True)),
        },
        "scheduling": {
            "share_unevenness": scenario.scheduling.share_unevenness,
            **_written(scenario.scheduling, _SCHEDULING),
        },
    }
    return tomli_w.dumps(document)


def _written(thing: Cluster | Machine | Workload | Scheduling, known: Mapping[str, Any]) -> dict[str, Any]:
    defaults = {field.name: field.default for field in fields(thing)}
    return {
        key: write(getattr(thing, name))
        for key, (name, _, write) in known.items()
        if getattr(thing, name) != defaults[name]
    }
