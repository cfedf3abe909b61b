"""Fit finds the parameters a run was made with, check sets prediction beside it, and bad reports are refused."""

from __future__ import annotations

import json
import os
from dataclasses import replace

import pytest

from hbimg.errors import ConfigError
from hbimg.perfmodel import probe as probing
from hbimg.perfmodel.check import check_report, scenario_of
from hbimg.perfmodel.distributions import Distribution, constant
from hbimg.perfmodel.fit import fit, wilson, with_fitted
from hbimg.perfmodel.flows import Transfer, block_speeds, flow_of
from hbimg.perfmodel.parameters import Allocation, Cluster, Machine, Scenario, Scheduling, Workload
from hbimg.perfmodel.report import RunReport, TaskRecord, dump_report, load_report, parse_report, report_of_trace
from hbimg.perfmodel.simulate import first_run

TASK = {
    "host": "m0", "start_s": 0.0, "end_s": 10.0, "read_seconds": 2.0, "compute_seconds": 6.0, "write_seconds": 1.0,
    "input_bytes": 200.0, "output_bytes": 100.0, "local": True,
}  # fmt: skip


def cluster_run(system, *, shared_disk=True, time_s=4.0):
    """A scenario with every fitted parameter known, and a report of a run of it."""
    machines = tuple(Machine(f"m{i}", 3, 120e6, 60e6) for i in range(4))
    cluster = Cluster(machines, 90e6, shared_disk=shared_disk)
    workload = Workload(300, Distribution("uniform", (10e6, 50e6)), constant(10e6), constant(time_s))
    scheduling = Scheduling(grid_dispatch_gap_s=1.5, map_dispatch_gap_s=2.5, share_unevenness=0.3)
    scenario = Scenario("known", cluster, workload, Allocation((1.0,) * 4, 0.1), scheduling)
    return scenario, report_of_trace(scenario, system, first_run(scenario, system))


@pytest.mark.parametrize("shared_disk", [True, False])
def test_fit_finds_what_a_run_was_made_with(shared_disk):
    _, grid = cluster_run("grid", shared_disk=shared_disk)
    _, maps = cluster_run("hbimg", shared_disk=shared_disk)
    found = {each.parameter: each.estimate for each in fit([grid, maps], shared_disk=shared_disk)}
    truth = {
        "bandwidth_bytes_per_s": 90e6, "share_unevenness": 0.3, "disk_read_bytes_per_s": 120e6,
        "disk_write_bytes_per_s": 60e6, "grid_dispatch_gap_s": 1.5, "map_dispatch_gap_s": 2.5, "network_share": 0.1,
    }  # fmt: skip
    assert set(found) == set(truth)
    allowed = {"share_unevenness": 0.2, "disk_read_bytes_per_s": 0.1, "disk_write_bytes_per_s": 0.1}
    for name, value in truth.items():
        assert found[name].mean == pytest.approx(value, rel=allowed.get(name, 0.01)), name
        assert found[name].low <= found[name].mean <= found[name].high
    assert found["bandwidth_bytes_per_s"].low <= 90e6 * (1 + 1e-9)


def test_a_fitted_cluster_predicts_a_run_it_has_not_seen():
    guess, grid = cluster_run("grid")
    _, maps = cluster_run("hbimg")
    wrong_disks = tuple(
        replace(m, disk_read_bytes_per_s=1e9, disk_write_bytes_per_s=1e9) for m in guess.cluster.machines
    )
    wrong = replace(
        guess,
        cluster=replace(guess.cluster, machines=wrong_disks, bandwidth_bytes_per_s=1e9),
        scheduling=Scheduling(),
    )
    fitted = with_fitted(wrong, fit([grid, maps]))
    for system in ("grid", "hbimg"):
        _, unseen = cluster_run(system, time_s=3.0)
        simulated = [row for row in check_report(unseen, fitted, repeats=3) if row.source == "simulation"]
        assert all(abs(row.difference) < 0.05 for row in simulated), simulated
        blind = [row for row in check_report(unseen, wrong, repeats=3) if row.source == "simulation"]
        assert max(abs(row.difference) for row in blind) > 0.2


