"""`hbimg model` and `hbimg advise` as a user meets them: numbers, tables, JSON with units, one line for bad input."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import nibabel
import pytest
from click.testing import CliRunner

from hbimg.cli import cli
from hbimg.errors import HbimgError
from hbimg.perfmodel import scenario_file
from hbimg.perfmodel.presets import PRESETS, preset

MACHINES = """
[cluster]
bandwidth = "110 MB/s"
[[cluster.machine]]
name = "node"
count = 4
cores = 8
disk_read = "500 MB/s"
disk_write = "400 MB/s"
"""


def run(*arguments):
    result = CliRunner().invoke(cli, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def run_json(*arguments):
    return json.loads(run(*arguments, "--json"))


@pytest.fixture
def machines(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(MACHINES)
    return path


def test_nsrp_of_the_three_clusters():
    values = [round(run_json("model", "nsrp", "--preset", f"bao2017-{n}")["nsrp_s"], 1) for n in (209, 132, 72)]
    assert values == [85.2, 53.8, 29.3]
    table = run("model", "nsrp", "--preset", "bao2017-209")
    assert "85.2 s" in table
    assert "221" in table


def test_nsrp_at_a_time_and_size():
    answer = run_json("model", "nsrp", "--preset", "bao2017-72", "--time", "2min")
    assert answer["time_s"] == 120
    assert answer["allowed_core"] == pytest.approx(294.5, abs=0.1)
    assert answer["saturated"] is False
    twice = run_json("model", "nsrp", "--preset", "bao2017-72", "--size", "57.04MiB")
    assert twice["nsrp_s"] == pytest.approx(2 * answer["nsrp_s"], rel=1e-3)


def test_predict_shows_the_experiment_and_any_other_time():
    answer = run_json("model", "predict", "--preset", "bao2017-132")
    assert [p["time_s"] for p in answer["predictions"]] == [5, 15, 30, 45, 60, 75, 90, 105, 120]
    assert answer["readings"]
    (one,) = run_json("model", "predict", "--preset", "bao2017-132", "--time", "120")["predictions"]
    assert one["wall_clock_ratio"] == pytest.approx(33 / 26, rel=0.01)
    assert one["hbimg"]["wall_clock_s"] > one["grid"]["wall_clock_s"]
    assert "53.8 s" in run("model", "predict", "--preset", "bao2017-132")


def test_predict_at_the_corners_of_figure_4():
    at = ("model", "predict", "--preset", "bao2017-figure4", "--time", "1000")
    (small,) = run_json(*at, "--size", "200MiB")["predictions"]
    (large,) = run_json(*at, "--size", "500MiB")["predictions"]
    assert small["log10_wall_clock_ratio"] == pytest.approx(0, abs=0.005)
    assert large["wall_clock_ratio"] < 0.5


def test_simulate_is_seeded_and_writes_a_report_that_fit_and_check_read(tmp_path):
    report = tmp_path / "run.json"
    options = ("model", "simulate", "--preset", "nfs-testbed", "--system", "grid", "--repeats", "3")
    first = run_json(*options, "--report", str(report))
    assert first == run_json(*options)
    assert first["simulations"][0]["wall_clock_s"]["mean"] == pytest.approx(11.2, rel=0.05)
    fitted = run_json("model", "fit", str(report))["fitted"]
    assert fitted[0]["parameter"] == "bandwidth_bytes_per_s"
    assert fitted[0]["estimate"]["mean"] == pytest.approx(11.8e6)
    rows = run_json("model", "check", str(report), "--preset", "nfs-testbed")["comparisons"]
    assert {row["source"] for row in rows} == {"equations", "simulation"}
    assert "wall clock" in run("model", "simulate", "--preset", "bao2017-72", "--time", "30", "--repeats", "2")


def test_fit_writes_the_cluster_with_the_fit_put_in(tmp_path, machines):
    output = tmp_path / "fitted.toml"
    probe = ("--probe", str(tmp_path), "--probe-size", "1MiB")
    for jobs in ("", '[workload]\njobs = 10\ninput = "20 MB"\noutput = "5 MB"\n'):
        machines.write_text(MACHINES + jobs)
        fitted = run_json("model", "fit", *probe, "--cluster", str(machines), "--output", str(output))["fitted"]
        speeds = {each["parameter"]: each["estimate"]["mean"] for each in fitted}
        machine = scenario_file.load(output).cluster.machines[0]
        assert machine.disk_read_bytes_per_s == speeds["disk_read_bytes_per_s"] != 500e6
        assert scenario_file.has_workload(output) == bool(jobs)  # what was not told is not made up


@pytest.mark.parametrize("name", PRESETS)
def test_show_prints_a_file_that_is_the_preset(name):
    text = run("model", "show", "--preset", name)
    assert scenario_file.loads(text, "shown.toml") == preset(name)
    assert tomllib.loads(text)["name"] == name


def test_presets_lists_all():
    assert [row["preset"] for row in run_json("model", "presets")] == list(PRESETS)
    assert "gridfactory" in run("model", "presets")


def test_heatmap_as_table_and_json():
    answer = run_json("model", "heatmap", "--preset", "bao2017-figure4", "--size", "500MiB", "--time", "1000")
    assert answer["log10_wall_clock_ratio"][0][0] < -0.301
    assert answer["sizes_bytes"] == [500 * 2**20]
    assert "500 MiB" in run("model", "heatmap", "--preset", "bao2017-figure4")


def test_figure_writes_both_formats(tmp_path):
    written = run("model", "figure", "3", "--preset", "nfs-testbed", "--output", str(tmp_path / "mine")).split()
    assert [name.rsplit("/", 1)[1] for name in written] == ["mine.png", "mine.svg"]


def test_check_of_a_preset():
    rows = run_json("model", "check", "--preset", "gridfactory")["comparisons"]
    assert {row["measured"] for row in rows} == {240.0, 270.0, 35.0}
    assert "Table 1" in run("model", "check", "--preset", "gridfactory")


def test_advise_on_real_files(tmp_path, machines):
    data = tmp_path / "data"
    data.mkdir()
    for number in range(40):
        (data / f"s{number}.nii").write_bytes(b"\0" * (20_000 + number))
    answer = run_json("advise", str(data), "--cluster", str(machines), "--time", "30s")
    assert answer["verdict"] == "stay with your grid engine"
    assert answer["prediction"]["input_bytes"] == pytest.approx(20_019.5)
    assert answer["prediction"]["jobs"] == 40
    assert answer["counted"].startswith("40 volumes")
    text = run("advise", str(data), "--cluster", str(machines), "--time", "30s", "--output-ratio", "2")
    assert "Stay with your grid engine." in text
    assert "Output of a job: 2 of its input." in text


BAD = [
    (("model", "nsrp"), "give either --preset NAME or --cluster FILE"),
    (("model", "nsrp", "--preset", "bao2017-72", "--cluster", "x.toml"), "give either --preset NAME or"),
    (("model", "nsrp", "--preset", "nope"), "there is no preset 'nope'"),
    (("model", "nsrp", "--cluster", "/nowhere.toml"), "cannot read the cluster file /nowhere.toml"),
    (("model", "nsrp", "--preset", "bao2017-72", "--time", "-3"), "time"),
    (("model", "nsrp", "--preset", "bao2017-72", "--time", "nan"), "is no quantity"),
    (("model", "nsrp", "--preset", "bao2017-72", "--time", "3 parsecs"), "time"),
    (("model", "nsrp", "--preset", "bao2017-72", "--size", "200"), "has no unit"),
    (("model", "nsrp", "--preset", "bao2017-72", "--size", "0MB"), "above 0"),
    (("model", "nsrp", "--preset", "bao2017-72", "--time", "1", "--time", "2"), "one --time"),
    (("model", "simulate", "--preset", "bao2017-72", "--repeats", "0"), "repeats = 0"),
    (("model", "simulate", "--preset", "bao2017-72", "--report", "x.json"), "--report writes one run"),
    (("model", "fit"), "nothing to fit to"),
    (("model", "fit", "/nowhere.json"), "cannot read the run report /nowhere.json"),
    (("model", "fit", "--probe", "/", "--output", "x.toml"), "say which, by --cluster FILE"),
    (("model", "check"), "give run reports and --cluster FILE"),
    (("model", "figure", "4", "--preset", "bao2017-72", "--cluster", "x"), "give either --preset NAME"),
    (("advise", "/nowhere", "--preset", "bao2017-72"), "there is no such path: /nowhere"),
    (("advise", "", "--preset", "bao2017-72"), "say which data"),
    (("advise", "/", "--preset", "bao2017-72", "--output-ratio", "1e300"), "at most 1e+06 bytes out"),
    (("model", "predict", "--preset", "bao2017-72", "--time", "1e300"), "--time = 1e+300 s is too large"),
    (("model", "predict", "--preset", "bao2017-72", "--size", "1e300MB"), "--size = 1e+306 B is too large"),
    (("advise", "/", "--time", "30s"), "say which machines"),
    (("advise", "/", "--preset", "bao2017-72", "--output-ratio", "-1"), "--output-ratio = -1.0"),
]


@pytest.mark.parametrize(("arguments", "message"), BAD)
def test_bad_input_is_one_clear_line(arguments, message):
    result = CliRunner().invoke(cli, list(arguments))
    assert isinstance(result.exception, HbimgError), result.exception
    assert message in str(result.exception)
    assert "\n" not in str(result.exception)


def test_advise_asks_for_what_it_lacks(tmp_path, machines):
    for arguments, message in (
        ((str(tmp_path), "--cluster", str(machines)), "give --time, as in --time 30s"),
        ((str(tmp_path / "mytable"), "--cluster", str(machines), "--time", "3s"), "there is no such path"),
    ):
        result = CliRunner().invoke(cli, ["advise", *arguments])
        assert isinstance(result.exception, HbimgError)
        assert message in str(result.exception)
    result = CliRunner().invoke(cli, ["model", "predict", "--cluster", str(machines)])
    assert "has no [workload] table" in str(result.exception)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("cores = 8", "cores = 0", "cores = 0"),
        ('"110 MB/s"', "110", "has no unit"),
        ('"110 MB/s"', "nan", "has no unit"),
        ('"500 MB/s"', '"-500 MB/s"', "disk_read_bytes_per_s = -500000000.0"),
        ("", "[allocation]\nregions = { other = 2 }\n", "names machine 'other'"),
    ],
)
def test_a_bad_file_is_one_line_on_stderr_and_exit_1(machines, old, new, message):
    machines.write_text(MACHINES.replace(old, new, 1) if old else MACHINES + new)
    command = [
        sys.executable,
        "-m",
        "hbimg.cli",
        "advise",
        str(machines.parent),
        "--cluster",
        str(machines),
        "--time",
        "3",
    ]
    program = "import sys; from hbimg.cli import main; sys.argv[0] = 'hbimg'; main()"
    result = subprocess.run([sys.executable, "-c", program, *command[3:]], capture_output=True, text=True)
    assert result.returncode == 1
    assert result.stdout == ""
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
    assert result.stderr.startswith("hbimg: ")


def test_every_command_has_help_with_an_example():
    for name, command in cli.get_command(None, "model").commands.items():
        text = run("model", name, "--help")
        assert f"hbimg model {name}" in text, name
        assert command.help
    assert "hbimg advise /data" in run("advise", "--help")


def test_help_does_not_load_what_it_does_not_need():
    program = (
        "import sys; from click.testing import CliRunner; from hbimg.cli import cli;"
        "CliRunner().invoke(cli, ['model', '--help']); CliRunner().invoke(cli, ['advise', '--help']);"
        "print([m for m in ('numpy', 'matplotlib', 'rich.table') if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_advise_reads_the_sizes_of_a_table(tmp_path, machines):
    store = f"local://{tmp_path}/store"
    images = Path(nibabel.__file__).parent / "tests" / "data" / "example4d.nii.gz"
    runner = CliRunner()
    assert runner.invoke(cli, ["ingest", str(images), "--table", "t1", "--store", store]).exit_code == 0
    advice = ["advise", "t1", "--store", store, "--cluster", str(machines), "--time", "3s", "--json"]
    assert json.loads(runner.invoke(cli, advice).stdout)["counted"] == "1 volumes in table t1"
    nowhere = runner.invoke(cli, ["advise", "t2", "--store", store, "--cluster", str(machines), "--time", "3s"])
    assert "t2 is neither a path nor a table" in str(nowhere.exception)
