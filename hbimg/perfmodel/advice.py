"""Whether hbimg pays for given data on given machines: numbers, a verdict, and the reasons in words.

Owns the thresholds of the verdict. It compares hbimg with the grid engine at its best, which is the throttled one, and
counts what it costs to load the data once.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from hbimg.perfmodel.predict import Prediction, predict
from hbimg.perfmodel.simulate import SimulationResult, simulate
from hbimg.perfmodel.units import human_size, human_time

if TYPE_CHECKING:
    from collections.abc import Callable

    from hbimg.perfmodel.parameters import Scenario
    from hbimg.perfmodel.simulator import System

Verdict = Literal["use hbimg", "stay with your grid engine", "throttle your grid engine"]

#: hbimg must save at least this share of the wall-clock time to be worth another system to run.
WORTHWHILE = 0.10
#: A throttle is worth advising when it frees at least this share of the resource time.
WORTH_THROTTLING = 0.10
#: Above this many jobs the simulation would keep the user waiting; the equations answer alone.
MOST_SIMULATED_JOBS = 200_000
#: Above this many the break-even length is not searched for by simulation, which takes some thirty runs.
MOST_JOBS_SEARCHED = 10_000
_LONGEST_S = 1e7
#: Throttles that are tried, as multiples of what the equations allow.
_THROTTLE_FACTORS = (1.0, 1.25, 1.5, 2.0, 3.0)
#: Differences below this share are not worth a word.
_LEVEL = 0.01
_SYSTEMS: tuple[System, ...] = ("grid", "hbimg")


@dataclass(frozen=True)
class Simulations:
    """The three ways of running, simulated with the real sizes."""

    grid: SimulationResult
    throttled_grid: SimulationResult
    hbimg: SimulationResult


@dataclass(frozen=True)
class Advice:
    """The answer. `break_even_s` is the job length from which the grid is as fast (see the function of that name).

    It is found by the equations or, where these are off and the jobs are few enough, by the simulator: `break_even_by`.

    `saved_share` is the share of the best grid's wall-clock time that hbimg saves (negative: it loses). `load_s` is the
    time to bring all input over the network once, `pays_after_runs` how many runs win that back (None: never).
    """

    verdict: Verdict
    reasons: tuple[str, ...]
    prediction: Prediction
    simulations: Simulations | None
    saved_share: float
    break_even_s: float | None
    break_even_by: Literal["equations", "simulation"]
    load_s: float
    pays_after_runs: int | None
    grid_limit: str
    hbimg_limit: str


def advise(scenario: Scenario, *, repeats: int = 3, seed: int = 0) -> Advice:
    """Advice for `scenario`, whose workload holds the user's sizes and processing time."""
    few = scenario.workload.jobs <= MOST_SIMULATED_JOBS
    tuned = _tuned(scenario, seed) if few else scenario
    prediction = predict(tuned)
    simulations = _simulations(tuned, repeats, seed) if few else None
    grid_s, hbimg_s = _wall_clocks(prediction, simulations)
    saved_s = grid_s - hbimg_s
    workload = scenario.workload
    load_s = workload.jobs * workload.input_bytes.mean() / scenario.cluster.storage_bytes_per_s
    off = simulations is not None and _far_apart(prediction, simulations)
    simulate_it = off and workload.jobs <= MOST_JOBS_SEARCHED
    advice = Advice(
        verdict=_verdict(saved_s / grid_s, _resource_times(prediction, simulations)),
        reasons=(),
        prediction=prediction,
        simulations=simulations,
        saved_share=saved_s / grid_s,
        break_even_s=simulated_break_even_s(scenario, seed) if simulate_it else break_even_s(scenario),
        break_even_by="simulation" if simulate_it else "equations",
        load_s=load_s,
        pays_after_runs=math.ceil(load_s / saved_s) if saved_s > 0 else None,
        grid_limit="the bandwidth of the shared storage" if prediction.saturated else "the number of cores",
        hbimg_limit=_hbimg_limit(scenario, prediction),
    )
    return replace(advice, reasons=tuple(_reasons(advice)))


