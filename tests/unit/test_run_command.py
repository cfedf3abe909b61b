"""`hbimg run`, `runs`, `report` as a user sees them."""

from __future__ import annotations

import json
import re
import shlex
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from hbimg.cli import cli
from hbimg.errors import HbimgError, JobError, ParameterError, TableNotFoundError
from hbimg.mapreduce.registry import BUILT_IN, find_job
from hbimg.store import open_store
from hbimg.testing.volumes import store_volumes
from hbimg.volumes import VolumeTable

OWN_JOB = '''
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar
from hbimg.mapreduce.job import Artefact, Job, LoadedVolume, parameter

@dataclass(frozen=True)
class Brightest(Job):
    """Writes down the place of the largest voxel."""
    name: ClassVar[str] = "brightest"
    version: ClassVar[str] = "1"
    at_least: int = parameter(0, "Leave volumes alone that stay below.")

    def map(self, volume: LoadedVolume) -> Iterable[Artefact]:
        voxels = volume.voxels()
        print("a job may print")
        if voxels.max() >= self.at_least:
            yield Artefact("brightest.txt", [str(voxels.argmax()).encode()])

@dataclass(frozen=True)
class Compress(Brightest):
    name: ClassVar[str] = "compress"

class Bare(Job):
    name: ClassVar[str] = "bare"
    version: ClassVar[str] = "1"
    def map(self, volume):
        return []

@dataclass(frozen=True)
class Nameless(Job):
    def map(self, volume):
        return []

@dataclass(frozen=True)
class Mapless(Job):
    name: ClassVar[str] = "mapless"
    version: ClassVar[str] = "1"
'''


@pytest.fixture
def hbimg(tmp_path, monkeypatch):
    """Runs a command on a store with 3 volumes; gives its result."""
    url = f"local://{tmp_path}/store"
    with open_store(url) as store:
        store_volumes(VolumeTable.create(store, "t"), 3)
    (tmp_path / "own_job.py").write_text(OWN_JOB)
    (tmp_path / "broken_job.py").write_text("import no_such_thing")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield lambda *arguments: CliRunner().invoke(cli, [*arguments, "--table", "t", "--store", url])
    for name in ("own_job", "broken_job"):
        sys.modules.pop(name, None)


def test_a_run_its_listing_and_its_report(hbimg):
    done = hbimg("run", "compress", "--json", "--workers", "1")
    assert done.exit_code == 0, done.output
    answer = json.loads(done.stdout)
    assert answer["report"]["volumes"]["done"] == 3
    listed = hbimg("runs")
    assert answer["run"] in listed.stdout
    report = json.loads(hbimg("report", answer["run"], "--json").stdout)
    assert report == answer["report"]
    # What `hbimg model fit` reads.
    assert report["system"] == "hbimg"
    for task in report["tasks"]:
        assert set(task) >= {"host", "slot", "start_s", "end_s", "local", "input_bytes", "output_bytes"}
        busy = sum(task[f"{what}_seconds"] for what in ("read", "compute", "write", "pad"))
        assert task["end_s"] - task["start_s"] >= busy - 1e-5  # seconds since 1970 have steps of 2e-7 s
    words = hbimg("report", answer["run"])
    assert "3 done, 0 current already, 0 skipped, 0 failed" in words.stdout


def test_stats_print_csv_on_stdout_and_words_on_stderr(hbimg):
    done = hbimg("run", "stats", "--by", "subject", "-w", "1")
    assert done.stdout.splitlines()[0] == "group,volumes,voxels,not_finite,minimum,maximum,mean,variance"
    assert len(done.stdout.splitlines()) == 3
    assert "wall-clock" in done.stderr


@pytest.mark.parametrize("command", [["run", "compress"], ["ls"], ["verify"], ["rm", "--yes"]])
def test_a_pattern_that_matches_nothing_is_said(hbimg, command):
    done = hbimg(*command, "--where", "subject=nobody")
    assert done.exit_code == 0
    assert "no volume of table t matches --where 'subject=nobody': `hbimg ls --table t` lists" in done.stderr
    assert "matches" not in hbimg("ls", "--where", "scan=T1w").stderr


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (["ingst"], "there is no command 'ingst': did you mean 'ingest'?"),
        (["frobnicate"], "there is no command 'frobnicate': commands: ingest, ls,"),
        (["run", "gzip"], "there is no job 'gzip': give compress, dicom2nifti, checksum, stats, exec, or package."),
    ],
)
def test_a_mistyped_command_or_job(hbimg, command, words):
    done = hbimg(*command)
    assert done.exit_code == 2
    assert words in done.stderr


