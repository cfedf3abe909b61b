"""Advice: sizes as they lie on the disk, and the verdicts that the numbers call for."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hbimg.errors import ConfigError
from hbimg.perfmodel import advice
from hbimg.perfmodel.advice import advise, break_even_s
from hbimg.perfmodel.distributions import constant
from hbimg.perfmodel.parameters import Allocation, Cluster, Machine, Scenario, Scheduling, Workload, balanced
from hbimg.perfmodel.predict import predict
from hbimg.perfmodel.presets import bao2017_72, bao2017_132, bao2017_209
from hbimg.perfmodel.sizes import volume_sizes
from hbimg.perfmodel.units import MIB


def lab(time_s, size=100 * MIB, jobs=960, **machine):
    settings = {"cores": 12, "disk_read_bytes_per_s": 500 * MIB, "disk_write_bytes_per_s": 400 * MIB, **machine}
    machines = tuple(Machine(f"m{i}", **settings) for i in range(10))
    workload = Workload(jobs, constant(size * 0.75), constant(size * 0.25), constant(time_s))
    cluster = Cluster(machines, 110 * MIB)
    return Scenario("lab", cluster, workload, balanced(machines), Scheduling(share_unevenness=0.3))


def test_short_jobs_on_saturated_storage_should_move_to_hbimg():
    result = advise(lab(20.0))
    assert result.verdict == "use hbimg"
    assert result.prediction.saturated
    assert result.saved_share > 0.5
    assert result.grid_limit == "the bandwidth of the shared storage"
    assert result.pays_after_runs == pytest.approx(result.load_s / (result.saved_share * 873), abs=2)
    assert any("The shared storage feeds 22 of the 120 slots" in reason for reason in result.reasons)
    # Level at the release point but for the time on the disk: 109 s.
    assert result.break_even_s == pytest.approx(result.prediction.nsrp_s, rel=0.02)


def test_long_jobs_should_stay_with_the_grid():
    result = advise(lab(600.0))
    assert result.verdict == "stay with your grid engine"
    assert not result.prediction.saturated
    assert abs(result.saved_share) < 0.10


def test_a_layout_that_is_far_from_the_cores_is_named():
    result = advise(bao2017_132().with_time(200.0))
    assert result.verdict == "stay with your grid engine"
    assert result.saved_share < 0
    assert result.pays_after_runs is None
    assert result.hbimg_limit.startswith("node-11, which holds 12% of the data but 9% of the speed")
    assert any("longer than the grid engine" in reason for reason in result.reasons)


def test_slow_disks_are_named_and_a_throttle_is_advised_instead():
    slow = lab(1.0, size=200 * MIB, disk_read_bytes_per_s=20 * MIB, disk_write_bytes_per_s=15 * MIB)
    result = advise(slow)
    assert result.hbimg_limit == "the local disks"
    assert result.verdict == "throttle your grid engine"
    assert result.simulations is not None
    grid, throttled = result.simulations.grid, result.simulations.throttled_grid
    assert throttled.wall_clock_s.mean < 1.1 * grid.wall_clock_s.mean
    assert throttled.resource_time_s.mean < 0.5 * grid.resource_time_s.mean
    most = result.prediction.throttled_grid.core
    assert f"Let the grid run at most {most} jobs at once" in result.reasons[-1]


def test_too_many_jobs_are_answered_by_the_equations_alone(monkeypatch):
    monkeypatch.setattr(advice, "MOST_SIMULATED_JOBS", 100)
    result = advise(lab(20.0))
    assert result.simulations is None
    assert result.verdict == "use hbimg"


def test_where_the_equations_are_off_the_break_even_is_simulated_and_does_not_contradict_the_verdict():
    result = advise(bao2017_209().with_time(60.0), repeats=1)
    assert result.verdict == "use hbimg"
    assert result.break_even_by == "simulation"
    assert result.break_even_s is None or result.break_even_s > 60.0
    assert break_even_s(bao2017_209()) < 60.0
    assert any(reason.startswith("By the simulation") for reason in result.reasons)


def test_a_small_saving_is_said_to_be_too_small():
    result = advise(bao2017_209().with_time(600.0), repeats=1)
    assert 0.01 < result.saved_share < 0.10
    assert any("Less than 10% saved is not worth another system" in reason for reason in result.reasons)


def test_a_slightly_uneven_layout_is_named():
    result = advise(bao2017_72().with_time(200.0), repeats=1)
    assert result.hbimg_limit == "node-1, which holds 18% of the data but 17% of the speed"


def test_break_even_is_where_the_two_meet():
    for scenario in (bao2017_132(), bao2017_209(), lab(10.0)):
        level_s = break_even_s(scenario)
        assert level_s is not None
        before, after = predict(scenario.with_time(level_s * 0.99)), predict(scenario.with_time(level_s * 1.01))
        assert before.hbimg.wall_clock_s < 0.99 * min(before.grid.wall_clock_s, before.throttled_grid.wall_clock_s)
        assert after.hbimg.wall_clock_s > 0.99 * min(after.grid.wall_clock_s, after.throttled_grid.wall_clock_s)


def test_break_even_at_the_ends():
    # Jobs that fill the slots badly on the grid only: hbimg ahead at every length.
    ahead = replace(lab(10.0, size=1.0), allocation=Allocation((1.0,) * 10, 0.0))
    few_slots = replace(ahead, cluster=replace(ahead.cluster, grid_slots=60))
    assert break_even_s(few_slots) is None
    behind = replace(bao2017_72(), allocation=Allocation((1.0,) + (0.0,) * 5))
    disks = tuple(replace(m, disk_read_bytes_per_s=1e6) for m in behind.cluster.machines)
    assert break_even_s(replace(behind, cluster=replace(behind.cluster, machines=disks))) == 0.0


def write(path, size, magic=False):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"\0" * 128 + b"DICM" + b"\0" * (size - 132) if magic else b"\0" * size)


def test_sizes_of_a_folder(tmp_path):
    write(tmp_path / "sub-01" / "t1.nii.gz", 700)
    write(tmp_path / "sub-01" / "t1.json", 20)
    write(tmp_path / "sub-02" / "bold.nii", 900)
    for number in range(3):
        write(tmp_path / "series-a" / f"{number}.dcm", 200)
        write(tmp_path / "series-b" / f"1.2.840.{number}", 300, magic=True)
        write(tmp_path / "series-c" / f"IM{number}", 400, magic=True)
        write(tmp_path / "notes" / f"text{number}", 50)
    (tmp_path / "dangling.nii").symlink_to(tmp_path / "nowhere")
    found = volume_sizes(tmp_path)
    assert sorted(found.volume_bytes) == [600, 700, 900, 900, 1200]
    assert (found.nifti_files, found.dicom_files, found.dicom_folders, found.other_files) == (2, 9, 3, 5)
    assert volume_sizes(tmp_path / "sub-02" / "bold.nii").volume_bytes == (900,)


def test_a_folder_without_volumes_is_refused(tmp_path):
    write(tmp_path / "a.txt", 5)
    write(tmp_path / "empty.nii", 0)
    with pytest.raises(ConfigError, match="holds no NIfTI or DICOM files"):
        volume_sizes(tmp_path)
