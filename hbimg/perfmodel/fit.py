"""Parameters estimated from reports of real runs, each with a 95% interval, and a scenario with them put in.

What is estimated: the bandwidth (bytes per second while anything moved over the network), how unevenly transfers share
it, the disk speeds (while a host only read, or only wrote), the dispatch gap (between two tasks on one slot) and gamma.
What the reports cannot tell is left out of the answer, never guessed.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Any

import numpy as np

from hbimg.errors import ConfigError
from hbimg.perfmodel.flows import Floats, Flow, Transfer, block_speeds, flow_of
from hbimg.perfmodel.simulate import Estimate, estimate

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hbimg.perfmodel.parameters import Scenario
    from hbimg.perfmodel.report import RunReport, TaskRecord

#: Normal quantile of a 95% interval.
_Z = 1.959964
_RESAMPLES = 400
#: Fewer values than this say too little for an interval.
_FEWEST = 3
#: Transfers under way on average, from which on unevenness shows.
_COMPANY = 3.0


#: Estimates of a host's disk speed from its transfers of one kind and those of the other.
_Speeds = Callable[[Sequence[Transfer], Sequence[Transfer]], list[float]]


@dataclass(frozen=True)
class Fitted:
    """One parameter, named as in the scenario's dataclasses, and what it was estimated from."""

    parameter: str
    unit: str
    estimate: Estimate
    basis: str


def fit(reports: Sequence[RunReport], *, host_io: bool = True, shared_disk: bool = True) -> list[Fitted]:
    """All that `reports` tell; ConfigError when that is nothing.

    `host_io` says whether a map's data also passes a temporary place on the host's disk (see `parameters.Cluster`), in
    which case the disk moves every byte twice. With `shared_disk` the speed is what a host's tasks get together, else
    what each gets.
    """
    found: list[Fitted] = []
    grid = [report for report in reports if report.system == "grid"]
    maps = [report for report in reports if report.system == "hbimg"]
    # A remote map's reading includes its disk, so maps tell of the network only when no grid run does.
    found += _network(grid or maps)
    found += _disks(maps, 2 if host_io else 1, _speeds_alone if shared_disk else _speeds_each)
    found += _gap(grid, "grid_dispatch_gap_s")
    found += _gap(maps, "map_dispatch_gap_s")
    found += _gamma(maps)
    if not found:
        raise ConfigError("the reports have too few tasks with transfers to fit anything: give longer runs")
    return found


def _transfers(tasks: Iterable[TaskRecord], *, reading: bool = True, writing: bool = True) -> list[Transfer]:
    found = []
    for task in tasks:
        if reading and task.input_bytes > 0 and task.read_seconds > 0:
            found.append(Transfer(task.start_s, task.start_s + task.read_seconds, task.input_bytes))
        if writing and task.output_bytes > 0 and task.write_seconds > 0:
            begin = task.write_start_s
            found.append(Transfer(begin, begin + task.write_seconds, task.output_bytes))
    return found


def _network(reports: Sequence[RunReport]) -> list[Fitted]:
    speeds, unevenness, count = [], [], 0
    for report in reports:
        transfers = _transfers(task for task in report.tasks if not task.local)
        if len(transfers) < _FEWEST:
            continue
        count += len(transfers)
        flow = flow_of(transfers)
        speeds += block_speeds(flow, flow.active > 0).tolist()
        unevenness += _log_shares(transfers, flow)
    if not speeds:
        return []
    basis = f"{count} transfers over the network, while anything moved"
    found = [Fitted("bandwidth_bytes_per_s", "bytes/s", estimate(speeds), basis)]
    if len(unevenness) >= _FEWEST:
        basis = f"{len(unevenness)} transfers against an even share"
        found.append(
            Fitted("share_unevenness", "", _bootstrap(np.array(unevenness), lambda v: np.std(v, axis=-1)), basis)
        )
    return found


def _log_shares(transfers: Sequence[Transfer], flow: Flow) -> list[float]:
    """Logarithms whose spread is that of the weights: of what each transfer moved over its even share.

    One of n transfers is part of its own standard of comparison, which narrows the spread by (n - 1)/n; those with
    little company tell next to nothing and are left out.
    """
    fair, company = flow.fair_bytes(transfers), flow.mean_active(transfers)
    return [
        math.log(t.size_bytes / even) * math.sqrt(n / (n - 1))
        for t, even, n in zip(transfers, fair, company, strict=True)
        if n >= _COMPANY and even > 0
    ]


def _disks(reports: Sequence[RunReport], passes: int, speeds_of: _Speeds) -> list[Fitted]:
    """Speeds of reading and of writing by `speeds_of` (transfers of the one kind, of the other) on each host."""
    found = []
    for name, reading in (("disk_read_bytes_per_s", True), ("disk_write_bytes_per_s", False)):
        speeds, count = [], 0
        for tasks in _by_host(reports):
            local = [task for task in tasks if task.local]
            mine = _transfers(local, reading=reading, writing=not reading)
            others = _transfers(local, reading=not reading, writing=reading)
            if len(mine) >= _FEWEST:
                count += len(mine)
                speeds += speeds_of(mine, others)
        if len(speeds) >= _FEWEST:
            scaled = [speed * passes for speed in speeds]
            basis = f"{count} local transfers, {passes} pass(es) of the disk"
            found.append(Fitted(name, "bytes/s", estimate(scaled), basis))
    return found


