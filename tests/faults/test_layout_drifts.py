"""What breaks a layout on the mini-cluster is told by `hbimg layout status` and repaired by `apply`; no volume suffers.

As a user does it: by commands in the client, while workers are stopped and started from outside. That the balancer is
let loose is part of tests/cluster/test_layout.py.
"""

from __future__ import annotations

import json
import secrets
import subprocess

import pytest
from broken_cluster import CLIENT, VICTIM, docker, wait_until_all_is_well

pytestmark = [pytest.mark.faults, pytest.mark.timeout(1200)]

STORE = "hbase://head?wait_s=300"
SUBJECTS = 10
FILES = """
import sys
from pathlib import Path
from hbimg.testing.volumes import nifti_bytes_of, smooth_voxels
for n in range(int(sys.argv[2])):
    path = Path(sys.argv[1]) / "in" / f"sub-{n:02d}_T1w.nii"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(nifti_bytes_of(smooth_voxels((128, 128, 48), seed=n)))
"""
DIGESTS = "cd {folder} && find . -name '*.nii' -exec sha256sum {{}} + | cut -c1-64 | sort"


def in_client(*command, **options):
    return subprocess.run([*CLIENT, *command], capture_output=True, text=True, timeout=600, **options)


def hbimg(*words, code=0):
    done = in_client("python", "-m", "hbimg", *words, "--store", STORE)
    assert "Traceback" not in done.stderr, done.stderr
    assert done.returncode == code, done.stdout + done.stderr
    return done


class Planned:
    """A table that was ingested with `--layout auto`, and the folder that its files came from."""

    def __init__(self):
        self.name = f"faults_{secrets.token_hex(4)}"
        self.folder = f"/tmp/{self.name}"

    def ingest(self, *servers):
        made = in_client("python", "-c", FILES, self.folder, str(SUBJECTS))
        assert made.returncode == 0, made.stderr
        told = [word for server in servers for word in ("--server", server)]
        hbimg("ingest", f"{self.folder}/in", "--table", self.name, "--layout", "auto", "--yes", *told)

    def layout(self, command, *words):
        return hbimg("layout", command, "--table", self.name, *words)

    def apply(self, *words):
        """What else is in this cluster may have problems of its own."""
        return self.layout("apply", "--yes", "--despite-problems", *words)

    def status(self):
        return json.loads(self.layout("status", "--json").stdout)

    def stands_as_planned(self, *workers):
        """All is where the plan wants it, all blocks are there, and on no other servers than these."""
        found = self.status()
        assert (found["drift"], found["due"], found["actions"]) == ([], [], [])
        assert {s["name"] for s in found["servers"] if s["regions"]} == {f"{worker}.hbimg" for worker in workers}
        assert {server["locality"] for server in found["servers"]} == {1.0}
        return found

    def is_whole(self, out):
        """Every checksum holds, and every file comes back as it went in, by SHA-256."""
        hbimg("verify", "--table", self.name)
        hbimg("export", "--table", self.name, "--to", f"{self.folder}/{out}")
        digests = [in_client("bash", "-c", DIGESTS.format(folder=f"{self.folder}/{name}")) for name in ("in", out)]
        assert len(digests[0].stdout.split()) == SUBJECTS
        assert digests[0].stdout == digests[1].stdout

    def drop(self):
        program = f"""
from hbimg.store import open_store
from hbimg.store.rpc.admin import open_admin
with open_store({STORE!r}) as store, open_admin({STORE!r}) as admin:
    if {self.name!r} in store.tables():
        store.drop_table({self.name!r})
    admin.set_balancer(on=True)
"""
        done = in_client("python", "-c", program)
        assert done.returncode == 0, done.stderr
        in_client("rm", "-rf", self.folder)


@pytest.fixture
def table():
    planned = Planned()
    yield planned
    docker("start", VICTIM)
    wait_until_all_is_well()
    planned.drop()


def start(worker):
    docker("start", worker)
    wait_until_all_is_well()


def test_a_worker_stops_and_comes_back(table):
    table.ingest("worker1.hbimg=1", f"{VICTIM}.hbimg=1", "worker3.hbimg=3")
    table.stands_as_planned("worker1", VICTIM, "worker3")
    docker("stop", "-t", "30", VICTIM)
    found = table.status()
    assert f"server {VICTIM}.hbimg is not up" in found["drift"]
    assert any(f"of {VICTIM}.hbimg are on" in words and "is not up" in words for words in found["drift"])
    assert any("`hbimg layout plan` makes one without it" in words for words in found["due"])
    assert not next(server for server in found["servers"] if server["name"] == f"{VICTIM}.hbimg")["is_up"]
    refused = hbimg("layout", "apply", "--table", table.name, "--despite-problems", code=1).stderr.splitlines()
    assert f"'{VICTIM}.hbimg', which is not up" in refused[-1]
    table.is_whole("while-it-is-away")
    start(VICTIM)
    found = table.status()
    assert any(f"of {VICTIM}.hbimg are on" in words and "after a restart" in words for words in found["drift"])
    assert any(words.startswith("move region") for words in found["actions"])
    table.apply()  # without a plan: the one that was applied last
    table.stands_as_planned("worker1", VICTIM, "worker3")
    table.is_whole("repaired")


def test_a_worker_is_added(table):
    docker("stop", "-t", "30", VICTIM)
    table.ingest("worker1.hbimg=1", "worker3.hbimg=3")
    table.stands_as_planned("worker1", "worker3")
    start(VICTIM)
    found = table.status()
    assert any(words.startswith(f"server {VICTIM}.hbimg is new") for words in found["drift"])
    said = table.layout("plan", "-o", f"{table.folder}/new.toml")
    assert f"--server {VICTIM}.hbimg=CORES" in said.stderr
    table.apply("--plan", f"{table.folder}/new.toml")
    shares = {s["name"]: s["ideal_share"] for s in table.stands_as_planned("worker1", VICTIM, "worker3")["servers"]}
    assert shares == {"worker1.hbimg": 0.2, f"{VICTIM}.hbimg": 0.2, "worker3.hbimg": 0.6}  # as the first plan had them
    table.is_whole("with-the-new-one")
    table.layout("rollback", "--yes")
    assert {s["name"] for s in table.status()["servers"] if s["regions"]} == {"worker1.hbimg", "worker3.hbimg"}
    table.is_whole("rolled-back")
