"""Jobs on YARN as a user runs them: data-local, the same bytes as here, one line when something is wrong."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time

import pytest

from hbimg.model import VolumeKey
from hbimg.store import open_store
from hbimg.testing.volumes import nifti_content, smooth_voxels
from hbimg.volumes import VolumeTable, entries, read_artefact, store_content

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900), pytest.mark.usefixtures("all_of_yarn")]

SUBJECTS = 6
#: The four volumes of one region: one map task, where more of them would only take time.
ONE_REGION = ("--where", "subject=sub-[23]", "--split-size", "1GB")
OWN_JOB = '''
import socket
from dataclasses import dataclass
from typing import ClassVar
from hbimg.mapreduce.job import Artefact, Job, parameter
from own_helper import loudest

@dataclass(frozen=True)
class Loudest(Job):
    """Writes down the largest voxel; fails on one subject."""
    name: ClassVar[str] = "loudest"
    version: ClassVar[str] = "1"
    fail_on: str = parameter("", "Subject.")

    def map(self, volume):
        print("at work on", volume.record.key)
        if volume.record.key.subject == self.fail_on:
            raise ValueError("this subject is bad")
        yield Artefact("loudest.txt", [loudest(volume.voxels())])
'''


def hbimg(*arguments, fails=False, cwd=None, **environment):
    """Run hbimg in a process of its own: (stdout, stderr)."""
    done = subprocess.run(
        [sys.executable, "-m", "hbimg", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=600,
        cwd=cwd,
        env={**os.environ, **environment},
    )
    assert (done.returncode != 0) == fails, f"hbimg {arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stderr
    return done.stdout, done.stderr


@pytest.fixture(scope="module")
def table(cluster):
    """Options that name a table of 12 volumes, cut between subjects, a region for each two of them."""
    url, name = f"hbase://{cluster.head}", f"test_yarn_{os.getpid()}"
    with open_store(url) as store:
        cuts = tuple(f"made,sub-{number}!".encode() for number in range(2, SUBJECTS, 2))
        volumes = VolumeTable.create(store, name, splits=cuts)
        for number in range(SUBJECTS * 2):
            key = VolumeKey("made", f"sub-{number // 2}", f"ses-{number % 2}", "T1w")
            store_content(volumes, nifti_content(key, smooth_voxels((48, 40, 30), seed=number), packed=number % 3 == 2))
        yield ("--table", name, "--store", url)
        store.drop_table(name)


def artefacts(table, name):
    with open_store(table[3]) as store:
        volumes = VolumeTable.open(store, table[1])
        return {
            (str(record.key), item.name): b"".join(read_artefact(volumes, manifest, item))
            for record, manifests in entries(volumes)
            for manifest in manifests
            if manifest.name == name
            for item in manifest.artefacts
        }


def test_a_job_runs_where_its_volumes_are_and_gives_the_same_bytes(table):
    printed, said = hbimg("run", "compress", *table, "--result-name", "there", "--json")
    assert "engine yarn" in said
    result = json.loads(printed)
    assert result["state"] == "finished"
    assert result["report"]["volumes"]["done"] == SUBJECTS * 2
    assert result["report"]["bytes"]["input_remote"] == 0
    hbimg("run", "compress", *table, "--engine", "local", "--result-name", "here")
    there, here = artefacts(table, "there"), artefacts(table, "here")
    assert there == here
    assert len(here) == SUBJECTS * 2
    runs = json.loads(hbimg("runs", *table, "--json")[0])
    assert [run["engine"] for run in runs if run["id"] == result["run"]] == ["yarn"]


def test_a_reducing_job_has_reducers_and_gives_the_same_bytes(table):
    there = hbimg("run", "stats", *table, "--by", "subject", "--reducers", "2", "--force")[0]
    here = hbimg("run", "stats", *table, "--by", "subject", "--engine", "local", "--force")[0]
    assert there == here
    assert len(here.splitlines()) == SUBJECTS + 1
    # One more volume to map: the partials of the others are taken as they stand.
    with open_store(table[3]) as store:
        volumes = VolumeTable.open(store, table[1])
        key = VolumeKey("made", "sub-2", "ses-9", "T1w")
        store_content(volumes, nifti_content(key, smooth_voxels((48, 40, 30), seed=99)))
    try:
        there, said = hbimg("run", "stats", *table, *ONE_REGION, "--by", "subject", "--reducers", "1")
        assert "1 done, 4 current already" in said
        assert there == hbimg("run", "stats", *table, *ONE_REGION, "--by", "subject", "--engine", "local")[0]
        _, changed, unchanged = there.splitlines()
        assert changed.startswith("made/sub-2,3,")
        assert unchanged in here.splitlines()
    finally:
        hbimg("rm", *table, key, "--yes")


def test_a_users_job_travels_is_logged_and_a_bad_volume_costs_itself(table, tmp_path):
    (tmp_path / "own_job.py").write_text(OWN_JOB)
    (tmp_path / "own_helper.py").write_text("def loudest(voxels):\n    return str(voxels.max()).encode()\n")
    command = ["run", "own_job:Loudest", *table, *ONE_REGION]
    _, said = hbimg(*command, "--param", "fail_on=sub-3", fails=True, cwd=tmp_path)
    assert "2 done, 0 current already, 0 skipped, 2 failed" in said
    assert "ValueError: this subject is bad (own_job.py, line" in said
    assert len(artefacts(table, "loudest")) == 2
    run = json.loads(hbimg("runs", *table, "--json")[0])[-1]["id"]
    printed, said = hbimg("jobs", "logs", run, *table, "--all")
    assert "at work on made/sub-2/ses-0/T1w" in printed
    assert re.search(r"^\d+ tasks", said)
    assert hbimg("jobs", "logs", run, *table)[0] == ""  # no task failed: a volume did
    _, said = hbimg(*command, "--engine", "local", cwd=tmp_path)
    assert "4 done" in said  # other parameters: made anew, by whatever engine
    assert len(artefacts(table, "loudest")) == 4


def test_too_many_failures_stop_a_run(table, tmp_path):
    (tmp_path / "own_job.py").write_text(OWN_JOB.replace('"loudest"', '"softest"'))
    (tmp_path / "own_helper.py").write_text("def loudest(voxels):\n    raise ValueError('nothing works')\n")
    _, said = hbimg(
        "run", "own_job:Loudest", *table, *ONE_REGION, "--max-failures", "0", "--pad-to", "5", fails=True, cwd=tmp_path
    )
    failed = int(re.search(r"skipped, (\d+) failed", said)[1])
    assert 0 < failed < 4
    assert "--max-failures allows 0" in said


def test_a_dry_run_sends_nothing(table):
    before = json.loads(hbimg("runs", *table, "--json")[0])
    printed, _ = hbimg("run", "checksum", *table, "--dry-run")
    assert "hbase.mapreduce.scans" in printed
    assert "worker1.hbimg" in printed
    assert json.loads(hbimg("runs", *table, "--json")[0]) == before


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--queue", "nosuch"], "no queue 'nosuch': it has default"),
        (["--memory", "300"], "--memory 300 is too little"),
        (["--memory", "100000"], "the largest node gives"),
        (["--split-size", "lots"], "--split-size"),
        (["-D", "x"], "give NAME=VALUE"),
        (
            ["--python", "python3.99", *ONE_REGION, "-D", "mapreduce.map.maxattempts=1"],
            "has no python3.99: install it there",
        ),
        (["-D", "mapreduce.job.inputformat.class=no.such.Format"], "no.such.Format"),
    ],
)
def test_what_cannot_run_is_one_line(table, options, said):
    message = hbimg("run", "checksum", *table, "--engine", "yarn", *options, fails=True)[1]
    assert said in message.strip().splitlines()[-1]


def test_no_yarn_is_one_line_or_runs_here(table):
    nowhere = {"HADOOP_CONF_DIR": "/nowhere", "HADOOP_HOME": "/nowhere", "HBASE_CONF_DIR": "/nowhere"}
    message = hbimg("run", "checksum", *table, "--engine", "yarn", fails=True, **nowhere)[1]
    assert "no YARN is known here" in message
    assert "engine local: no YARN is known here" in hbimg("run", "checksum", *table, **nowhere)[1]


def started(table, *more, cwd=None):
    """Run a job that takes some seconds a volume, and leave it; gives the run's id."""
    arguments = ["run", "checksum", *table, *ONE_REGION, "--pad-to", "5", "--detach", "--json", *more]
    return json.loads(hbimg(*arguments, cwd=cwd)[0])["run"]


