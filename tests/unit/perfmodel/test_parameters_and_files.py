"""Descriptions are valid or refused on one line that names the thing, the value and the fix."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hbimg.errors import ConfigError, ParameterError
from hbimg.perfmodel import scenario_file
from hbimg.perfmodel.distributions import Distribution, constant
from hbimg.perfmodel.parameters import Allocation, Cluster, Machine, Scenario, Scheduling, Workload, balanced
from hbimg.perfmodel.presets import PRESETS, preset
from hbimg.perfmodel.units import parse_size, parse_speed, parse_time

FILE = """
[cluster]
bandwidth = "110 MB/s"
[[cluster.machine]]
name = "fast"
count = 2
cores = 8
memory = "32 GiB"
disk_read = "500 MB/s"
disk_write = "400 MB/s"
network = "1 Gbit/s"
rack = "a"
[[cluster.machine]]
name = "old"
cores = 4
speed = 0.5
disk_read = "150 MB/s"
disk_write = "120 MB/s"
[workload]
jobs = 100
input = { lognormal = ["20 MiB", 0.3] }
output = "5 MiB"
time = { mixture = [[0.8, "30 s"], [0.2, "10 min"]] }
memory_per_job = "8 GiB"
[allocation]
regions = { fast = 3, old = 1 }
[scheduling]
stealing = "when-faster"
locality_delay = "3 s"
machine_failures = { fast-2 = "10 min" }
"""


def test_a_whole_file():
    scenario = scenario_file.loads(FILE, "mine.toml")
    assert [m.name for m in scenario.cluster.machines] == ["fast-1", "fast-2", "old"]
    assert scenario.cluster.machines[0].network_bytes_per_s == 125e6
    assert scenario.slots() == (4, 4, 4)  # memory allows 4 of the 8 cores
    assert scenario.allocation.regions == (3.0, 3.0, 1.0)
    assert scenario.workload.processing_s.mean() == pytest.approx(0.8 * 30 + 0.2 * 600)
    assert scenario.scheduling.machine_failures == (("fast-2", 600.0),)
    assert scenario.name == "mine"
    assert scenario_file.loads(scenario_file.dumps(scenario), "other.toml") == scenario


@pytest.mark.parametrize("name", PRESETS)
def test_presets_come_back_from_toml(name):
    assert scenario_file.loads(scenario_file.dumps(preset(name)), "x.toml") == preset(name)


def test_without_an_allocation_data_lies_in_proportion_to_speed():
    text = FILE.replace("regions = { fast = 3, old = 1 }", "")
    assert scenario_file.loads(text, "x.toml").allocation.regions == (8.0, 8.0, 2.0)


def test_a_layout_of_regions_with_bytes():
    layout = 'layout = [{ machine = "old", bytes = "1 GiB" }, { machine = "fast-1", bytes = "3 GiB" }]'
    scenario = scenario_file.loads(FILE.replace("regions = { fast = 3, old = 1 }", layout), "x.toml")
    assert scenario.allocation.regions == (3 * 2.0**30, 0.0, 2.0**30)


BAD_EDITS = [
    ('"110 MB/s"', "110", r"cluster.bandwidth = 110 has no unit: write it as \"70 MB/s\""),
    ('"110 MB/s"', '"110"', "cluster.bandwidth = 110 has no unit"),
    ('"110 MB/s"', '"110 Mb/s"', "unknown unit 'Mb/s'"),
    ('"110 MB/s"', '"110 MB"', "unknown unit 'MB'"),
    ('"110 MB/s"', '"nan MB/s"', "is no quantity"),
    ('"110 MB/s"', "nan", "has no unit"),
    ('"110 MB/s"', '"1e400 MB/s"', "too large"),
    ('"110 MB/s"', '"1e300 MB/s"', r"cluster.bandwidth = 1e\+306 B/s is too large: at most 1e\+18 B/s"),
    ('"110 MB/s"', '"1e-300 B/s"', "less than a byte per second"),
    ("jobs = 100", f"jobs = {'9' * 400}", "jobs is too large a number: at most 1000000000"),
    ("jobs = 100", f"jobs = {'9' * 5000}", "is no TOML file: nested too deep, or a number of thousands of digits"),
    ("jobs = 100", f"jobs = {'[' * 100_000}", "is no TOML file: nested too deep"),
    ("speed = 0.5", f"speed = {'9' * 400}", "speed is too large a number"),
    ("speed = 0.5", "speed = 1e-300", "speed = 1e-300: must be from 1e-06 to"),
    ('output = "5 MiB"', 'output = { lognormal = ["5 MiB", 1e200] }', "workload.output: a coefficient of variation"),
    ('"when-faster"', '"never"\nshare_unevenness = 1e300', "share_unevenness = 1e.300: at most 10"),
    ('"when-faster"', '"never"\nstraggler_factor = 1e300', "straggler_factor = 1e.300: at most"),
    ('"110 MB/s"', '"0 MB/s"', "bandwidth_bytes_per_s = 0.0: must be a finite number above 0"),
    ('"110 MB/s"', '"-5 MB/s"', "above 0"),
    ("cores = 8", "cores = 0", "machine fast-1: cores = 0: a machine needs at least 1 core"),
    ("cores = 8", "cores = 2.5", "cluster.machine.cores = 2.5: must be a whole number"),
    ("cores = 8", "", r"\[cluster.machine\] lacks cores"),
    ("count = 2", "count = 0", "cluster.machine.count = 0"),
    ("count = 2", "count = 1000000000", "cluster.machine.count = 1000000000: must be from 1 to 100000"),
    ("cores = 8", "cores = 4000000000", "cores = 4000000000: .* at most 1000000"),
    ('name = "old"', 'name = "fast-1"', "two machines are called fast-1"),
    ("speed = 0.5", "speed = nan", "machine old: speed = nan"),
    ("speed = 0.5", "spede = 0.5", r"\[cluster.machine\] has an unknown key 'spede'; known are name, cores"),
    ("jobs = 100", "jobs = 0", "jobs = 0: at least one job"),
    ("jobs = 100", "jobs = true", "workload.jobs = True: must be a whole number"),
    (
        'output = "5 MiB"',
        'output = "-5 MiB"',
        "workload.output: a value of the constant distribution .* must be a finite number, 0 or more",
    ),
    ('output = "5 MiB"', "output = { gauss = [1, 2] }", "is one of uniform, lognormal, mixture, sample"),
    ('output = "5 MiB"', 'output = { uniform = ["5 MiB", "1 MiB"] }', "write the smaller first"),
    ('output = "5 MiB"', 'output = { uniform = ["5 MiB"] }', r"has 2 value\(s\), not 1"),
    ('output = "5 MiB"', "output = { sample = [] }", "has no values"),
    ("[0.8,", "[0.7,", "add up to 0.9"),
    ('"8 GiB"', '"64 GiB"', "does not fit on machine fast-1"),
    (
        "old = 1",
        "older = 1",
        "the allocation names machine 'older', unknown to the cluster: it has fast-1, fast-2, old",
    ),
    ("old = 1", "old = -1", "must be a finite number, 0 or more"),
    ("fast = 3, old = 1", "fast = 0, old = 0", "sum of all machines' regions"),
    ("[allocation]", "[allocation]\nnetwork_share = 1.5", "must lie between 0 and 1"),
    ('"when-faster"', '"sometimes"', "use never, always or when-faster"),
    ("fast-2 =", "fast-3 =", "machine_failures names fast-3"),
    ("[workload]", "[workloads]", "unknown key 'workloads'"),
    ("[cluster]", "[cluster", "is no TOML file"),
]


@pytest.mark.parametrize(("old", "new", "message"), BAD_EDITS)
def test_a_bad_file_is_one_clear_line(old, new, message):
    assert old in FILE
    with pytest.raises(ConfigError, match=message) as caught:
        scenario_file.loads(FILE.replace(old, new, 1), "mine.toml")
    assert "mine.toml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_and_one_that_is_no_text(tmp_path):
    with pytest.raises(ConfigError, match=r"cannot read the cluster file .*none\.toml: No such file"):
        scenario_file.load(tmp_path / "none.toml")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="no UTF-8 text"):
        scenario_file.load(tmp_path / "binary.toml")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Machine("", 1, 1.0, 1.0), "no name"),
        (lambda: Machine("m", 1, float("inf"), 1.0), "disk_read_bytes_per_s = inf"),
        (lambda: Machine("m", 1, 1.0, 1.0, page_cache_bytes=-1.0), "page_cache_bytes = -1.0"),
        (lambda: Cluster((), 1.0), "no machines"),
        (lambda: Cluster((Machine("m", 1, 1.0, 1.0),), 1.0, grid_slots=-1), "grid_slots = -1"),
        (lambda: Cluster((Machine("m", 4, 1.0, 1.0),), 1.0, grid_slots=5), "up to the 4 cores"),
        (lambda: constant(float("nan")), "nan"),
        (lambda: Distribution("mixture", (0.5,)), "pairs"),
        (lambda: Distribution("lognormal", (0.0, 1.0)), "mean of a lognormal"),
        (lambda: Scheduling(failure_probability=0.95), "at most 0.9"),
        (lambda: Scheduling(straggler_factor=0.0), "straggler_factor"),
        (lambda: Scheduling(grid_throttle=-1), "grid_throttle"),
        (lambda: Scheduling(machine_failures=(("m", -1.0),)), "failure time of machine m"),
        (lambda: preset("bao2017-72").with_size(0.0), "size of a job"),
        (lambda: replace(preset("bao2017-72"), allocation=Allocation((1.0,))), "1 entries for 6 machines"),
    ],
)
def test_what_exists_is_valid(make, message):
    with pytest.raises(ParameterError, match=message):
        make()


def test_unknown_preset_lists_the_known():
    with pytest.raises(ConfigError, match="no preset 'bao'; the presets are bao2017-72, bao2017-132"):
        preset("bao")


def test_units_are_exact():
    assert parse_size("2 GiB", "x") == 2**31
    assert parse_size("1.5MB", "x") == 1.5e6
    assert parse_speed("1 Gbit/s", "x") == 125e6
    assert parse_time("5min", "x") == 300
    assert parse_time("30", "x", bare_seconds=True) == 30


@pytest.mark.parametrize(
    ("distribution", "mean", "spread"),
    [
        (constant(5.0), 5.0, 0.0),
        (Distribution("uniform", (2.0, 6.0)), 4.0, 4 / 12**0.5),
        (Distribution("lognormal", (10.0, 0.5)), 10.0, 5.0),
        (Distribution("mixture", (0.25, 0.0, 0.75, 8.0)), 6.0, 12**0.5),
        (Distribution("sample", (1.0, 2.0, 6.0)), 3.0, (14 / 3) ** 0.5),
    ],
)
def test_draws_have_the_mean_and_spread_that_is_said(distribution, mean, spread):
    values = distribution.draw(60_000, np.random.default_rng(1))
    assert distribution.mean() == pytest.approx(mean)
    assert values.mean() == pytest.approx(mean, rel=0.02)
    assert values.std() == pytest.approx(spread, rel=0.03, abs=1e-9)
    assert distribution.scaled(3.0).mean() == pytest.approx(3 * mean)


def test_samples_stay_paired_and_in_order():
    assert list(Distribution("sample", (3.0, 1.0)).draw(5, np.random.default_rng(0))) == [3, 1, 3, 1, 3]


def test_balanced_follows_cores_times_speed():
    machines = (Machine("a", 8, 1.0, 1.0), Machine("b", 4, 1.0, 1.0, speed=0.5))
    assert balanced(machines).regions == (8.0, 2.0)


def test_storage_is_no_faster_than_the_machines_interfaces_together():
    machine = Machine("a", 4, 1e8, 1e8, network_bytes_per_s=50e6)
    cluster = Cluster((machine, replace(machine, name="b")), 1e9)
    assert (cluster.storage_bytes_per_s, cluster.stream_bytes_per_s) == (100e6, 50e6)
    workload = Workload(8, constant(50e6), constant(0.0), constant(1.0))
    assert Scenario("s", cluster, workload, balanced(cluster.machines)).grid_core == 8