def break_even_s(scenario: Scenario) -> float | None:
    """The shortest job length from which on hbimg saves less than 1% of the best grid's wall-clock time (equations).

    None when hbimg is ahead even for the longest jobs, 0 when it is not even for the shortest.
    """

    def behind(time_s: float) -> bool:
        prediction = predict(scenario.with_time(time_s))
        return prediction.hbimg.wall_clock_s >= (1 - _LEVEL) * _wall_clocks(prediction, None)[0]

    return _first(behind, step=1.2, precision=1.0001)


def simulated_break_even_s(scenario: Scenario, seed: int) -> float | None:
    """As `break_even_s`, by one simulated run of the unthrottled grid and of hbimg at each length, to within 5%."""

    def behind(time_s: float) -> bool:
        timed = scenario.with_time(time_s)
        grid, hbimg = (simulate(timed, system, repeats=1, seed=seed).wall_clock_s.mean for system in _SYSTEMS)
        return hbimg >= (1 - _LEVEL) * grid

    return _first(behind, step=4.0, precision=1.05)


def _first(behind: Callable[[float], bool], step: float, precision: float) -> float | None:
    """The least time (s) at which `behind` holds, looked for upwards by factors of `step`."""
    low, high = 1e-3, 1e-3
    while not behind(high):
        low, high = high, high * step
        if high > _LONGEST_S:
            return None
    if low == high:
        return 0.0
    while high / low > precision:
        middle = math.sqrt(low * high)
        low, high = (low, middle) if behind(middle) else (middle, high)
    return high


def _tuned(scenario: Scenario, seed: int) -> Scenario:
    """`scenario` with the throttle that a practised user would find, unless it has one.

    The least of some multiples of what the equations allow that costs the simulated grid at most a twentieth of its
    wall-clock time: slots that fetch together need some company to keep the network busy.
    """
    least, core = predict(scenario).throttled_grid.core, scenario.grid_core
    if scenario.scheduling.grid_throttle or least >= core:
        return scenario
    candidates = sorted({min(core, math.ceil(least * factor)) for factor in _THROTTLE_FACTORS} | {core})
    tried = [_throttled(scenario, each) for each in candidates]
    walls = [simulate(each, "grid", repeats=1, seed=seed).wall_clock_s.mean for each in tried]
    return next(each for each, wall_s in zip(tried, walls, strict=True) if wall_s <= 1.05 * min(walls))


def _throttled(scenario: Scenario, most: int) -> Scenario:
    return replace(scenario, scheduling=replace(scenario.scheduling, grid_throttle=most))


def _simulations(scenario: Scenario, repeats: int, seed: int) -> Simulations:
    grid = simulate(_throttled(scenario, 0), "grid", repeats=repeats, seed=seed)
    throttled = scenario.scheduling.grid_throttle
    return Simulations(
        grid=grid,
        throttled_grid=simulate(scenario, "grid", repeats=repeats, seed=seed) if throttled else grid,
        hbimg=simulate(scenario, "hbimg", repeats=repeats, seed=seed),
    )


def _wall_clocks(prediction: Prediction, simulations: Simulations | None) -> tuple[float, float]:
    """Wall-clock times of the best grid and of hbimg, simulated if at all possible: that knows the real sizes."""
    if simulations is None:
        grids = (prediction.grid.wall_clock_s, prediction.throttled_grid.wall_clock_s)
        return min(grids), prediction.hbimg.wall_clock_s
    grids = (simulations.grid.wall_clock_s.mean, simulations.throttled_grid.wall_clock_s.mean)
    return min(grids), simulations.hbimg.wall_clock_s.mean


def _resource_times(prediction: Prediction, simulations: Simulations | None) -> tuple[float, float]:
    """Resource times of the grid and of the throttled one, simulated if at all possible."""
    if simulations is None:
        return prediction.grid.resource_time_s, prediction.throttled_grid.resource_time_s
    return simulations.grid.resource_time_s.mean, simulations.throttled_grid.resource_time_s.mean


