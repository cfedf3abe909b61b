"""The model's answers as tables on the terminal."""

from __future__ import annotations

import shutil
import textwrap
from typing import TYPE_CHECKING

import click

from hbimg.cli import printing
from hbimg.perfmodel.units import human_interval, human_size, human_time

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from hbimg.perfmodel.check import Comparison
    from hbimg.perfmodel.fit import Fitted
    from hbimg.perfmodel.heatmap import Heatmap
    from hbimg.perfmodel.predict import Prediction
    from hbimg.perfmodel.presets import Reading
    from hbimg.perfmodel.simulate import Estimate, SimulationResult


#: Where stdout has no width of its own.
_PIPE_COLUMNS = 120


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]], text: Sequence[str] = ()) -> None:
    """A titled table on stdout; columns hold numbers, but the first and those named in `text`."""
    click.echo(title)
    printing.print_table(columns, rows, right=[column for column in columns[1:] if column not in text])


def print_predictions(predictions: Sequence[Prediction]) -> None:
    """One row per processing time."""
    first = predictions[0]
    title = (
        f"{first.scenario}: {first.jobs} jobs of {human_size(first.input_bytes)} in and"
        f" {human_size(first.output_bytes)} out, {first.core} grid slots, NSRP {human_time(first.nsrp_s)}"
    )
    columns = (
        "time of\na job",
        "cores\nfed",
        "grid\nwall",
        "throttled\nwall",
        "hbimg\nwall",
        "grid\nresource",
        "hbimg\nresource",
        "hbimg\n/ grid",
    )
    rows = [
        (
            human_time(p.time_s),
            f"{p.allowed_core:.0f}",
            human_time(p.grid.wall_clock_s),
            human_time(p.throttled_grid.wall_clock_s, p.grid.wall_clock_s),
            human_time(p.hbimg.wall_clock_s, p.grid.wall_clock_s),
            human_time(p.grid.resource_time_s),
            human_time(p.hbimg.resource_time_s, p.grid.resource_time_s),
            f"{p.wall_clock_ratio:.2f}",
        )
        for p in predictions
    ]
    print_table(title, columns, rows)


def print_readings(readings: Sequence[Reading]) -> None:
    """Where the paper contradicts itself: what is taken, and the other number."""
    if not readings:
        return
    click.echo("\nHow the paper was read")
    for reading in readings:
        taken, other = _two_numbers(reading.taken_value, reading.other_value)
        echo_point(reading.about)
        for label, words, value in (("taken:", reading.taken, taken), ("other:", reading.other, other)):
            echo_point(f"{words}: {value} {reading.unit}", f"    {label} ")


def echo_point(text: str, mark: str = "- ") -> None:
    """`text` after `mark`, broken between words to the terminal's width."""
    width = shutil.get_terminal_size((_PIPE_COLUMNS, 24)).columns
    click.echo(textwrap.fill(text, width, initial_indent=mark, subsequent_indent=" " * len(mark)))


def print_simulations(results: Sequence[tuple[float, SimulationResult]]) -> None:
    """One row per processing time (in s) and system, with 95% intervals."""
    rows = [
        (
            f"{result.system}, {human_time(time_s)}",
            interval(result.wall_clock_s),
            interval(result.resource_time_s),
            f"{result.network_share.mean:.1%}",
            f"{result.network_busy_share.mean:.0%}",
            f"{result.failed_attempts.mean:.0f}",
        )
        for time_s, result in results
    ]
    first = results[0][1]
    title = f"{first.scenario}: {first.repeats} simulated runs, seed {first.seed}, mean ± half of the 95% interval"
    columns = ("system", "wall clock", "resource time", "over\nnetwork", "network\nbusy", "failed\ntries")
    print_table(title, columns, rows)


def interval(estimate: Estimate, like_s: float | None = None) -> str:
    """`22.6 ± 0.1 min`, or the number alone when the runs did not differ; in the unit of `like_s`."""
    return human_interval(estimate.mean, estimate.low, estimate.high, like_s)


def print_heatmap(heatmap: Heatmap, rows: int = 8) -> None:
    """Every so many of the map's sizes and times: log10 of hbimg over grid, wall-clock time."""
    size_step = max(1, len(heatmap.sizes_bytes) // rows)
    time_step = max(1, len(heatmap.times_s) // rows)
    times = range(0, len(heatmap.times_s), time_step)
    lines = [
        [human_size(heatmap.sizes_bytes[i]), *(f"{heatmap.log10_wall_clock_ratio[i][j]:+.2f}" for j in times)]
        for i in range(0, len(heatmap.sizes_bytes), size_step)
    ]
    title = f"{heatmap.scenario}: log10(hbimg / grid) of the wall-clock time; below 0 hbimg is faster"
    print_table(title, ["size of\na job", *(human_time(heatmap.times_s[j]) for j in times)], lines)


def print_comparisons(comparisons: Sequence[Comparison]) -> None:
    """Prediction beside measurement."""
    rows = [
        (
            c.quantity,
            f"{_number(c.measured)} {c.unit}",
            f"{_number(c.predicted)} {c.unit}",
            f"{c.difference:+.1%}",
            c.source,
        )
        for c in comparisons
    ]
    print_table(
        "Prediction beside measurement", ("quantity", "measured", "predicted", "difference", "by"), rows, ["by"]
    )


def print_fitted(fitted: Sequence[Fitted]) -> None:
    """Fitted parameters with their intervals."""
    rows = [
        (
            f.parameter.removesuffix("_bytes_per_s").removesuffix("_s"),
            _with_unit(f.estimate.mean, f.unit),
            f"{_with_unit(f.estimate.low, f.unit)} to {_with_unit(f.estimate.high, f.unit)}",
            f.basis,
        )
        for f in fitted
    ]
    print_table("Fitted parameters", ("parameter", "estimate", "95% interval", "from"), rows, ["from"])


def _with_unit(value: float, unit: str) -> str:
    return f"{human_size(value)}/s" if unit == "bytes/s" else f"{_number(value)} {unit}".rstrip()


def _two_numbers(one: float, other: float) -> tuple[str, str]:
    """Both with three digits, or with as many as show that they differ."""
    return next(
        pair for d in range(3, 18) if len(set(pair := (_digits(one, d), _digits(other, d)))) > 1 or one == other
    )


def _digits(value: float, digits: int) -> str:
    return f"{value:.0f}" if abs(value) >= 10**digits else f"{value:.{digits}g}"


def _number(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"
