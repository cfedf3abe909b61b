"""The closed forms put together: extensions of the paper, readings, heatmaps and figures' numbers."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hbimg.errors import ConfigError, ExportError, ParameterError
from hbimg.perfmodel import equations, figure_data, figures
from hbimg.perfmodel.distributions import constant
from hbimg.perfmodel.heatmap import heatmap
from hbimg.perfmodel.parameters import Allocation, Cluster, Machine, Scenario, Scheduling, Workload
from hbimg.perfmodel.predict import predict
from hbimg.perfmodel.presets import PRESETS, bao2017_72, preset
from hbimg.perfmodel.published import nfs_row
from hbimg.perfmodel.readings import readings
from hbimg.perfmodel.simulate import first_run
from hbimg.perfmodel.whole_files import write_whole


def small(**workload):
    machines = (Machine("a", 2, 100.0, 50.0), Machine("b", 2, 100.0, 50.0))
    settings = {
        "jobs": 40,
        "input_bytes": constant(200.0),
        "output_bytes": constant(100.0),
        "processing_s": constant(10.0),
    }
    return Scenario("s", Cluster(machines, 100.0), Workload(**{**settings, **workload}), Allocation((1.0, 1.0), 0.0))


def test_by_hand():
    # 300 bytes at 100 bytes/s: 3 s a transfer, NSRP 4 * 3 = 12 s; at 10 s, 3.33 cores are fed.
    prediction = predict(small())
    assert prediction.nsrp_s == 12
    assert prediction.allowed_core == pytest.approx(10 / 3)
    assert prediction.saturated
    # Allowed comes within one core of the four, so equation 8 gives B: 10 rounds of 13 s.
    assert prediction.grid.wall_clock_s == 130
    # Disk: read 2 s twice, write 2 s twice: 18 s a map, 10 rounds.
    assert prediction.hbimg.wall_clock_s == 180
    assert prediction.hbimg.resource_time_s == 40 * 18
    # At 5 s the plateau: 10 rounds of 12 s, each job at B / (4 - 5/3).
    short = predict(small(processing_s=constant(5.0))).grid
    assert short.wall_clock_s == pytest.approx(120)
    assert short.real_bandwidth_bytes_per_s == pytest.approx(100 / (4 - 5 / 3))
    assert short.wall_clock_synchronised_s == 10 * 17


def test_host_io_and_page_cache_take_disk_time_away():
    scenario = small()
    once = replace(scenario, cluster=replace(scenario.cluster, host_io=False))
    assert predict(once).hbimg.wall_clock_s == 10 * 14
    cached = tuple(replace(m, page_cache_bytes=1e4) for m in scenario.cluster.machines)
    cluster = replace(scenario.cluster, machines=cached)
    assert predict(replace(scenario, cluster=cluster)).hbimg.wall_clock_s == 10 * 14  # the host's part stays in memory
    warm = replace(scenario, cluster=replace(cluster, warm_cache=True))
    assert predict(warm).hbimg.wall_clock_s == 10 * 12  # and 20 jobs of 200 bytes are read from memory
    half = tuple(replace(m, page_cache_bytes=2e3) for m in scenario.cluster.machines)
    half_warm = replace(scenario, cluster=replace(cluster, machines=half, warm_cache=True))
    assert predict(half_warm).hbimg.wall_clock_s == pytest.approx(10 * 13)
    assert first_run(half_warm, "hbimg").resource_time_s >= 40 * 13 - 1e-6


def test_slow_machines_hold_the_grid_up_as_the_simulator_says():
    scenario = small(input_bytes=constant(0.0), output_bytes=constant(0.0), jobs=31)
    slow = (scenario.cluster.machines[0], replace(scenario.cluster.machines[1], speed=0.3))
    uneven = replace(scenario, cluster=replace(scenario.cluster, machines=slow))
    assert predict(uneven).grid.wall_clock_s == pytest.approx(first_run(uneven, "grid").wall_clock_s)


def test_at_the_release_point_the_storage_feeds_all_slots_on_unlike_machines_too():
    slow = (small().cluster.machines[0], replace(small().cluster.machines[1], speed=0.5))
    uneven = replace(small(), cluster=replace(small().cluster, machines=slow))
    nsrp_s = predict(uneven).nsrp_s
    assert nsrp_s == 12 * 0.75  # a job takes longer on the slow machine, so shorter ones release the storage
    assert predict(uneven.with_time(nsrp_s)).allowed_core == pytest.approx(4)


def test_throttled_grid_has_the_same_wall_clock_for_a_fraction_of_the_slots():
    prediction = predict(bao2017_72().with_time(5.0))
    assert prediction.throttled_grid.core == 14
    assert prediction.throttled_grid.wall_clock_s == pytest.approx(prediction.grid.wall_clock_s, rel=0.01)
    assert prediction.throttled_grid.resource_time_s < 0.25 * prediction.grid.resource_time_s
    own = replace(bao2017_72(), scheduling=Scheduling(grid_throttle=30))
    assert predict(own).throttled_grid.core == 30
    assert predict(bao2017_72().with_time(60.0)).throttled_grid.core == 72


@pytest.mark.parametrize(("row", "wall_s"), [((12, 1.0), 11.66), ((12, 12.0), 24.0), ((28, 6.0), 46.65)])
def test_padded_jobs(row, wall_s):
    bandwidth = 5.9e6 if row[0] == 28 else 11.8e6
    assert predict(nfs_row(*row, bandwidth)).grid.wall_clock_s == pytest.approx(wall_s, abs=0.01)


def test_jobs_that_come_over_time_end_after_the_last_has_come():
    assert predict(preset("gridfactory-condor")).grid.wall_clock_s == pytest.approx((200 + 42) * 60, rel=0.01)


def test_fewer_jobs_than_slots_congest_less():
    few = predict(small(jobs=2, processing_s=constant(1.0)))
    assert few.grid.wall_clock_s == pytest.approx(2 * 3)


def test_nothing_to_do_is_refused():
    empty = small(input_bytes=constant(0.0), output_bytes=constant(0.0), processing_s=constant(0.0))
    with pytest.raises(ParameterError, match="without bytes and without time"):
        predict(empty)


def test_rounding_errors_do_not_add_a_round():
    assert equations.ceil_ratio(0.1 + 0.2, 0.3) == 1
    assert equations.ceil_ratio(3310, 209) == 16
    assert equations.jobs_per_machine(10, [1, 3]) == [2.5, 7.5]


@pytest.mark.parametrize("name", PRESETS)
def test_readings_show_two_different_numbers(name):
    found = readings(name)
    assert bool(found) == (name.startswith("bao2017") or name == "gridfactory")
    assert all(r.taken_value != pytest.approx(r.other_value, rel=1e-4) for r in found)


def test_heatmap_is_predict_at_each_point():
    scenario = preset("bao2017-figure4")
    sizes, times = (1e8, 5e8), (10.0, 1000.0, 5000.0)
    result = heatmap(scenario, sizes, times)
    for i, size in enumerate(sizes):
        for j, time_s in enumerate(times):
            expected = predict(scenario.with_size(size).with_time(time_s))
            assert result.log10_wall_clock_ratio[i][j] == expected.log10_wall_clock_ratio
            assert result.log10_resource_time_ratio[i][j] == expected.log10_resource_time_ratio
    with pytest.raises(ParameterError, match="processing time of the heatmap"):
        heatmap(scenario, sizes, (float("nan"),))


def test_figure_3_numbers():
    curves = figure_data.figure3_curves(figure_data.figure3_scenarios(), repeats=1, simulated_jobs=0)
    assert [(c.system, c.core) for c in curves] == [
        ("grid", 72), ("hbimg", 72), ("grid", 132), ("hbimg", 132), ("grid", 209), ("hbimg", 221),
    ]  # fmt: skip
    assert [round(c.nsrp_s) for c in curves[::2]] == [29, 54, 85]
    for curve in curves[::2]:
        flat = [w for t, w in zip(curve.times_s, curve.wall_clock_s, strict=True) if t < curve.nsrp_s - 1]
        assert max(flat) == pytest.approx(min(flat))
        rising = [w for t, w in zip(curve.times_s, curve.wall_clock_s, strict=True) if t > curve.nsrp_s]
        assert rising == sorted(rising)
        assert rising[-1] > 1.3 * flat[0]


def test_figures_are_drawn_whole_for_the_paper_and_for_one_s_own_cluster(tmp_path):
    panels = figure_data.own_panels(small(), points=6)
    written = figures.draw_figure4(panels, "mine", tmp_path / "four")
    written += figures.draw_figure3(figure_data.figure3_curves([small()], repeats=2), "mine", tmp_path / "three")
    assert sorted(p.name for p in written) == ["four.png", "four.svg", "three.png", "three.svg"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["four.png", "four.svg", "three.png", "three.svg"]
    assert (tmp_path / "four.png").read_bytes().startswith(b"\x89PNG")
    svg = (tmp_path / "four.svg").read_text()
    assert "<svg" in svg
    assert svg.count("axes_") >= 4


def test_figures_without_matplotlib_or_without_a_place(tmp_path, monkeypatch):
    panels = figure_data.own_panels(small(), points=3)
    with pytest.raises(ExportError, match=r"cannot write .*No such file or directory"):
        figures.draw_figure4(panels, "mine", tmp_path / "nowhere" / "four")
    (tmp_path / "file").write_text("")
    with pytest.raises(ExportError, match=r"cannot write .*Not a directory"):
        write_whole(tmp_path / "file" / "four", b"x")
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.figure", None)
    with pytest.raises(ConfigError, match=r"pip install 'hbimg\[plots\]'"):
        figures.draw_figure4(panels, "mine", tmp_path / "four")
