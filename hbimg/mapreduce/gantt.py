"""A picture of a run: one row for each slot, one bar for each task (staging, then work) or each volume."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hbimg.errors import ConfigError
from hbimg.perfmodel.figures import new_figure, save_figure

_COLOURS = {
    "staging": "#BBBBBB",
    "local": "#0072B2",
    "remote": "#D55E00",
    "ended badly": "#CC79A7",
    "reduce": "#009E73",
}
_ROW_INCHES, _MOST_INCHES = 0.25, 40.0


@dataclass(frozen=True, slots=True)
class Bar:
    """A stretch of time in a row: seconds from the start of the picture, and what it shows."""

    row: str
    begin_s: float
    end_s: float
    kind: str


def bars_of(report: Mapping[str, Any]) -> list[Bar]:
    """Give the bars of a report: its tasks on a cluster, its volumes on one machine.

    Tasks of a host are put into rows so that no two in a row overlap, in the order of their launch.
    """
    attempts = report.get("cluster", {}).get("attempts", [])
    if not attempts:
        tasks = report["tasks"]
        zero = min((task["start_s"] for task in tasks), default=0.0)
        return [
            Bar(
                f"{task['host']} {task['slot']}",
                task["start_s"] - zero,
                task["end_s"] - zero,
                "local" if task["local"] else "remote",
            )
            for task in tasks
        ]
    zero = min(attempt["launched_s"] for attempt in attempts)
    free_at: dict[str, list[float]] = defaultdict(list)
    found: list[Bar] = []
    for attempt in sorted(attempts, key=lambda attempt: float(attempt["launched_s"])):
        lanes = free_at[attempt["host"]]
        lane = next((number for number, end in enumerate(lanes) if end <= attempt["launched_s"]), len(lanes))
        lanes[lane:lane] = [] if lane < len(lanes) else [0.0]
        lanes[lane] = attempt["over_s"]
        found += _bars_of_attempt(attempt, f"{attempt['host']} {lane}", zero)
    return found


def _bars_of_attempt(attempt: Mapping[str, Any], row: str, zero: float) -> list[Bar]:
    launched, over = attempt["launched_s"] - zero, attempt["over_s"] - zero
    if attempt["state"] != "SUCCEEDED":
        return [Bar(row, launched, over, "ended badly")]
    if attempt["type"] != "MAP" or attempt["start_s"] is None:
        return [Bar(row, launched, over, "reduce" if attempt["type"] != "MAP" else "staging")]
    start, end = attempt["start_s"] - zero, attempt["end_s"] - zero
    kind = "local" if attempt["data_local"] else "remote"
    return [Bar(row, launched, start, "staging"), Bar(row, start, end, kind), Bar(row, end, over, "staging")]


def draw_bars(axes: Any, bars: Sequence[Bar]) -> None:
    """Draw bars into axes of a figure, with a row for each slot."""
    rows = sorted({bar.row for bar in bars}, reverse=True)
    for kind, colour in _COLOURS.items():
        mine = [bar for bar in bars if bar.kind == kind]
        if mine:
            axes.barh(
                [rows.index(bar.row) for bar in mine],
                [bar.end_s - bar.begin_s for bar in mine],
                left=[bar.begin_s for bar in mine],
                color=colour,
                edgecolor="white",
                linewidth=0.3,
                label=kind,
            )
    axes.set_yticks(range(len(rows)), rows, fontsize=7)


def draw_gantt(report: Mapping[str, Any], stem: Path) -> list[Path]:
    """Draw it; writes `stem`.png and `stem`.svg and gives them.

    Raises
    ------
    ConfigError
        If there is nothing to draw, or matplotlib is not installed.
    """
    bars = bars_of(report)
    if not bars:
        raise ConfigError(f"run {report['name']}: no task ran, so there is nothing to draw")
    rows = {bar.row for bar in bars}
    figure = new_figure(12.0, min(_MOST_INCHES, 1.6 + _ROW_INCHES * len(rows)))
    axes = figure.subplots()
    draw_bars(axes, bars)
    axes.set_xlabel("seconds from the first launch")
    axes.set_title(report["name"], fontsize=10)
    axes.legend(fontsize=8, ncols=len(_COLOURS), loc="lower center", bbox_to_anchor=(0.5, 1.04))
    return save_figure(figure, stem)
