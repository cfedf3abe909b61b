"""Options that the model's commands share, and the scenario they stand for."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from hbimg.errors import ConfigError

if TYPE_CHECKING:
    from hbimg.perfmodel.parameters import Scenario

F = TypeVar("F", bound=Callable[..., Any])


class _Quantity(click.ParamType[float]):
    """A number with a unit; subclasses say how it is read."""

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:  # noqa: ARG002
        # A default comes here once more after it was read.
        if isinstance(value, float):
            return value
        return self.read(value, param.opts[0] if param is not None else self.name)

    def read(self, value: object, what: str) -> float:
        """The number in its base unit; ParameterError names `what`."""
        raise NotImplementedError


class Duration(_Quantity):
    """A time on the command line: `30`, `30s`, `5min`, `2h`; a bare number is seconds."""

    name = "time"

    def read(self, value: object, what: str) -> float:
        from hbimg.perfmodel.units import parse_time, require_not_negative

        seconds = parse_time(value, what, bare_seconds=True)
        require_not_negative(what, seconds)
        return seconds


class Size(_Quantity):
    """A size on the command line, always with its unit: `200MB`, `21.9MiB`."""

    name = "size"

    def read(self, value: object, what: str) -> float:
        from hbimg.perfmodel.units import parse_size, require_positive

        size = parse_size(value, what)
        require_positive(what, size)
        return size


def source_options(command: F) -> F:
    """--preset, --cluster and --json."""
    options = (
        click.option("--preset", metavar="NAME", help="A cluster of the papers; `hbimg model presets` lists them."),
        click.option(
            "--cluster", "cluster_file", type=click.Path(path_type=Path), metavar="FILE", help="Your own, TOML."
        ),
        click.option("--json", "as_json", is_flag=True, help="Print JSON; the keys carry the units."),
    )
    for option in reversed(options):
        command = option(command)
    return command


def workload_options(command: F) -> F:
    """--time (repeatable) and --size, which override what the preset or file says."""
    options = (
        click.option(
            "--time", "times_s", type=Duration(), multiple=True, metavar="SECONDS", help="Processing time of a job."
        ),
        click.option("--size", "size_bytes", type=Size(), metavar="SIZE", help="Input and output of a job together."),
    )
    for option in reversed(options):
        command = option(command)
    return command


def read_scenario(preset: str | None, cluster_file: Path | None, *, jobs_needed: bool = True) -> Scenario:
    """The scenario of --preset or --cluster; ConfigError unless exactly one was given.

    With `jobs_needed` a file must say what the jobs are; run reports tell it themselves.
    """
    from hbimg.perfmodel import presets, scenario_file

    if (preset is None) == (cluster_file is None):
        raise ConfigError("give either --preset NAME or --cluster FILE; `hbimg model presets` lists the names")
    if preset is not None:
        return presets.preset(preset)
    assert cluster_file is not None
    scenario = scenario_file.load(cluster_file)
    if jobs_needed and not scenario_file.has_workload(cluster_file):
        raise ConfigError(
            f"{cluster_file} has no [workload] table: add it, or use `hbimg advise PATH` to read your data"
        )
    return scenario


def scenarios_at(scenario: Scenario, times_s: tuple[float, ...], size_bytes: float | None) -> list[Scenario]:
    """`scenario` with the size, once for each time; the one it describes when no time is given."""
    sized = scenario.with_size(size_bytes) if size_bytes is not None else scenario
    return [sized.with_time(time_s) for time_s in times_s] or [sized]


def echo_json(value: object) -> None:
    """Print a dataclass, or dicts and lists of them, as JSON; what is not finite becomes null."""
    click.echo(json.dumps(_plain(value), indent=2, ensure_ascii=False))


def _plain(value: object) -> object:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