def wait_for_state(table, run, state):
    end = time.monotonic() + 180
    while True:
        lines = json.loads(hbimg("jobs", "list", *table, "--json")[0])
        (line,) = [line for line in lines if line["run"] == run]
        if line["yarn"] == state and (state != "RUNNING" or line["done"]):
            return line
        assert time.monotonic() < end, line
        time.sleep(1)


def test_a_run_is_left_paused_followed_and_resumed(table):
    run = started(table)
    line = wait_for_state(table, run, "RUNNING")
    assert line["volumes"] == 4
    hbimg("jobs", "pause", run, *table)
    message = hbimg("jobs", "follow", run, *table, fails=True)[1]
    assert "the run was stopped" in message
    done = int(re.search(r"volumes +(\d+) done", message)[1])
    assert 0 < done < 4
    report = json.loads(hbimg("report", run, *table, "--json")[0])
    assert len(report["cluster"]["attempts"]) > 0
    assert "is over (interrupted)" in hbimg("jobs", "follow", run, *table, fails=True)[1]
    again = json.loads(hbimg("jobs", "resume", run, *table, "--json")[0])
    assert again["state"] == "finished"


def test_a_run_is_killed_and_what_it_made_stays(table):
    run = started(table, "--result-name", "killed")
    wait_for_state(table, run, "RUNNING")
    message = hbimg("jobs", "kill", run, *table, fails=True)[1]
    assert "the run was stopped" in message
    assert json.loads(hbimg("runs", *table, "--json")[0])[-1]["state"] == "interrupted"
    assert artefacts(table, "killed")