def test_check_takes_sizes_places_and_padding_from_the_report():
    scenario, _ = cluster_run("hbimg")
    tasks = [{**TASK, "local": False}, {**TASK, "host": "m2", "start_s": 1.0, "end_s": 31.0}]
    report = parse_report({"system": "hbimg", "tasks": tasks}, "r.json")
    measured = scenario_of(report, scenario)
    assert measured.workload.jobs == 2
    assert measured.workload.processing_s.parameters == (7.0, 27.0)  # computing and the sleep that pads
    assert measured.allocation == Allocation((1.0, 0.0, 1.0, 0.0), 0.5)
    assert report.wall_clock_s == 31
    with pytest.raises(ConfigError, match="host 'm9' is no machine of known"):
        scenario_of(parse_report({"system": "grid", "tasks": [{**TASK, "host": "m9"}]}, "r.json"), scenario)


def test_reports_come_back_and_may_carry_more(tmp_path):
    _, report = cluster_run("grid")
    document = json.loads(dump_report(report))
    document["locality"] = {"data_local": 7}
    document["tasks"][0]["attempt"] = 2
    path = tmp_path / "run.json"
    path.write_text(json.dumps(document))
    again = load_report(path)
    assert again.tasks == report.tasks
    assert (again.name, again.wall_clock_s) == (report.name, report.wall_clock_s)


BAD_REPORTS = [
    ([], "is no run report"),
    ({"system": "grid"}, "needs a list of tasks"),
    ({"system": "spark", "tasks": [TASK]}, "system = 'spark'"),
    ({"system": "grid", "tasks": []}, "has no tasks"),
    ({"system": "grid", "tasks": [3]}, "task 1 is no object"),
    ({"system": "grid", "tasks": [TASK, {**TASK, "local": "yes"}]}, "task 2 needs host"),
    (
        {"system": "grid", "tasks": [{k: v for k, v in TASK.items() if k != "read_seconds"}]},
        "task 1: read_seconds = None",
    ),
    ({"system": "grid", "tasks": [{**TASK, "input_bytes": float("nan")}]}, "input_bytes = nan"),
    ({"system": "grid", "tasks": [{**TASK, "input_bytes": 10**400}]}, "input_bytes = too large"),
    ({"system": "grid", "tasks": [{**TASK, "input_bytes": -1}]}, "input_bytes = -1.0: must not be negative"),
    ({"system": "grid", "tasks": [{**TASK, "end_s": -1.0}]}, "ends at -1.0 s, before its start"),
    ({"system": "grid", "tasks": [TASK], "wall_clock_s": 0}, "wall-clock time is 0.0 s"),
    ({"system": "grid", "tasks": [TASK], "wall_clock_s": True}, "wall_clock_s = True"),
]


@pytest.mark.parametrize(("document", "message"), BAD_REPORTS)
def test_a_bad_report_is_one_clear_line(document, message):
    with pytest.raises(ConfigError, match=message) as caught:
        parse_report(document, "run.json")
    assert "run.json" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_report_that_cannot_be_read(tmp_path):
    with pytest.raises(ConfigError, match="cannot read the run report"):
        load_report(tmp_path / "none.json")
    (tmp_path / "half.json").write_text('{"tasks": [')
    with pytest.raises(ConfigError, match=r"half\.json is no JSON file"):
        load_report(tmp_path / "half.json")
    for text in ("[" * 100_000, "9" * 5000):
        (tmp_path / "odd.json").write_text(text)
        with pytest.raises(ConfigError, match=r"odd\.json is no JSON file: nested too deep, or a number"):
            load_report(tmp_path / "odd.json")


