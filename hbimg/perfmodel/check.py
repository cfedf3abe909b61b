"""Prediction beside measurement: for run reports, and for what the papers and our own testbed measured."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from hbimg.errors import ConfigError
from hbimg.perfmodel.distributions import Distribution
from hbimg.perfmodel.parameters import Allocation, Scenario, Workload
from hbimg.perfmodel.predict import predict
from hbimg.perfmodel.simulate import simulate

if TYPE_CHECKING:
    from hbimg.perfmodel.report import RunReport


@dataclass(frozen=True)
class Comparison:
    """One quantity; `difference` is (predicted - measured) / measured, `source` how it was predicted."""

    quantity: str
    unit: str
    measured: float
    predicted: float
    difference: float
    source: str


def compare(quantity: str, unit: str, measured: float, predicted: float, source: str) -> Comparison:
    """A comparison with its relative difference; `measured` must not be 0."""
    return Comparison(quantity, unit, measured, predicted, (predicted - measured) / measured, source)


def check_report(report: RunReport, scenario: Scenario, repeats: int = 5) -> list[Comparison]:
    """Wall-clock and resource time of `report` beside the equations and the simulation of the same tasks.

    The cluster and scheduling are `scenario`'s; the tasks' sizes, processing times, hosts and places are the report's.
    """
    measured = scenario_of(report, scenario)
    prediction = predict(measured)
    closed = prediction.grid if report.system == "grid" else prediction.hbimg
    simulated = simulate(measured, report.system, repeats=repeats)
    rows = []
    for quantity, value in (("wall_clock_s", report.wall_clock_s), ("resource_time_s", report.resource_time_s)):
        label = f"{report.name} ({report.system}): {quantity.removesuffix('_s').replace('_', ' ')}"
        rows.append(compare(label, "s", value, getattr(closed, quantity), "equations"))
        rows.append(compare(label, "s", value, getattr(simulated, quantity).mean, "simulation"))
    return rows


def scenario_of(report: RunReport, scenario: Scenario) -> Scenario:
    """`scenario` with the workload, allocation and gamma of `report`; ConfigError for hosts it does not know."""
    tasks = sorted(report.tasks, key=lambda task: task.start_s)
    machines = {machine.name: machine for machine in scenario.cluster.machines}
    for task in tasks:
        if task.host not in machines:
            raise ConfigError(
                f"{report.source}: host {task.host!r} is no machine of {scenario.name}: use the same names"
            )
    if report.system == "hbimg":
        # A machine's queue is its own part of the list, in the order in which it ran.
        order = list(machines)
        tasks.sort(key=lambda task: order.index(task.host))
    # Whatever is neither reading nor writing counts as processing: computing, and sleep that pads the task.
    processing = [
        max(0.0, t.end_s - t.start_s - t.read_seconds - t.write_seconds) * machines[t.host].speed for t in tasks
    ]
    workload = Workload(
        jobs=len(tasks),
        input_bytes=Distribution("sample", tuple(task.input_bytes for task in tasks)),
        output_bytes=Distribution("sample", tuple(task.output_bytes for task in tasks)),
        processing_s=Distribution("sample", tuple(processing)),
        memory_per_job_bytes=scenario.workload.memory_per_job_bytes,
    )
    allocation = scenario.allocation
    if report.system == "hbimg":
        counts = Counter(task.host for task in tasks)
        allocation = Allocation(tuple(float(counts[name]) for name in machines), report.network_share)
    # The run shows where every map ran, so nothing is left to be stolen.
    scheduling = replace(scenario.scheduling, stealing="never")
    return replace(scenario, workload=workload, allocation=allocation, scheduling=scheduling)
