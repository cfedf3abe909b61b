"""The numbers behind the figures: curves over processing time (Figure 3) and maps over size and time (Figure 4).

Owns no drawing; `figures` draws what stands here, and tests hold these numbers.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from hbimg.perfmodel.heatmap import Heatmap, fine_axes, heatmap
from hbimg.perfmodel.parameters import Scenario, balanced
from hbimg.perfmodel.predict import EXPERIMENT_TIMES_S, predict
from hbimg.perfmodel.presets import bao2017_72, bao2017_132, bao2017_209, bao2017_figure4
from hbimg.perfmodel.readings import figure4_layout
from hbimg.perfmodel.simulate import SimulationResult, simulate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hbimg.perfmodel.simulator import System


@dataclass(frozen=True)
class Curve:
    """One system on one cluster: theory at `times_s`, simulation at `simulated_times_s`; all values in s."""

    system: System
    core: int
    nsrp_s: float
    times_s: tuple[float, ...]
    wall_clock_s: tuple[float, ...]
    resource_time_s: tuple[float, ...]
    simulated_times_s: tuple[float, ...]
    simulated: tuple[SimulationResult, ...]


@dataclass(frozen=True)
class Panel:
    """One map of Figure 4 and which of its two ratios is drawn."""

    title: str
    heatmap: Heatmap
    quantity: Literal["wall_clock", "resource_time"]


def figure3_scenarios() -> list[Scenario]:
    """The three clusters of Figure 3, small to large."""
    return [bao2017_72(), bao2017_132(), bao2017_209()]


def figure3_curves(scenarios: Sequence[Scenario], repeats: int = 3, simulated_jobs: int = 20_000) -> list[Curve]:
    """Wall-clock and resource time over processing time, for the grid and hbimg on each scenario.

    The time axis covers the paper's 5 to 120 s, and 1.4 times the largest release point when that is longer. Scenarios
    with more than `simulated_jobs` jobs have no simulated points.
    """
    longest = max(120.0, *(1.4 * predict(scenario.with_time(1.0)).nsrp_s for scenario in scenarios))
    times = tuple(np.linspace(longest / 120, longest, 120).tolist())
    marks = tuple(time_s * longest / 120 for time_s in EXPERIMENT_TIMES_S)
    curves = []
    for scenario in scenarios:
        predictions = [predict(scenario.with_time(time_s)) for time_s in times]
        shown = marks if scenario.workload.jobs <= simulated_jobs else ()
        systems: tuple[System, System] = ("grid", "hbimg")
        for system in systems:
            rows = [p.grid if system == "grid" else p.hbimg for p in predictions]
            curves.append(
                Curve(
                    system=system,
                    core=rows[0].core,
                    nsrp_s=predictions[0].nsrp_s,
                    times_s=times,
                    wall_clock_s=tuple(row.wall_clock_s for row in rows),
                    resource_time_s=tuple(row.resource_time_s for row in rows),
                    simulated_times_s=shown,
                    simulated=tuple(simulate(scenario.with_time(t), system, repeats=repeats) for t in shown),
                )
            )
    return curves


def figure4_panels(points: int = 80) -> list[Panel]:
    """The paper's panels: (A) and (B) balanced, (C) and (D) in the proportions of the 72- and 209-core layouts."""
    axes = fine_axes(points)
    ideal = heatmap(bao2017_figure4(), *axes)
    as_72 = heatmap(figure4_layout(bao2017_72()), *axes)
    as_209 = heatmap(figure4_layout(bao2017_209()), *axes)
    return [
        Panel("(A) wall-clock time, balanced", ideal, "wall_clock"),
        Panel("(B) resource time, balanced", ideal, "resource_time"),
        Panel("(C) wall-clock time, layout of the 72 cores", as_72, "wall_clock"),
        Panel("(D) wall-clock time, layout of the 209 cores", as_209, "wall_clock"),
    ]


def own_panels(scenario: Scenario, points: int = 80) -> list[Panel]:
    """The same for a cluster of one's own: (A, B) data in proportion to speed, (C, D) the allocation as described."""
    axes = fine_axes(points)
    share = scenario.allocation.network_share
    ideal = heatmap(replace(scenario, allocation=balanced(scenario.cluster.machines, share)), *axes)
    own = heatmap(scenario, *axes)
    return [
        Panel("(A) wall-clock time, balanced", ideal, "wall_clock"),
        Panel("(B) resource time, balanced", ideal, "resource_time"),
        Panel("(C) wall-clock time, own allocation", own, "wall_clock"),
        Panel("(D) resource time, own allocation", own, "resource_time"),
    ]
