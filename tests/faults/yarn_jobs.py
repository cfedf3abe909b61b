"""Jobs on YARN that something happens to: a table of small volumes, a job that takes its time, and the right result.

The job is `compress`; what it leaves is compared, byte for byte, with what the local engine makes of the same volumes.
"""

from __future__ import annotations

import json
import subprocess
import time

from broken_cluster import CLIENT, docker

VOLUMES = 24
#: Long enough that the job is at work when something happens; HBase needs some time to open a dead server's regions.
PAD_S = 4

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


class JobTable:
    """A table in the cluster, and the job on it."""

    def __init__(self, url, name):
        self.url, self.name = url, name
        self._options = ("--table", name, "--store", url, "--json")

    def program(self, text):
        """Run a program in the client, with the table's names in it."""
        text = f"URL, NAME, VOLUMES = {self.url!r}, {self.name!r}, {VOLUMES}\n{text}"
        done = subprocess.run([*CLIENT, "python", "-c", text], capture_output=True, text=True, timeout=600)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def hbimg(self, *arguments):
        command = [*CLIENT, "python", "-m", "hbimg", *arguments, *self._options]
        done = subprocess.run(command, capture_output=True, text=True, timeout=900)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def start(self, *more, pad_s=PAD_S):
        """Start the job, leave it, and wait until it has done a volume: (the run's id, its application)."""
        options = ("--engine", "yarn", "--pad-to", str(pad_s), "--detach", *more)
        run = self.hbimg("run", "compress", *options)["run"]
        end = time.monotonic() + 180
        while time.monotonic() < end:
            (line,) = self.hbimg("jobs", "list")
            if line["done"]:
                return run, line["application"]
            time.sleep(1)
        raise AssertionError("the job did not begin in three minutes")

    def finish(self, run):
        """Wait for the end; every volume must have exactly one right result. Gives the cluster's part of the report."""
        result = self.hbimg("jobs", "follow", run)
        assert result["state"] == "finished"
        counts = result["report"]["volumes"]
        assert counts["done"] + counts["current"] == VOLUMES
        assert self.program(COMPARE).strip() == str(VOLUMES)
        return result["report"]["cluster"]


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
    raise AssertionError("no application master was found")