def test_a_job_script_runs_on_the_cluster(table, tmp_path):
    (tmp_path / "count.sh").write_text(
        f"#!/bin/sh\n#HBIMG --table {table[1]} --store {table[3]} --name count\n"
        f"#HBIMG {' '.join(ONE_REGION)}\n"
        '#HBIMG --inputs nifti --outputs count.txt\nwc -c < "$1" > "$2"\n'
    )
    printed, _ = hbimg("submit", "count.sh", "--dry-run", cwd=tmp_path)
    assert "mapreduce.job.name = count" in printed
    hbimg("submit", "count.sh", cwd=tmp_path)
    assert len(artefacts(table, "count")) == 4


TOOL = """
import os, socket, sys
source, weight, folder, subject = sys.argv[1:]
print("about to weigh", subject, "by", os.environ["SCALE"])
if subject == "sub-3":
    sys.exit("the scales are broken")
open(weight, "w").write(str(len(open(source, "rb").read()) * int(os.environ["SCALE"])))
try:
    socket.create_connection((os.environ["HEAD"], 9870), 3)
except OSError:
    open(folder + "/alone.txt", "w").write("no network")
"""


def test_a_users_tool_runs_there_as_it_does_here(table, tmp_path):
    """Its script and settings travel; what it writes and says comes back; it has no network; a failure costs itself."""
    (tmp_path / "weigh.py").write_text(TOOL)
    command = ["--with", "weigh.py", "--input-as", "nifti", "--stdout", "said.txt", "--env", "SCALE=2"]
    command += ["--env", f"HEAD={table[3].rpartition('/')[2]}", "--", "python3", "weigh.py"]
    command += ["{input}", "{output:weight.txt}", "{outdir}", "{subject}"]

    def run(name, engine):
        options = ["run", "exec", *table, *ONE_REGION, "--engine", engine, "--result-name", name]
        return hbimg(*options, *command, cwd=tmp_path, fails=True)[1]

    for name, engine in (("weight-there", "yarn"), ("weight-here", "local")):
        said = run(name, engine)
        assert "2 done, 0 current already, 0 skipped, 2 failed" in said
        assert "python3 ended with status 1: the scales are broken" in said
    there, here = artefacts(table, "weight-there"), artefacts(table, "weight-here")
    assert there == here
    assert {name for _, name in here} == {"weight.txt", "said.txt", "alone.txt"}
    assert len(here) == 2 * 3
    assert there["made/sub-2/ses-1/T1w", "said.txt"] == b"about to weigh sub-2 by 2\n"
    assert "2 current already" in run("weight-there", "local")  # what one engine made is there for the other


def test_a_tool_that_is_too_large_for_its_task_is_one_line(table):
    """What YARN kills for its size; with a limit, hbimg asks YARN for that much beside the volume."""
    grow = ["--stdout", "x", "--", "python3", "-c", "import time; x = b'x' * 10**9; time.sleep(30)", "{input}"]
    options = ["run", "exec", *table, "--where", "subject=sub-0 session=ses-0", "-D", "mapreduce.map.maxattempts=1"]
    message = hbimg(*options, "--result-name", "large", *grow, fails=True)[1]
    assert "a task took more memory than it was given: give more with --memory" in message.strip().splitlines()[-1]
    message = hbimg(*options, "--result-name", "large", "--memory-limit", "50GB", *grow, fails=True)[1]
    assert "and the job takes 50,000 MB beside it: a task needs" in message.strip().splitlines()[-1]