def _verdict(saved_share: float, resource_times_s: tuple[float, float]) -> Verdict:
    if saved_share >= WORTHWHILE:
        return "use hbimg"
    freed = 1 - resource_times_s[1] / resource_times_s[0]
    return "throttle your grid engine" if freed >= WORTH_THROTTLING else "stay with your grid engine"


def _hbimg_limit(scenario: Scenario, prediction: Prediction) -> str:
    hbimg, workload, cluster = prediction.hbimg, scenario.workload, scenario.cluster
    names = [machine.name for machine in cluster.machines]
    index = names.index(hbimg.slowest_machine)
    data_share = scenario.allocation.regions[index] / sum(scenario.allocation.regions)
    machine = cluster.machines[index]
    core_share = machine.cores * machine.speed / sum(each.cores * each.speed for each in cluster.machines)
    if data_share > 1.05 * core_share:
        return f"{machine.name}, which holds {data_share:.0%} of the data but {core_share:.0%} of the speed"
    processing_s = workload.processing_s.mean() / machine.speed
    if hbimg.rounds and hbimg.wall_clock_local_s / hbimg.rounds > 2 * processing_s:
        return "the local disks"
    return "the number of cores"


def _reasons(advice: Advice) -> list[str]:
    p = advice.prediction
    size = human_size(p.input_bytes + p.output_bytes)
    found = [
        (
            f"Jobs shorter than {human_time(p.nsrp_s)} (the NSRP) keep the shared storage saturated with {p.core}"
            f" slots; yours take {human_time(p.time_s)} and move {size}."
        )
    ]
    if p.saturated:
        fed = f"{p.allowed_core:.0f} of the {p.core} slots"
        found.append(f"The shared storage feeds {fed}; the others wait for it.")
    else:
        found.append(f"The shared storage could feed {p.allowed_core:.0f} slots, so all {p.core} work.")
    if advice.simulations is not None and _far_apart(p, advice.simulations):
        found.append(
            "The equations know mean sizes and full rounds only and are off here: trust the simulated columns."
        )
    found.append(f"The grid is limited by {advice.grid_limit}, hbimg by {advice.hbimg_limit}.")
    found.append(_break_even_words(advice))
    if abs(advice.saved_share) < _LEVEL:
        found.append("hbimg and the grid engine at its best take about equally long.")
    elif advice.saved_share > 0:
        load, runs = human_time(advice.load_s), advice.pays_after_runs
        found.append(
            f"hbimg saves {advice.saved_share:.0%} of the wall-clock time. Loading the data once takes at least {load},"
            f" which {runs} run{'s' if runs != 1 else ''} win{'' if runs != 1 else 's'} back."
        )
        if advice.saved_share < WORTHWHILE:
            found.append(f"Less than {WORTHWHILE:.0%} saved is not worth another system to run.")
    else:
        found.append(f"hbimg would take {-advice.saved_share:.0%} longer than the grid engine.")
    if advice.verdict == "throttle your grid engine":
        full_s, throttled_s = _resource_times(p, advice.simulations)
        found.append(
            f"Let the grid run at most {p.throttled_grid.core} jobs at once: it ends about as early and takes"
            f" {human_time(throttled_s)} of slots instead of {human_time(full_s)}."
        )
    return found


def _far_apart(prediction: Prediction, simulations: Simulations) -> bool:
    """Whether equations and simulation differ by more than a quarter on either system's wall-clock time."""
    pairs = (
        (prediction.grid.wall_clock_s, simulations.grid.wall_clock_s.mean),
        (prediction.hbimg.wall_clock_s, simulations.hbimg.wall_clock_s.mean),
    )
    return any(abs(math.log(closed / simulated)) > math.log(1.25) for closed, simulated in pairs)


def _break_even_words(advice: Advice) -> str:
    by, time_s = f"By the {advice.break_even_by}", advice.break_even_s
    if time_s is None:
        return f"{by} hbimg is ahead at every job length."
    if time_s == 0:
        return f"{by} the grid engine is ahead, or level, at every job length."
    return f"{by} the two are level at jobs of {human_time(time_s)}; hbimg is ahead below."
