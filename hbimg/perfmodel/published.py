"""What was published or measured about the presets, beside what the model says: the numbers of `check --preset`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from hbimg.perfmodel import equations
from hbimg.perfmodel.check import Comparison, compare
from hbimg.perfmodel.predict import predict
from hbimg.perfmodel.presets import preset
from hbimg.perfmodel.simulate import simulate
from hbimg.perfmodel.units import GIB, MIB

if TYPE_CHECKING:
    from hbimg.perfmodel.parameters import Scenario

#: Table 2 of the 2017 paper.
NSRP_S = {"bao2017-72": 29.0, "bao2017-132": 54.0, "bao2017-209": 85.0}
#: Grid engine over NFS with jobs padded as a whole: jobs, padded to (s), bandwidth (bytes/s), wall clock and resource
#: time (s) as measured. Closed forms of the wall clock: 10.0, 10.0, 24.0 and 46.7 s.
NFS_ROWS = (
    (12, 1.0, 11.8e6, 11.2, 56.6),
    (12, 3.0, 11.8e6, 11.2, 54.6),
    (12, 12.0, 11.8e6, 26.1, 144.2),
    (28, 6.0, 5.9e6, 47.3, 288.0),
)


def check_preset(name: str, repeats: int = 20) -> list[Comparison]:
    """All that is published about the preset `name`; ConfigError when there is no such preset."""
    scenario = preset(name)
    if name in NSRP_S:
        return _bao(scenario, repeats)
    if name == "bao2017-figure4":
        return _figure4(scenario)
    if name == "nfs-testbed":
        return _nfs(scenario, repeats)
    return _gridfactory(scenario)


def _bao(scenario: Scenario, repeats: int) -> list[Comparison]:
    found = [compare("NSRP (Table 2)", "s", NSRP_S[scenario.name], predict(scenario).nsrp_s, "equation 6")]
    if scenario.name == "bao2017-209":
        share = simulate(scenario.with_time(60.0), "hbimg", repeats=min(repeats, 3)).network_share.mean
        found.append(
            compare("share of rack-local maps (section 3: almost 30%)", "", 0.30, share, "simulation, stealing")
        )
    if scenario.name == "bao2017-132":
        # The follow-on thesis: 1,876 images, 29.5 GB in, 20.57 GB out, 188 cores, 80 MB/s, saturated below 65 s.
        follow_on = equations.nsrp_s(80 * MIB, 188, (29.5 + 20.57) * GIB / 1876)
        found.append(compare("NSRP of the follow-on work, 188 cores", "s", 65.0, follow_on, "equation 6"))
    return found


def _figure4(scenario: Scenario) -> list[Comparison]:
    at_200, at_500 = predict(scenario.with_size(200 * MIB)), predict(scenario.with_size(500 * MIB))
    return [
        compare("hbimg/grid, 200 MB, 1,000 s: similar", "", 1.0, at_200.wall_clock_ratio, "equations"),
        compare("hbimg/grid wall clock, 500 MB, 1,000 s: at most", "", 0.5, at_500.wall_clock_ratio, "equations"),
        compare("hbimg/grid resource, 500 MB, 1,000 s: at most", "", 0.5, at_500.resource_time_ratio, "equations"),
    ]


def _gridfactory(scenario: Scenario) -> list[Comparison]:
    condor = preset("gridfactory-condor")
    condor_label = "Condor, 50 packages on 20 PCs (Table 1)"
    hours = condor.workload.jobs * condor.workload.processing_s.mean() / 3600
    found = [
        compare(condor_label, "min", 240.0, _grid_minutes(condor), "simulation"),
        compare("all packages one after the other on one CPU (section 2)", "h", 35.0, hours, "equation 9"),
    ]
    if scenario.name == condor.name:
        return found
    label = "GridFactory, 50 packages on 20 PCs (Table 1)"
    unhurt = _grid_minutes(replace(scenario, scheduling=replace(scenario.scheduling, machine_failures=())))
    latest = unhurt + scenario.workload.processing_s.mean() / 60
    return [
        compare(label, "min", 270.0, _grid_minutes(scenario), "simulation, last PC lost half way"),
        compare(label, "min", 270.0, unhurt, "simulation, no PC lost"),
        compare(label, "min", 270.0, latest, "simulation, last PC lost at its end"),
        *found,
    ]


def _grid_minutes(scenario: Scenario) -> float:
    return simulate(scenario, "grid", repeats=1).wall_clock_s.mean / 60


def nfs_row(jobs: int, pad_to_s: float, bandwidth_bytes_per_s: float) -> Scenario:
    """One row of our measurement as a scenario."""
    testbed = preset("nfs-testbed")
    return replace(
        testbed,
        workload=replace(testbed.workload, jobs=jobs, pad_to_s=pad_to_s),
        cluster=replace(testbed.cluster, bandwidth_bytes_per_s=bandwidth_bytes_per_s),
    )


def _nfs(scenario: Scenario, repeats: int) -> list[Comparison]:
    found = []
    for jobs, pad_to_s, bandwidth, wall_s, resource_s in NFS_ROWS:
        result = simulate(nfs_row(jobs, pad_to_s, bandwidth), "grid", repeats=repeats)
        label = f"{scenario.name}, {jobs} jobs padded to {pad_to_s:.0f} s"
        found.append(compare(f"{label}: wall clock", "s", wall_s, result.wall_clock_s.mean, "simulation"))
        found.append(compare(f"{label}: resource time", "s", resource_s, result.resource_time_s.mean, "simulation"))
    return found
