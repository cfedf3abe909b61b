"""The numbers that the papers print, and those that our own testbed measured, come out of the model."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hbimg.perfmodel import equations
from hbimg.perfmodel.heatmap import heatmap
from hbimg.perfmodel.predict import predict
from hbimg.perfmodel.presets import bao2017_72, bao2017_132, bao2017_209, bao2017_figure4, preset
from hbimg.perfmodel.published import NFS_ROWS, check_preset, nfs_row
from hbimg.perfmodel.readings import figure4_layout, readings
from hbimg.perfmodel.simulate import first_run, simulate
from hbimg.perfmodel.units import GIB, MIB


@pytest.mark.parametrize(
    ("name", "printed_s", "exact_s"),
    [("bao2017-72", 29, 29.34), ("bao2017-132", 54, 53.79), ("bao2017-209", 85, 85.16)],
)
def test_release_points_of_table_2(name, printed_s, exact_s):
    nsrp_s = predict(preset(name)).nsrp_s
    assert round(nsrp_s) == printed_s
    assert nsrp_s == pytest.approx(exact_s, abs=0.01)


def test_release_point_of_the_follow_on_work():
    # 1,876 images, 29.5 GB in, 20.57 GB out, 188 cores, 80 MB/s: "saturation below 65 s".
    assert equations.nsrp_s(80 * MIB, 188, (29.5 + 20.57) * GIB / 1876) == pytest.approx(65, rel=0.02)


@pytest.mark.parametrize(("name", "cores"), [("bao2017-72", 72), ("bao2017-132", 132), ("bao2017-209", 209)])
def test_grid_is_flat_up_to_the_release_point_and_rises_with_the_job_after_it(name, cores):
    scenario = preset(name)
    nsrp_s = predict(scenario).nsrp_s
    rounds = -(-3310 // cores)
    plateau = [predict(scenario.with_time(t)).grid.wall_clock_s for t in (0.0, 5.0, nsrp_s / 2, nsrp_s * 0.98)]
    size, bandwidth = scenario.workload.bytes_per_job, 70 * MIB
    assert plateau == pytest.approx([rounds * cores * size / bandwidth] * 4)
    beyond = predict(scenario.with_time(nsrp_s + 50)).grid
    assert beyond.wall_clock_s == pytest.approx(rounds * (nsrp_s + 50 + size / bandwidth))
    assert beyond.real_bandwidth_bytes_per_s == bandwidth


def test_more_cores_saturate_for_longer_at_nearly_the_same_plateau():
    plateaus = [predict(make().with_time(5.0)).grid.wall_clock_s for make in (bao2017_72, bao2017_132, bao2017_209)]
    assert max(plateaus) / min(plateaus) < 1.05


def test_132_core_layout_loses_to_the_grid_at_long_jobs_for_its_one_region_more():
    short, long_jobs = predict(bao2017_132().with_time(15.0)), predict(bao2017_132().with_time(120.0))
    assert short.wall_clock_ratio < 0.5
    assert long_jobs.wall_clock_ratio == pytest.approx(33 / 26, rel=0.01)
    assert (long_jobs.hbimg.rounds, long_jobs.grid.rounds) == (33, 26)
    assert long_jobs.hbimg.slowest_machine == "node-11"


def test_resource_time_of_hadoop_falls_on_the_ideal_line_before_the_grid_does():
    for make in (bao2017_72, bao2017_132):
        prediction = predict(make().with_time(15.0))
        ideal_s = 3310 * 15.0
        assert prediction.hbimg.resource_time_s == pytest.approx(ideal_s, rel=0.06)
        assert prediction.grid.resource_time_s > 1.8 * ideal_s


def test_209_cores_send_almost_a_third_of_the_maps_over_the_network_and_end_earlier_than_the_equations_say():
    scenario = bao2017_209().with_time(60.0)
    result = simulate(scenario, "hbimg", repeats=1)
    assert result.network_share.mean == pytest.approx(0.30, abs=0.04)
    assert result.wall_clock_s.mean < 0.5 * predict(scenario).hbimg.wall_clock_s


def test_figure_4_claims():
    figure4 = bao2017_figure4()
    assert predict(figure4.with_size(200 * MIB)).wall_clock_ratio == pytest.approx(1.0, abs=0.01)
    for size in (500, 700, 1000, 2000):
        prediction = predict(figure4.with_size(size * MIB))
        assert prediction.wall_clock_ratio < 0.5
        assert prediction.resource_time_ratio < 0.5
    long_jobs = predict(figure4.with_size(1000 * MIB).with_time(6000.0))
    assert long_jobs.resource_time_ratio == pytest.approx(1.0, abs=0.01)


def test_figure_4_layouts_are_worse_the_less_balanced_they_are():
    balanced, as_72, as_209 = (
        heatmap(each) for each in (bao2017_figure4(), figure4_layout(bao2017_72()), figure4_layout(bao2017_209()))
    )
    for row in range(len(balanced.sizes_bytes)):
        for column in range(len(balanced.times_s)):
            ratios = [each.log10_wall_clock_ratio[row][column] for each in (balanced, as_72, as_209)]
            assert ratios == sorted(ratios)
    assert as_209.log10_wall_clock_ratio[0][-1] > 0.5


def test_400_jobs_at_once_needs_input_only():
    found = next(r for r in readings("bao2017-72") if r.about.startswith("allowed_core"))
    assert found.taken_value == pytest.approx(294, abs=1)
    assert found.other_value == pytest.approx(384, abs=1)


def test_table_2_adds_up_to_221_cores():
    scenario = bao2017_209()
    assert (scenario.cluster.core, scenario.grid_core, len(scenario.cluster.machines)) == (221, 209, 21)
    assert sum(scenario.allocation.regions) == 43
    first = readings("bao2017-209")[0]
    assert (round(first.taken_value, 1), round(first.other_value, 1)) == (85.2, 90.1)


def test_gridfactory_table_1():
    condor = simulate(preset("gridfactory-condor"), "grid", repeats=1).wall_clock_s.mean / 60
    assert condor == pytest.approx(240, rel=0.02)
    lost_pc = simulate(preset("gridfactory"), "grid", repeats=1)
    assert lost_pc.wall_clock_s.mean / 60 == pytest.approx(270, rel=0.02)
    assert lost_pc.failed_attempts.mean == 1
    # 35 h one after the other, and a pool that is never full ("at least one node was idle").
    assert 50 * preset("gridfactory-condor").workload.processing_s.mean() / 3600 == pytest.approx(35)
    trace = first_run(preset("gridfactory-condor"), "grid")
    running = [sum(s <= t < e for s, e in zip(trace.start_s, trace.end_s, strict=True)) for t in trace.start_s]
    assert max(running) < 20


def test_the_remote_cluster_of_gridfactory_is_explained_by_its_link():
    _, remote = readings("gridfactory")
    assert remote.taken_value == pytest.approx(537, rel=0.01)
    assert remote.other_value == pytest.approx(243, rel=0.01)
    assert "0.68 MB/s" in remote.taken


@pytest.mark.parametrize(("jobs", "pad_to_s", "bandwidth", "wall_s", "resource_s"), NFS_ROWS)
def test_every_measured_row_within_5_percent(jobs, pad_to_s, bandwidth, wall_s, resource_s):
    result = simulate(nfs_row(jobs, pad_to_s, bandwidth), "grid", repeats=40)
    assert result.wall_clock_s.mean == pytest.approx(wall_s, rel=0.05)
    assert result.resource_time_s.mean == pytest.approx(resource_s, rel=0.05)


def test_measured_spread_of_the_transfers():
    # 28 jobs on 50 Mbit/s: "gets took 4.8 to 14.3 s".
    traces = [first_run(nfs_row(28, 6.0, 5.9e6), "grid", seed) for seed in range(20)]
    shortest = sum(min(t.read_s) for t in traces) / 20
    longest = sum(max(t.read_s) for t in traces) / 20
    assert shortest == pytest.approx(4.8, rel=0.15)
    assert longest == pytest.approx(14.3, rel=0.15)


@pytest.mark.parametrize("time_s", [3.0, 12.0])
def test_jobs_that_fetch_together_take_30_to_38_percent_longer_than_the_closed_form(time_s):
    row = nfs_row(12, 0.0, 11.8e6)
    scenario = replace(row, workload=row.workload.with_time(time_s))
    excess = simulate(scenario, "grid", repeats=40).wall_clock_s.mean / predict(scenario).grid.wall_clock_s - 1
    assert 0.28 < excess < 0.40


@pytest.mark.parametrize("name", ["bao2017-72", "bao2017-132", "bao2017-209", "gridfactory", "nfs-testbed"])
def test_check_shows_nothing_far_off_what_was_published(name):
    rows = check_preset(name, repeats=10)
    assert rows
    assert all(abs(row.difference) < 0.11 for row in rows), rows
