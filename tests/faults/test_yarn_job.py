"""A worker, or the application master, is killed while a job runs on YARN: the job ends, every volume has one result.

The job is `compress`; what it leaves is compared, byte for byte, with what the local engine makes of the same volumes.
"""

from __future__ import annotations

import json
import secrets
import subprocess
import time

import pytest
from broken_cluster import CLIENT, VICTIM, docker

pytestmark = [pytest.mark.faults, pytest.mark.timeout(1500)]

VOLUMES = 24
#: Long enough that the job is at work when something is killed; HBase needs some time to open a dead server's regions.
PAD_S = 4
URL = "hbase://head?wait_s=300"

FILL = """
from hbimg.model import VolumeKey
from hbimg.store import open_store
from hbimg.testing.volumes import nifti_content, smooth_voxels
from hbimg.volumes import VolumeTable, store_content
with open_store(URL) as store:
    volumes = VolumeTable.create(store, NAME, splits=tuple(b"made,sub-%02d!" % n for n in range(2, VOLUMES // 2, 2)))
    for n in range(VOLUMES):
        key = VolumeKey("made", f"sub-{n // 2:02d}", f"ses-{n % 2}", "T1w")
        store_content(volumes, nifti_content(key, smooth_voxels((48, 48, 20), seed=n)))
"""
COMPARE = """
import json, sys
from hbimg.mapreduce.jobs.compress import Compress
from hbimg.mapreduce.run import RunSettings, run_job
from hbimg.store import open_store
from hbimg.volumes import VolumeTable, entries, read_artefact
with open_store(URL) as store:
    volumes = VolumeTable.open(store, NAME)
    run_job(Compress(), store, volumes, RunSettings(result_name="here", workers=1))
    found = {"compress": {}, "here": {}}
    for record, manifests in entries(volumes):
        for manifest in manifests:
            (item,) = manifest.artefacts
            assert record.key not in found[manifest.name]
            found[manifest.name][record.key] = b"".join(read_artefact(volumes, manifest, item))
            rows = list(volumes.table.scan(volumes.scheme.result_range(record.key, manifest.name), ["r"]))
            assert len(rows) == item.pieces, (record.key, "pieces of a killed attempt are left")
    assert found["compress"] == found["here"]
    print(len(found["here"]))
"""
DROP = """
from hbimg.store import open_store
with open_store(URL) as store:
    store.drop_table(NAME)
"""


def in_client(name, program):
    text = f"URL, NAME, VOLUMES = {URL!r}, {name!r}, {VOLUMES}\n{program}"
    done = subprocess.run([*CLIENT, "python", "-c", text], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return done.stdout


def hbimg(*arguments):
    done = subprocess.run([*CLIENT, "python", "-m", "hbimg", *arguments], capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture
def table():
    name = f"faults_{secrets.token_hex(4)}"
    in_client(name, FILL)
    yield ("--table", name, "--store", URL, "--json")
    in_client(name, DROP)


@pytest.fixture
def job(table):
    """A job that was left and is at work: (run's id, its application)."""
    run = hbimg("run", "compress", *table, "--engine", "yarn", "--pad-to", str(PAD_S), "--detach")["run"]
    end = time.monotonic() + 180
    while time.monotonic() < end:
        (line,) = hbimg("jobs", "list", *table)
        if line["done"]:
            return run, line["application"]
        time.sleep(1)
    return pytest.fail("the job did not begin in three minutes")


def check(table, run):
    result = hbimg("jobs", "follow", run, *table)
    assert result["state"] == "finished"
    counts = result["report"]["volumes"]
    assert counts["done"] + counts["current"] == VOLUMES
    assert in_client(table[1], COMPARE).strip() == str(VOLUMES)
    return result["report"]["cluster"]


def test_a_job_survives_a_killed_worker(table, job, kill):
    """Its DataNode, NodeManager, RegionServer, Thrift server and tasks go at once."""
    kill(VICTIM)
    cluster = check(table, job[0])
    assert cluster["maps"]["launched"] > VOLUMES // 4  # some were run again


def test_a_job_survives_its_application_master(table, job):
    """YARN starts a second one, which takes over what the first had finished."""
    master = master_of(job[1])
    assert master is not None, "no application master was found"
    worker, process = master
    docker("exec", worker, "kill", "-9", process)
    check(table, job[0])


def master_of(application):
    """The worker and process id of an application's master: the Java process whose folder is its first container's."""
    workers = docker("ps", "--filter", "name=worker", "--format", "{{.Names}}").stdout.split()
    for worker in workers:
        listed = docker("exec", worker, "ps", "-eo", "pid,args").stdout.splitlines()
        for line in listed:
            process, _, command = line.strip().partition(" ")
            if "MRAppMaster" in command and "java" in command.split()[0]:
                folder = docker("exec", worker, "readlink", f"/proc/{process}/cwd").stdout
                if application in folder:
                    return worker, process
    return None
