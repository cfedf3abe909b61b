"""Pictures of a layout: the bars of Figure 2 (which server is the short plank), and a map of the regions.

Draws on figures that `hbimg.perfmodel.figures` makes, where matplotlib is imported.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hbimg.perfmodel.figures import new_figure, save_figure

#: Okabe and Ito's: blue for what lies well, orange-red for the short plank, grey for the bound.
_FINE, _SHORT, _BOUND = "#0072B2", "#D55E00", "#555555"
#: Times that differ by less are equal to the eye.
_EQUAL = 0.98
#: More bars than this cannot be told apart: then servers are shown by rank, without names.
_NAMED = 48


@dataclass(frozen=True)
class Panel:
    """Bars of one layout: for each server its time, work over speed, in units of the ideal share; 1 is ideal."""

    title: str
    names: tuple[str, ...]
    times: tuple[float, ...]


@dataclass(frozen=True)
class Stretch:
    """A region on the map: its share of the table's bytes, its server, and whether it lies where the plan wants it."""

    size_bytes: float
    server: str
    in_place: bool = True


def draw_planks(panels: Sequence[Panel], stem: Path) -> list[Path]:
    """Draw Figure 2 of the paper for layouts: the longest bar is the plank that decides; writes PNG and SVG.

    Returns
    -------
    list of Path
        What was written.
    """
    rows = max(len(panel.names) for panel in panels)
    figure = new_figure(5.5 * len(panels), min(9.0, 1.6 + 0.22 * rows))
    axes = figure.subplots(1, len(panels), sharex=True, squeeze=False)[0]
    for place, panel in zip(axes, panels, strict=True):
        _draw_bars(place, panel)
    break_ = "\n" if len(panels) == 1 else " "
    figure.suptitle(f"time of each server beside the ideal:{break_}the longest bar is the short plank, and decides")
    return save_figure(figure, stem)


def _draw_bars(axes: Any, panel: Panel) -> None:
    times = np.array(panel.times)
    places = np.arange(len(times))
    # Where all are about equal there is no short plank to be shown.
    is_short = (times > _EQUAL * times.max()) & (times.max() * _EQUAL > 1.0)
    axes.barh(places, times, color=np.where(is_short, _SHORT, _FINE), height=0.8)
    axes.axvline(1.0, color=_BOUND, linestyle="--", linewidth=1.0)
    axes.set_title(f"{panel.title}: {times.max():.2f} of ideal")
    axes.set_xlabel("work over speed, 1 = ideal")
    axes.invert_yaxis()
    if len(times) <= _NAMED:
        axes.set_yticks(places, panel.names, fontsize=7)
    else:
        axes.set_ylabel(f"{len(times):,} servers, in order of their names")


def draw_regions(stretches: Sequence[Stretch], servers: Sequence[str], stem: Path) -> list[Path]:
    """Draw where the table's bytes lie: the table from its first key to its last, a row for each server.

    Regions that lie elsewhere than planned are orange-red. Writes PNG and SVG and returns them.
    """
    rows = {name: number for number, name in enumerate(servers)}
    figure = new_figure(11.0, min(9.0, 1.6 + 0.22 * len(rows)))
    axes = figure.subplots()
    sizes = np.array([max(stretch.size_bytes, 0.0) for stretch in stretches])
    # A table without bytes yet still has regions to show.
    widths = 100 * (sizes / sizes.sum() if sizes.sum() else np.full(len(sizes), 1 / len(sizes)))
    lefts = np.concatenate([[0.0], np.cumsum(widths)[:-1]])
    for row, left, width, stretch in zip([rows[s.server] for s in stretches], lefts, widths, stretches, strict=True):
        colour = _FINE if stretch.in_place else _SHORT
        axes.barh(row, width, left=left, height=0.8, color=colour, edgecolor="white", linewidth=0.4)
    axes.set_xlim(0, 100)
    axes.set_xlabel("percent of the table's bytes, in key order")
    strayed = any(not stretch.in_place for stretch in stretches)
    axes.set_title("regions and their servers" + ("; orange-red: not where the plan wants it" if strayed else ""))
    axes.set_ylim(len(rows) - 0.5, -0.5)
    if len(rows) <= _NAMED:
        axes.set_yticks(range(len(rows)), list(rows), fontsize=7)
    return save_figure(figure, stem)
