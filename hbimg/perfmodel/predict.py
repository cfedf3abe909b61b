"""The equations put together: what a scenario's grid engine, throttled grid engine and hbimg need by the closed forms.

Owns no equation (they are in `equations`) and no simulation. Extends the paper where its numbers are not
changed: machines of different speed, memory that limits slots, a page cache, padded jobs, jobs that come over time.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hbimg.errors import ParameterError
from hbimg.perfmodel import equations

if TYPE_CHECKING:
    from hbimg.perfmodel.parameters import Machine, Scenario

#: The job lengths of the paper's experiment (section 2.3): compression of 5 s, and sleep of 10 to 115 s more.
EXPERIMENT_TIMES_S = (5.0, 15.0, 30.0, 45.0, 60.0, 75.0, 90.0, 105.0, 120.0)

#: Halvings that bring a search over all times below the rounding of a float.
_HALVINGS = 60


@dataclass(frozen=True)
class GridPrediction:
    """A grid engine on `core` slots; `wall_clock_synchronised_s` is for slots that fetch at the same moments."""

    core: int
    rounds: int
    round_s: float
    real_bandwidth_bytes_per_s: float
    wall_clock_s: float
    wall_clock_synchronised_s: float
    resource_time_s: float


@dataclass(frozen=True)
class HbimgPrediction:
    """Maps beside their data: T_wc_local and T_wc_network, weighed by gamma, the `network_share`."""

    core: int
    rounds: int
    slowest_machine: str
    network_share: float
    real_bandwidth_bytes_per_s: float
    wall_clock_local_s: float
    wall_clock_network_s: float
    wall_clock_s: float
    resource_time_s: float


@dataclass(frozen=True)
class Prediction:
    """The closed forms at one processing time; ratios are hbimg over grid, so below 1 hbimg is faster."""

    scenario: str
    time_s: float
    jobs: int
    input_bytes: float
    output_bytes: float
    bandwidth_bytes_per_s: float
    core: int
    nsrp_s: float
    allowed_core: float
    saturated: bool
    grid: GridPrediction
    throttled_grid: GridPrediction
    hbimg: HbimgPrediction
    wall_clock_ratio: float
    resource_time_ratio: float
    log10_wall_clock_ratio: float
    log10_resource_time_ratio: float


@dataclass(frozen=True)
class DiskTime:
    """Seconds one job spends on the local disk before (`read_s`) and after (`write_s`) its processing."""

    read_s: float
    write_s: float


def disk_time(scenario: Scenario, machine: Machine, held_bytes: float) -> DiskTime:
    """Disk time of a mean job of `scenario` on `machine`, which holds `held_bytes` of input.

    The paper's flow: input is read at the source and at the host, output is written at the host and at the source
    (section 2.2, all at the local disk's speed). A page cache takes the host's part when what all slots have in flight
    fits in it, and a warm one the part of the source's reading that fits; storing always reaches the disk.
    """
    workload, cluster = scenario.workload, scenario.cluster
    size_in, size_out = workload.input_bytes.mean(), workload.output_bytes.mean()
    in_flight = machine.cores * (size_in + size_out)
    host = 1 if cluster.host_io and (machine.page_cache_bytes <= 0 or in_flight > machine.page_cache_bytes) else 0
    cached = min(1.0, machine.page_cache_bytes / held_bytes) if cluster.warm_cache and held_bytes > 0 else 0.0
    return DiskTime(
        read_s=size_in / machine.disk_read_bytes_per_s * (1 - cached + host),
        write_s=size_out / machine.disk_write_bytes_per_s * (1 + host),
    )


def held_bytes(scenario: Scenario) -> list[float]:
    """Input bytes that the allocation puts on each machine."""
    workload = scenario.workload
    placed = equations.jobs_per_machine(workload.jobs, scenario.allocation.regions)
    return [jobs * workload.input_bytes.mean() for jobs in placed]


def predict(scenario: Scenario) -> Prediction:
    """The closed forms for `scenario` at the mean of its sizes and times."""
    workload = scenario.workload
    size, processing = workload.bytes_per_job, effective_processing_s(scenario)
    bandwidth, core = scenario.cluster.storage_bytes_per_s, scenario.grid_core
    grid = predict_grid(scenario, core)
    hbimg = _predict_hbimg(scenario)
    # A padded job leaves the network alone while it sleeps, as a processing one does.
    allowed = equations.allowed_core(bandwidth, max(processing, workload.pad_to_s), size)
    wall_ratio = hbimg.wall_clock_s / grid.wall_clock_s
    resource_ratio = hbimg.resource_time_s / grid.resource_time_s
    return Prediction(
        scenario=scenario.name,
        time_s=workload.processing_s.mean(),
        jobs=workload.jobs,
        input_bytes=workload.input_bytes.mean(),
        output_bytes=workload.output_bytes.mean(),
        bandwidth_bytes_per_s=bandwidth,
        core=core,
        nsrp_s=equations.nsrp_s(bandwidth, core, size) * _mean_speed(scenario),
        allowed_core=allowed,
        saturated=core > allowed,
        grid=grid,
        throttled_grid=predict_throttled_grid(scenario),
        hbimg=hbimg,
        wall_clock_ratio=wall_ratio,
        resource_time_ratio=resource_ratio,
        log10_wall_clock_ratio=math.log10(wall_ratio),
        log10_resource_time_ratio=math.log10(resource_ratio),
    )


def effective_processing_s(scenario: Scenario) -> float:
    """Processing time of a mean job on the grid, whose faster slots take more of the jobs.

    Raises ParameterError when a job has neither bytes nor time, for which no ratio exists.
    """
    workload = scenario.workload
    processing = workload.processing_s.mean() / _mean_speed(scenario)
    if processing == 0 and workload.bytes_per_job == 0 and workload.pad_to_s == 0:
        raise ParameterError(f"{scenario.name}: jobs without bytes and without time: give a size or --time")
    return processing


def _mean_speed(scenario: Scenario) -> float:
    """Speed of a mean slot; 1 for equal machines."""
    slots = scenario.slots()
    return sum(count * m.speed for count, m in zip(slots, scenario.cluster.machines, strict=True)) / sum(slots)


def predict_grid(scenario: Scenario, core: int) -> GridPrediction:
    """The grid engine with `core` slots by equations 5 to 9."""
    workload, bandwidth = scenario.workload, scenario.cluster.storage_bytes_per_s
    size, processing = workload.bytes_per_job, effective_processing_s(scenario)
    # Fewer jobs than slots leave slots empty, which congest nothing.
    busy = min(core, workload.jobs)
    real = equations.real_bandwidth(bandwidth, busy, equations.allowed_core(bandwidth, processing, size))
    real = min(real, scenario.cluster.stream_bytes_per_s)
    rounds = equations.rounds_grid(workload.jobs, core)
    work_s = max(processing, workload.pad_to_s - size / real)
    network = equations.wall_clock_network_s(rounds, size, real, work_s)
    if len({machine.speed for machine in scenario.cluster.machines}) > 1:
        network = greedy_wall_clock_s(scenario, core, size / real)
    together_s = equations.round_synchronised_s(processing, busy, size, bandwidth)
    return GridPrediction(
        core=core,
        rounds=rounds,
        round_s=size / real + work_s,
        real_bandwidth_bytes_per_s=real,
        wall_clock_s=_with_release(
            scenario, equations.wall_clock_s(network, 0.0, gamma=1.0, alpha=0), network / rounds
        ),
        wall_clock_synchronised_s=rounds * max(together_s, workload.pad_to_s),
        resource_time_s=equations.resource_time_s(workload.jobs, work_s, 1.0, size, real),
    )


def greedy_wall_clock_s(scenario: Scenario, core: int, transfer_s: float) -> float:
    """End of the last job when machines differ in speed and each slot takes the next job as soon as it is free.

    Equation 5's rounds for slots of different pace: the last of the jobs starts at the first moment by which so many
    have started, and whatever runs then runs to its end. For equal machines this is equation 5.
    """
    workload, slots, machines = scenario.workload, scenario.slots(), scenario.cluster.machines
    # The grid may have fewer slots than the machines have cores: all machines then give up the same share.
    counts = [count * core / sum(slots) for count in slots]
    works = [max(workload.processing_s.mean() / m.speed, workload.pad_to_s - transfer_s) for m in machines]
    lengths = [transfer_s + work_s for work_s in works]

    def last_end_s(time_s: float) -> float:
        return max((math.floor(time_s / length * (1 + 1e-12)) + 1) * length for length in lengths)

    def started(time_s: float) -> float:
        pairs = zip(counts, lengths, strict=True)
        return sum(count * (math.floor(time_s / length * (1 + 1e-12)) + 1) for count, length in pairs)

    low, high = 0.0, workload.jobs * max(lengths)
    if started(low) >= workload.jobs * (1 - 1e-12):
        return last_end_s(low)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if started(middle) >= workload.jobs * (1 - 1e-12) else (middle, high)
    return last_end_s(high)


def predict_throttled_grid(scenario: Scenario) -> GridPrediction:
    """The grid engine as its practised users run it: no more jobs at once than the storage feeds.

    The user's own throttle when the scenario has one; else the better of the two whole numbers beside
    #allowed_core + 1, where one round's transfers just fill the time of its processing.
    """
    core = scenario.grid_core
    if scenario.scheduling.grid_throttle:
        return predict_grid(scenario, min(core, scenario.scheduling.grid_throttle))
    processing = max(effective_processing_s(scenario), scenario.workload.pad_to_s)
    size = scenario.workload.bytes_per_job
    allowed = equations.allowed_core(scenario.cluster.storage_bytes_per_s, processing, size)
    if allowed >= core:
        return predict_grid(scenario, core)
    candidates = {min(core, math.floor(allowed) + 1), min(core, math.ceil(allowed) + 1)}
    return min(
        (predict_grid(scenario, n) for n in sorted(candidates)), key=lambda p: (p.wall_clock_s, p.resource_time_s)
    )


def _predict_hbimg(scenario: Scenario) -> HbimgPrediction:
    workload, cluster = scenario.workload, scenario.cluster
    bandwidth, gamma, slots = cluster.storage_bytes_per_s, scenario.allocation.network_share, scenario.slots()
    size, processing = workload.bytes_per_job, workload.processing_s.mean()
    allowed = equations.allowed_core(bandwidth, effective_processing_s(scenario), size)
    # Only the maps that read over the network share it: gamma of the slots at any moment.
    reading = gamma * min(sum(slots), workload.jobs)
    real = min(equations.real_bandwidth(bandwidth, reading, allowed), cluster.stream_bytes_per_s)
    placed = equations.jobs_per_machine(workload.jobs, scenario.allocation.regions)
    local, network, busy, rounds = [], [], 0.0, []
    for machine, jobs, count, held in zip(cluster.machines, placed, slots, held_bytes(scenario), strict=True):
        disk = disk_time(scenario, machine, held)
        work_s = processing / machine.speed + disk.read_s + disk.write_s
        rounds.append(equations.ceil_ratio(jobs, count))
        padding = workload.pad_to_s
        local.append(equations.wall_clock_local_s(rounds[-1], max(work_s, padding)))
        network.append(equations.wall_clock_network_s(rounds[-1], size, real, max(work_s, padding - size / real)))
        busy += equations.resource_time_s(jobs, max(work_s, padding - gamma * size / real), gamma, size, real)
    slowest = max(range(len(local)), key=local.__getitem__)
    wall = equations.wall_clock_s(max(network), max(local), gamma, alpha=1)
    return HbimgPrediction(
        core=sum(slots),
        rounds=max(rounds),
        slowest_machine=cluster.machines[slowest].name,
        network_share=gamma,
        real_bandwidth_bytes_per_s=real,
        wall_clock_local_s=max(local),
        wall_clock_network_s=max(network),
        wall_clock_s=_with_release(scenario, wall, max(local) / max(1, rounds[slowest])),
        resource_time_s=busy,
    )


def _with_release(scenario: Scenario, wall_s: float, job_s: float) -> float:
    """Jobs that come one by one cannot end before the last one has come and run."""
    return max(wall_s, scenario.workload.jobs * scenario.workload.release_interval_s + job_s)
