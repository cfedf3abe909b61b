"""The model's answers as tables on the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from hbimg.perfmodel.units import human_size, human_time

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from hbimg.perfmodel.check import Comparison
    from hbimg.perfmodel.fit import Fitted
    from hbimg.perfmodel.heatmap import Heatmap
    from hbimg.perfmodel.predict import Prediction
    from hbimg.perfmodel.presets import Reading
    from hbimg.perfmodel.simulate import Estimate, SimulationResult


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A table on stdout; columns but the first are set right."""
    table = Table(title=title, title_justify="left", title_style="bold")
    for number, column in enumerate(columns):
        table.add_column(column, justify="left" if number == 0 else "right", overflow="fold")
    for row in rows:
        table.add_row(*row)
    console = Console()
    # A pipe has no width of its own: give tables room there instead of folding them at 80.
    if not console.is_terminal:
        console = Console(width=160)
    console.print(table)


def print_predictions(predictions: Sequence[Prediction]) -> None:
    """One row per processing time."""
    first = predictions[0]
    title = (
        f"{first.scenario}: {first.jobs} jobs of {human_size(first.input_bytes)} in and"
        f" {human_size(first.output_bytes)} out, {first.core} grid slots, NSRP {human_time(first.nsrp_s)}"
    )
    columns = (
        "processing",
        "cores fed",
        "grid wall",
        "throttled",
        "hbimg wall",
        "grid resource",
        "hbimg resource",
        "hbimg/grid",
    )
    rows = [
        (
            human_time(p.time_s),
            f"{p.allowed_core:.0f}",
            human_time(p.grid.wall_clock_s),
            f"{human_time(p.throttled_grid.wall_clock_s)} ({p.throttled_grid.core})",
            human_time(p.hbimg.wall_clock_s),
            human_time(p.grid.resource_time_s),
            human_time(p.hbimg.resource_time_s),
            f"{p.wall_clock_ratio:.2f}",
        )
        for p in predictions
    ]
    print_table(title, columns, rows)


def print_readings(readings: Sequence[Reading]) -> None:
    """Where the paper contradicts itself: what is taken, and the other number."""
    if not readings:
        return
    rows = [
        (r.about, f"{r.taken}: {_number(r.taken_value)} {r.unit}", f"{r.other}: {_number(r.other_value)} {r.unit}")
        for r in readings
    ]
    print_table("How the paper was read", ("where", "taken", "the other way"), rows)


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
    title = f"{first.scenario}: {first.repeats} simulated runs, seed {first.seed}, mean [95% interval]"
    print_table(title, ("system", "wall clock", "resource time", "over network", "network busy", "failed tries"), rows)


def interval(estimate: Estimate) -> str:
    """`22.6 min [22.5 min, 22.7 min]`, or the number alone when the runs did not differ."""
    if estimate.high - estimate.low < 1e-6 * abs(estimate.mean):
        return human_time(estimate.mean)
    return f"{human_time(estimate.mean)} [{human_time(estimate.low)}, {human_time(estimate.high)}]"


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
    print_table(title, ["size of a job", *(human_time(heatmap.times_s[j]) for j in times)], lines)


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
    print_table("Prediction beside measurement", ("quantity", "measured", "predicted", "difference", "by"), rows)


def print_fitted(fitted: Sequence[Fitted]) -> None:
    """Fitted parameters with their intervals."""
    rows = [
        (
            f.parameter,
            f"{_number(f.estimate.mean)} {f.unit}",
            f"{_number(f.estimate.low)} to {_number(f.estimate.high)}",
            f.basis,
        )
        for f in fitted
    ]
    print_table("Fitted parameters", ("parameter", "estimate", "95% interval", "from"), rows)


def _number(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"