def test_a_users_own_job_in_the_current_folder(hbimg):
    done = hbimg("run", "own_job:Brightest", "--param", "at_least=1", "-w", "1")
    assert done.exit_code == 0, done.output
    assert done.stdout == ""
    assert "3 done" in done.stderr
    few = hbimg("run", "own_job:Brightest", "--param", "at_least=100000", "-w", "1")
    assert few.exit_code == 1
    assert isinstance(few.exception, JobError)
    assert "3 of 3 volumes failed" in str(few.exception)
    assert "gave no artefact" in few.stderr
    shown = hbimg("run", "own_job:Brightest", "--help").stdout
    assert "at_least" in shown
    assert "largest voxel" in shown


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["no_such_module:Job"], "cannot be imported: ModuleNotFoundError"),
        (["broken_job:Job"], "no_such_thing"),
        (["own_job:Missing"], "has no class 'Missing'"),
        (["own_job:OWN"], "is no job"),
        (["own_job:Compress"], "is built in; give yours another name"),
        (["own_job:Bare"], "no dataclass"),
        (["own_job:Nameless"], "has no name"),
        (["own_job:Mapless"], "does not define map"),
        (["own_job:Brightest", "--param", "at_least"], "NAME=VALUE"),
        (["own_job:Brightest", "--param", "at_least=many"], "'many' is no int"),
        (["own_job:Brightest", "--param", "other=1"], "has no parameter 'other'; it has: at_least"),
        (["compress", "--level", "11"], "level '11'"),
        (["compress", "--where", "colour=red"], "colour=red"),
        (["compress", "--result-name", "a b"], "no label"),
        (["compress", "--pad-to", "-1"], "0 or more"),
        (["stats", "--range", "3,1"], "LOW must be below HIGH"),
        (["stats", "--range", "x"], "two numbers"),
        (["stats", "--bins", "0"], "0 bins"),
    ],
)
def test_what_cannot_run_is_one_clear_error(hbimg, arguments, words):
    done = hbimg("run", *arguments)
    assert done.exit_code != 0
    assert isinstance(done.exception, HbimgError)
    assert words in str(done.exception)


def test_a_job_that_does_not_exist_is_a_usage_error(hbimg):
    assert hbimg("run", "compres").exit_code == 2


def test_every_job_has_the_name_it_is_listed_under_and_helps_with_examples():
    from hbimg.cli.run import _LINES

    assert list(_LINES) == list(BUILT_IN)
    for name in BUILT_IN:
        assert find_job(name).name == name
        shown = CliRunner().invoke(cli, ["run", name, "--help"])
        assert f"hbimg run {name} --table t1" in shown.stdout
    with pytest.raises(JobError, match="built in are compress"):
        find_job("nothing")


def test_types_of_parameters_are_checked():
    with pytest.raises(ParameterError, match="no bool"):
        find_job("dicom2nifti").of_texts({"uncompressed": "perhaps"})
    assert find_job("dicom2nifti").of_texts({"uncompressed": "yes", "time_limit_s": "5"}).time_limit_s == 5.0


def test_the_job_of_the_documentation_runs(hbimg):
    page = (Path(__file__).parents[2] / "docs" / "jobs.md").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    Path("brightest.py").write_text(code)
    try:
        done = hbimg("run", "brightest:Brightest", "--param", "threshold=800", "-w", "1")
    finally:
        sys.modules.pop("brightest", None)
    assert done.exit_code == 0, done.output
    found = json.loads(hbimg("ls", "--json").stdout)
    assert all("brightest" in volume["results"] for volume in found)


def test_commands_of_the_documentation_exist():
    """Each command line of the page parses: its options are there (--help stops it before anything is done)."""
    page = (Path(__file__).parents[2] / "docs" / "jobs.md").read_text()
    lines = re.findall(r"^\$ hbimg (.*)$", page, re.MULTILINE)
    assert len(lines) >= 8
    for line in lines:
        arguments = shlex.split(line.partition(" > ")[0])
        if "brightest" not in line:
            assert CliRunner().invoke(cli, [*arguments, "--help"]).exit_code == 0, line


@pytest.mark.parametrize(
    "command",
    [
        "ls",
        "verify",
        "runs",
        "tables",
        "show t/-/-/x",
        "export --to out",
        "run checksum",
        "report x",
        "rm t/-/-/x --yes",
    ],
)
def test_a_mistyped_store_makes_no_folder(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    table = [] if command == "tables" else ["--table", "t"]
    result = CliRunner().invoke(cli, [*command.split(), *table, "--store", f"local://{tmp_path}/stroe"])
    assert not (tmp_path / "stroe").exists()
    if command == "tables":
        assert "0 tables" in result.stderr
    else:
        assert isinstance(result.exception, TableNotFoundError), result.output
        assert str(tmp_path / "stroe") in str(result.exception)


def test_runs_are_chosen_by_volume_job_state_and_number(hbimg):
    for job, where in (("compress", "subject=sub-000"), ("checksum", "subject=sub-001"), ("compress", "scan=nothing")):
        hbimg("run", job, "--where", where, "-w", "1")

    def listed(*options):
        return [run["job"] for run in json.loads(hbimg("runs", "--json", *options).stdout)]

    assert listed() == ["compress", "checksum", "compress"]
    assert listed("--where", "subject=sub-001") == ["checksum"]
    assert listed("--where", "subject=sub-0*") == ["compress", "checksum"]
    assert listed("--job", "compress") == ["compress", "compress"]
    assert listed("--last", "2") == ["checksum", "compress"]
    assert listed("--last", "1", "--job", "checksum") == ["checksum"]
    assert listed("--state", "failed") == []
    assert len(listed("--state", "finished")) == 3
    assert "1 run of table t" in hbimg("runs", "--last", "1").stderr
    assert hbimg("runs", "--last", "0").exit_code == 2