def test_nothing_is_guessed_from_too_little():
    one = RunReport("r", "grid", (TaskRecord(**TASK),), 10.0)
    with pytest.raises(ConfigError, match="too few tasks"):
        fit([one])
    only_maps = RunReport("r", "hbimg", (TaskRecord(**TASK),), 10.0)
    assert [each.parameter for each in fit([only_maps])] == ["network_share"]


def test_gaps_are_taken_per_slot():
    def task(slot, start_s, end_s):
        return TaskRecord(**{**TASK, "slot": slot, "start_s": start_s, "end_s": end_s})

    tasks = (
        task("a", 0, 10),
        task("b", 0, 4),
        task("b", 5, 9),
        task("b", 10, 14),
        task("a", 13, 20),
        task("a", 23, 30),
    )
    (gap,) = [e for e in fit([RunReport("r", "grid", tasks, 30.0)]) if e.parameter == "grid_dispatch_gap_s"]
    assert gap.estimate.mean == 2.0  # 1, 1, 3, 3: their median
    assert (gap.estimate.low, gap.estimate.high) == (1.0, 3.0)


def test_a_slot_that_fetches_the_next_volume_meanwhile_has_no_gap():
    def task(start_s, end_s):
        return TaskRecord(**{**TASK, "slot": "0", "start_s": start_s, "end_s": end_s})

    # As the engine reports it: reading began before the task ahead had ended.
    tasks = tuple(task(number - 0.05, number + 1.0) for number in range(6))
    (gap,) = [e for e in fit([RunReport("r", "hbimg", tasks, 6.1)]) if e.parameter == "map_dispatch_gap_s"]
    assert gap.estimate.mean == 0.0


def test_wilson_s_interval():
    # Printed example: 0 of 10 has an upper limit of 0.278, 5 of 10 lies between 0.237 and 0.763.
    assert wilson(0, 10).low == 0
    assert wilson(0, 10).high == pytest.approx(0.278, abs=1e-3)
    assert (wilson(5, 10).low, wilson(5, 10).high) == (pytest.approx(0.237, abs=1e-3), pytest.approx(0.763, abs=1e-3))


def test_flows_by_hand():
    flow = flow_of([Transfer(0, 4, 40), Transfer(2, 4, 40), Transfer(6, 8, 20)])
    assert list(flow.lengths_s) == [2, 2, 0, 2, 2]
    assert [round(float(x), 6) for x in flow.rates_bytes_per_s[[0, 1, 3, 4]]] == [10, 30, 0, 10]
    assert list(flow.active[[0, 1, 3, 4]]) == [1, 2, 0, 1]
    assert list(block_speeds(flow, flow.active > 0, blocks=3)) == pytest.approx([10, 30, 10])
    assert list(flow.fair_bytes([Transfer(0, 4, 40), Transfer(2, 4, 40)])) == pytest.approx([50, 30])


def test_probe_measures_and_leaves_nothing(tmp_path):
    found = probing.probe_disk(tmp_path, 2_000_000, repeats=2) + probing.probe_storage(tmp_path, 2_000_000, repeats=2)
    assert [each.parameter for each in found] == [
        "disk_read_bytes_per_s", "disk_write_bytes_per_s", "bandwidth_bytes_per_s",
    ]  # fmt: skip
    assert all(each.estimate.mean > 0 and each.estimate.low >= 0 for each in found)
    assert list(tmp_path.iterdir()) == []


def test_probe_refuses_what_it_cannot_use(tmp_path, monkeypatch):
    with pytest.raises(ConfigError, match=r"cannot write and read a file in .*missing: No such file"):
        probing.probe(tmp_path / "missing", 1000, 1)
    with pytest.raises(ConfigError, match="0 repeats"):
        probing.probe(tmp_path, 1000, 0)
    with pytest.raises(ConfigError, match="are wanted: use a smaller --probe-size"):
        probing.probe(tmp_path, 10**18, 1)

    def full(_descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ConfigError, match="No space left on device"):
        probing.probe(tmp_path, 1000, 1)
    assert list(tmp_path.iterdir()) == []