def _speeds_each(mine: Sequence[Transfer], _others: Sequence[Transfer]) -> list[float]:
    """Speed per transfer, over all of a host's."""
    return [sum(t.size_bytes for t in mine) / sum(t.end_s - t.start_s for t in mine)]


def _speeds_alone(mine: Sequence[Transfer], others: Sequence[Transfer]) -> list[float]:
    """Speeds of `mine` by block of time, where none of `others` was under way if there is such time."""
    marks = [Transfer(t.start_s, t.end_s, 0.0) for t in others]
    flow = flow_of([*mine, *marks])
    moving = flow_of([*([Transfer(t.start_s, t.end_s, 0.0) for t in mine]), *others])
    busy = flow.rates_bytes_per_s > 1e-9 * flow.rates_bytes_per_s.max()
    alone = busy & (moving.rates_bytes_per_s <= 1e-9 * max(1.0, moving.rates_bytes_per_s.max()))
    wanted = alone if flow.lengths_s[alone].sum() > 0.05 * flow.lengths_s[busy].sum() else busy
    return list(block_speeds(flow, wanted, blocks=4))


def _by_host(reports: Sequence[RunReport]) -> list[list[TaskRecord]]:
    hosts: dict[tuple[int, str], list[TaskRecord]] = defaultdict(list)
    for number, report in enumerate(reports):
        for task in report.tasks:
            hosts[number, task.host].append(task)
    return list(hosts.values())


def _gap(reports: Sequence[RunReport], name: str) -> list[Fitted]:
    gaps = [gap for tasks in _by_host(reports) for gap in _gaps(tasks)]
    if len(gaps) < _FEWEST:
        return []
    basis = f"{len(gaps)} pairs of tasks on one slot, median"
    return [Fitted(name, "s", _bootstrap(np.array(gaps), lambda v: np.median(v, axis=-1)), basis)]


def _gaps(tasks: Sequence[TaskRecord]) -> list[float]:
    """Idle times between tasks that followed one another on a slot of one host.

    A task that began before the one ahead of it on its slot had ended, because its data was fetched meanwhile, waited
    for nothing: its gap is 0.
    """
    gaps: list[float] = []
    ended_s: dict[str, float] = {}
    unnamed: list[float] = []
    for task in sorted(tasks, key=lambda task: task.end_s if task.slot else task.start_s):
        if task.slot:
            if task.slot in ended_s:
                gaps.append(max(0.0, task.start_s - ended_s[task.slot]))
            ended_s[task.slot] = task.end_s
            continue
        if unnamed and unnamed[0] <= task.start_s:
            gaps.append(task.start_s - heappop(unnamed))
        heappush(unnamed, task.end_s)
    return gaps


def _gamma(reports: Sequence[RunReport]) -> list[Fitted]:
    count = sum(len(report.tasks) for report in reports)
    if count == 0:
        return []
    remote = sum(not task.local for report in reports for task in report.tasks)
    return [Fitted("network_share", "", wilson(remote, count), f"{remote} of {count} maps read over the network")]


def wilson(successes: int, trials: int) -> Estimate:
    """A share and its 95% interval after Wilson (1927), which holds for shares near 0 too."""
    share = successes / trials
    denominator = 1 + _Z**2 / trials
    centre = (share + _Z**2 / (2 * trials)) / denominator
    half = _Z * math.sqrt(share * (1 - share) / trials + _Z**2 / (4 * trials**2)) / denominator
    return Estimate(share, max(0.0, min(share, centre - half)), min(1.0, max(share, centre + half)))


def _bootstrap(values: Floats, statistic: Callable[[Floats], Floats]) -> Estimate:
    """`statistic` of `values` and its percentile interval over seeded resamples."""
    rng = np.random.default_rng(0)
    resampled = statistic(rng.choice(values, size=(_RESAMPLES, len(values))))
    low, high = np.quantile(resampled, [0.025, 0.975])
    return Estimate(float(statistic(values)), float(low), float(high))


def with_fitted(scenario: Scenario, fitted: Sequence[Fitted]) -> Scenario:
    """`scenario` with the means of `fitted` put in."""
    means: dict[str, Any] = {each.parameter: each.estimate.mean for each in fitted}
    disks = _of(means, "disk_read_bytes_per_s", "disk_write_bytes_per_s")
    machines = tuple(replace(machine, **disks) for machine in scenario.cluster.machines)
    cluster = replace(scenario.cluster, machines=machines)
    if "bandwidth_bytes_per_s" in means:
        cluster = replace(cluster, bandwidth_bytes_per_s=means["bandwidth_bytes_per_s"])
    learned = _of(means, "share_unevenness", "grid_dispatch_gap_s", "map_dispatch_gap_s")
    scheduling = replace(scenario.scheduling, **learned)
    allocation = scenario.allocation
    if "network_share" in means:
        allocation = replace(allocation, network_share=means["network_share"])
    return replace(scenario, cluster=cluster, scheduling=scheduling, allocation=allocation)


def _of(means: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: means[name] for name in names if name in means}
