"""Repeated simulation with intervals.

Owns the seeds (repeat i of seed s is always the same run, whatever the number of repeats) and the statistics.
"""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hbimg.errors import ParameterError
from hbimg.perfmodel.simulator import System, run_once

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hbimg.perfmodel.parameters import Scenario
    from hbimg.perfmodel.trace import Trace

LEVEL = 0.95
#: A simulated job takes about 150 bytes.
MOST_JOBS = 20_000_000


@dataclass(frozen=True)
class Estimate:
    """A mean with its 95% interval."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class SimulationResult:
    """A system's simulated times over `repeats` runs; `network_busy_share` is the share of the wall-clock time."""

    scenario: str
    system: System
    repeats: int
    seed: int
    wall_clock_s: Estimate
    resource_time_s: Estimate
    network_share: Estimate
    network_busy_share: Estimate
    failed_attempts: Estimate


def simulate(scenario: Scenario, system: System, *, repeats: int = 5, seed: int = 0) -> SimulationResult:
    """`repeats` seeded runs of `scenario` on `system`; ParameterError for no repeats or a scenario that cannot end."""
    if scenario.workload.jobs > MOST_JOBS:
        raise ParameterError(
            f"workload: {scenario.workload.jobs} jobs are more than the {MOST_JOBS} that fit in memory: simulate a part"
        )
    if repeats < 1:
        raise ParameterError(f"repeats = {repeats}: at least one run is needed")
    if seed < 0:
        raise ParameterError(f"seed = {seed}: must be 0 or more")
    rows = []
    for repeat in range(repeats):
        trace = run_once(scenario, system, _generator(seed, repeat))
        wall_s = trace.wall_clock_s
        busy = trace.network_busy_s / wall_s if wall_s else 0.0
        rows.append((wall_s, trace.resource_time_s, trace.network_share, busy, float(trace.failed_attempts)))
    columns = [estimate(column) for column in zip(*rows, strict=True)]
    return SimulationResult(scenario.name, system, repeats, seed, *columns)


def first_run(scenario: Scenario, system: System, seed: int = 0) -> Trace:
    """The first of the runs that `simulate` makes with `seed`, job by job."""
    return run_once(scenario, system, _generator(seed, 0))


def _generator(seed: int, repeat: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(repeat,)))


def estimate(values: Sequence[float]) -> Estimate:
    """Mean of independent `values` and its 95% interval by Student's t; a single value has no width to show."""
    mean = statistics.fmean(values)
    if len(values) < 2:
        return Estimate(mean, mean, mean)
    half = t_quantile((1 + LEVEL) / 2, len(values) - 1) * statistics.stdev(values) / math.sqrt(len(values))
    # None of what is estimated here can be negative, though few and scattered values may seem to allow it.
    return Estimate(mean, max(0.0, mean - half), mean + half)


def t_quantile(probability: float, degrees: int) -> float:
    """Quantile of Student's t: exact for 1 and 2 degrees of freedom, else Abramowitz and Stegun's 26.7.5."""
    if degrees == 1:
        return math.tan(math.pi * (probability - 0.5))
    if degrees == 2:
        return (2 * probability - 1) * math.sqrt(2 / (4 * probability * (1 - probability)))
    z = float(statistics.NormalDist().inv_cdf(probability))
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return z + math.fsum(term / degrees ** (power + 1) for power, term in enumerate(terms))
