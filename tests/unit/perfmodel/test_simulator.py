"""What the simulator knows beyond the closed forms, each on a case small enough to work out by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hbimg.errors import ParameterError
from hbimg.perfmodel.distributions import Distribution, constant
from hbimg.perfmodel.parameters import Allocation, Cluster, Machine, Scenario, Scheduling, Workload
from hbimg.perfmodel.predict import predict
from hbimg.perfmodel.presets import preset
from hbimg.perfmodel.simulate import Estimate, estimate, first_run, simulate, t_quantile

NOTHING = constant(0.0)


def make(jobs, *, cores=(1, 1), time_s=10.0, size_in=NOTHING, size_out=NOTHING, regions=None, **scheduling):
    machines = tuple(Machine(f"m{i}", count, 100.0, 100.0) for i, count in enumerate(cores))
    cluster = Cluster(machines, 100.0, host_io=False)
    workload = Workload(jobs, size_in, size_out, time_s if isinstance(time_s, Distribution) else constant(time_s))
    allocation = Allocation(regions or (1.0,) * len(cores), 0.0)
    return Scenario("case", cluster, workload, allocation, Scheduling(**scheduling))


def test_slots_that_fetch_together_share_the_link():
    # Two slots, 100 bytes each at 100 bytes/s: 2 s of reading, 10 s, then 2 s of writing 100 bytes each.
    trace = first_run(make(2, size_in=constant(100.0), size_out=constant(100.0)), "grid")
    assert list(trace.end_s) == [14, 14]
    assert (list(trace.read_s), list(trace.compute_s), list(trace.write_s)) == ([2, 2], [10, 10], [2, 2])
    assert trace.network_busy_s == 4


def test_an_early_leaver_speeds_the_others_up():
    # 100 and 300 bytes: both at 50 bytes/s for 2 s, then 200 bytes at 100 bytes/s.
    sizes = Distribution("sample", (100.0, 300.0))
    assert list(first_run(make(2, time_s=0.0, size_in=sizes), "grid").read_s) == [2, 4]


def test_dispatch_gap_passes_before_every_job():
    scenario = make(4, grid_dispatch_gap_s=1.0, map_dispatch_gap_s=2.0)
    assert first_run(scenario, "grid").wall_clock_s == 22
    assert first_run(scenario, "hbimg").wall_clock_s == 24
    assert first_run(scenario, "grid").resource_time_s == 40


def test_padding_keeps_the_slot():
    scenario = make(4, time_s=4.0)
    padded = replace(scenario, workload=replace(scenario.workload, pad_to_s=10.0))
    trace = first_run(padded, "grid")
    assert (trace.wall_clock_s, trace.resource_time_s) == (20, 40)
    assert max(trace.compute_s) == 4


def test_throttled_grid_runs_that_many_at_once():
    trace = first_run(make(8, cores=(2, 2), grid_throttle=3), "grid")
    running = [sum(s <= t < e for s, e in zip(trace.start_s, trace.end_s, strict=True)) for t in trace.start_s]
    assert max(running) == 3
    assert trace.wall_clock_s == 30


def test_the_machine_with_most_data_decides_unless_maps_are_stolen():
    pinned = make(8, regions=(3.0, 1.0))
    assert first_run(pinned, "hbimg").wall_clock_s == 60
    stealing = replace(pinned, scheduling=Scheduling(stealing="always"))
    trace = first_run(stealing, "hbimg")
    assert trace.wall_clock_s == 40
    assert trace.network_share == 2 / 8


def test_an_idle_slot_waits_for_locality_before_it_steals():
    trace = first_run(make(8, regions=(3.0, 1.0), stealing="always", locality_delay_s=4.0), "hbimg")
    # Machine 1 is idle from 20 s, steals at 24 s, again at 38 s when one job waits: at 40 s machine 0 takes it first.
    stolen = sorted(trace.start_s[job] for job in range(8) if not trace.local[job])
    assert stolen == [24.0, 38.0]
    assert trace.wall_clock_s == 48


def test_when_faster_does_not_steal_what_would_come_later_over_the_network():
    # Fetching 10,000 bytes takes 100 s; waiting for the other machine's queue takes at most 60 s.
    big = make(8, regions=(3.0, 1.0), size_in=constant(10_000.0), stealing="when-faster")
    fast_disks = tuple(replace(m, disk_read_bytes_per_s=1e9) for m in big.cluster.machines)
    big = replace(big, cluster=replace(big.cluster, machines=fast_disks))
    assert first_run(big, "hbimg").network_share == 0
    eager = replace(big, scheduling=Scheduling(stealing="always"))
    assert first_run(eager, "hbimg").network_share > 0
    assert first_run(eager, "hbimg").wall_clock_s > first_run(big, "hbimg").wall_clock_s


def test_gamma_sends_that_share_over_the_network():
    scenario = make(40, cores=(5, 5), size_in=constant(50.0))
    remote = replace(scenario, allocation=Allocation((1.0, 1.0), 0.25))
    trace = first_run(remote, "hbimg")
    assert trace.network_share == 0.25
    assert trace.network_busy_s == pytest.approx(10 * 0.5)


def test_a_shared_disk_serves_all_tasks_of_its_machine():
    scenario = make(4, cores=(4,), time_s=1.0, size_in=constant(100.0))
    assert first_run(scenario, "hbimg").wall_clock_s == pytest.approx(4 + 1)
    alone = replace(scenario, cluster=replace(scenario.cluster, shared_disk=False))
    assert first_run(alone, "hbimg").wall_clock_s == pytest.approx(1 + 1)


def test_maps_in_the_same_rack_leave_the_core_network_alone():
    scenario = make(4, regions=(1.0, 0.0), size_in=constant(100.0), time_s=0.0, stealing="always")
    racks = replace(scenario.cluster, rack_bandwidth_bytes_per_s=1000.0)
    near = first_run(replace(scenario, cluster=racks), "hbimg")
    apart = tuple(replace(m, rack=m.name) for m in racks.machines)
    far = first_run(replace(scenario, cluster=replace(racks, machines=apart)), "hbimg")
    assert near.network_share > 0
    assert near.wall_clock_s < far.wall_clock_s


def test_stragglers_take_longer():
    trace = first_run(make(400, straggler_probability=0.25, straggler_factor=3.0), "grid")
    lengths = np.array(trace.compute_s)
    assert set(lengths.round(6)) == {10.0, 30.0}
    assert (lengths > 20).mean() == pytest.approx(0.25, abs=0.08)


@pytest.mark.parametrize("system", ["grid", "hbimg"])
def test_failed_attempts_are_run_again_and_counted(system):
    trace = first_run(make(400, failure_probability=0.25), system)
    assert trace.failed_attempts / trace.attempts == pytest.approx(0.25, abs=0.06)
    assert trace.attempts == 400 + trace.failed_attempts
    assert set(np.round(trace.compute_s, 6)) == {10.0}
    # A failed attempt costs half a job on average.
    assert trace.lost_s == pytest.approx(5 * trace.failed_attempts, rel=0.2)
    assert trace.resource_time_s == pytest.approx(4000 + trace.lost_s)


def test_a_lost_machine_s_jobs_run_elsewhere_after_it_was_noticed():
    lost = {"machine_failures": (("m0", 5.0),), "failure_detection_s": 3.0}
    grid = first_run(make(2, **lost), "grid")
    # Machine 1 ends its own job at 10 s and then takes the lost one.
    assert (grid.wall_clock_s, grid.failed_attempts, grid.resource_time_s) == (20, 1, 25)
    maps = first_run(make(4, **lost), "hbimg")
    assert maps.wall_clock_s == 40
    assert [bool(x) for x in maps.local] == [False, False, True, True]
    late = first_run(make(2, machine_failures=(("m0", 5.0),), failure_detection_s=30.0), "grid")
    assert late.wall_clock_s == 45


def test_a_lost_machine_stops_moving_bytes():
    sizes = constant(400.0)
    trace = first_run(make(2, time_s=0.0, size_in=sizes, machine_failures=(("m0", 2.0),)), "grid")
    # Together for 2 s (100 bytes each), then machine 1 alone for 3 s, then the lost job from its beginning for 4 s.
    assert trace.wall_clock_s == pytest.approx(9)


def test_no_machine_left_is_refused():
    dead = make(4, machine_failures=(("m0", 1.0), ("m1", 2.0)))
    for system in ("grid", "hbimg"):
        with pytest.raises(ParameterError, match="all machines are lost"):
            first_run(dead, system)


def test_jobs_that_come_over_time_start_as_they_come():
    scenario = make(4)
    coming = replace(scenario, workload=replace(scenario.workload, release_interval_s=7.0))
    assert sorted(first_run(coming, "grid").start_s) == [7, 14, 21, 28]
    assert first_run(coming, "hbimg").wall_clock_s >= 38
    assert len(set(first_run(coming, "hbimg").end_s)) > 1


def test_long_jobs_among_short_ones_hurt_pinned_maps_more_than_the_grid():
    mixture = Distribution("mixture", (0.8, 10.0, 0.2, 100.0))
    scenario = make(400, cores=(4,) * 10, time_s=mixture)
    pinned = simulate(scenario, "hbimg", repeats=5).wall_clock_s.mean
    stealing = replace(scenario, scheduling=Scheduling(stealing="always"))
    assert pinned > 1.1 * simulate(scenario, "grid", repeats=5).wall_clock_s.mean
    assert simulate(stealing, "hbimg", repeats=5).wall_clock_s.mean < 0.9 * pinned


def test_memory_limits_the_slots():
    scenario = make(8, cores=(4,))
    machine = replace(scenario.cluster.machines[0], memory_bytes=2.0)
    tight = replace(
        scenario,
        cluster=replace(scenario.cluster, machines=(machine,)),
        workload=replace(scenario.workload, memory_per_job_bytes=1.0),
    )
    assert first_run(tight, "grid").wall_clock_s == 40
    assert predict(tight).grid.wall_clock_s == 40


def test_one_transfer_gets_no_more_than_its_interface():
    scenario = make(2, cores=(1, 1), time_s=0.0, size_in=constant(100.0))
    machines = tuple(replace(m, network_bytes_per_s=20.0) for m in scenario.cluster.machines)
    slow = replace(scenario, cluster=replace(scenario.cluster, machines=machines))
    assert first_run(slow, "grid").wall_clock_s == pytest.approx(5)


@pytest.mark.parametrize("system", ["grid", "hbimg"])
@pytest.mark.parametrize("failures", [0.0, 0.5])
def test_jobs_that_take_no_time_end_too(system, failures):
    base = preset("bao2017-72")
    none = replace(base.workload, input_bytes=constant(0), output_bytes=constant(0), processing_s=constant(0))
    scheduling = replace(base.scheduling, failure_probability=failures)
    trace = first_run(replace(base, workload=none, scheduling=scheduling), system)
    assert trace.wall_clock_s == 0.0
    assert len(trace.end_s) == 3310


def test_seeds_and_repeats():
    scenario = preset("nfs-testbed")
    once, again, other = (simulate(scenario, "grid", repeats=4, seed=seed) for seed in (3, 3, 4))
    assert once == again
    assert once != other
    assert (
        first_run(scenario, "grid", 3).wall_clock_s == simulate(scenario, "grid", repeats=1, seed=3).wall_clock_s.mean
    )
    assert once.wall_clock_s.low < once.wall_clock_s.mean < once.wall_clock_s.high
    with pytest.raises(ParameterError, match="repeats = 0"):
        simulate(scenario, "grid", repeats=0)
    with pytest.raises(ParameterError, match="1000000000 jobs are more than"):
        simulate(replace(scenario, workload=replace(scenario.workload, jobs=10**9)), "grid")
    with pytest.raises(ParameterError, match="seed = -1"):
        simulate(scenario, "grid", seed=-1)


def test_intervals_by_student_s_t():
    # Two-sided 95% quantiles from printed tables.
    for degrees, printed in ((1, 12.706), (2, 4.303), (3, 3.182), (4, 2.776), (9, 2.262), (30, 2.042)):
        assert t_quantile(0.975, degrees) == pytest.approx(printed, rel=4e-3)
    result = estimate([1.0, 2.0, 3.0, 4.0, 5.0])
    assert (result.mean, result.high) == (3.0, pytest.approx(3 + 2.776 * (2.5 / 5) ** 0.5, rel=2e-3))
    assert estimate([7.0]) == Estimate(7.0, 7.0, 7.0)


def test_many_jobs_with_much_stealing_all_end():
    machines = tuple(Machine(f"m{i}", 12, 1e8, 1e8) for i in range(20))
    workload = Workload(20_000, constant(1e6), constant(1e6), constant(30.0))
    scheduling = Scheduling(share_unevenness=0.3, stealing="always")
    scenario = Scenario("s", Cluster(machines, 1e8), workload, Allocation((1.0,) * 19 + (5.0,)), scheduling)
    trace = first_run(scenario, "hbimg")
    assert min(trace.end_s) > 30
    assert trace.attempts == 20_000
