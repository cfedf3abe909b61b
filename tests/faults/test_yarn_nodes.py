"""A daemon of a worker dies alone, a worker joins, or is drained, while a job runs on YARN: the job ends right."""

from __future__ import annotations

import json
import time

import pytest
from broken_cluster import VICTIM, docker
from lone_daemons import LoneDaemons
from yarn_jobs import VOLUMES, master_of

pytestmark = [pytest.mark.faults, pytest.mark.timeout(900)]

#: With a region's four volumes in one map, it is at work for longer than YARN needs to give its worker up.
SLOWLY_S = 12
EXCLUDED = "/etc/hbimg-cluster/yarn-exclude"


@pytest.fixture(scope="module")
def broken():
    """The workers whose daemons are killed one by one; all are started anew in the end."""
    found = {}
    yield found
    for daemons in found.values():
        daemons.heal()


@pytest.fixture
def lone(broken):
    """Give the daemons of a worker; after the test all of them run again."""

    def lone(worker):
        if worker not in broken:
            broken[worker] = LoneDaemons(worker)
        return broken[worker]

    yield lone
    for daemons in broken.values():
        daemons.revive_all()


def running_nodes():
    """The hosts whose NodeManagers YARN gives work to."""
    answer = docker("exec", "client", "curl", "-s", "http://head:8088/ws/v1/cluster/nodes").stdout
    nodes = json.loads(answer)["nodes"]["node"]
    return {node["nodeHostName"].partition(".")[0] for node in nodes if node["state"] == "RUNNING"}


def wait_for_nodes(wanted):
    end = time.monotonic() + 90
    while running_nodes() != wanted:
        assert time.monotonic() < end, running_nodes()
        time.sleep(0.5)


def attempts_on(worker, cluster):
    return [attempt for attempt in cluster["attempts"] if attempt["host"].partition(".")[0] == worker]


def test_a_job_survives_a_killed_node_manager(job_table, lone):
    """Its tasks live on, but YARN has given them up after 20 s, and runs them again elsewhere."""
    run, application = job_table.start("--split-size", "1GB", pad_s=SLOWLY_S)
    worker = VICTIM if master_of(application)[0] != VICTIM else "worker3"  # the master is the matter of another test
    lone(worker).kill("nodemanager")
    cluster = job_table.finish(run)
    assert {attempt["state"] for attempt in attempts_on(worker, cluster)} & {"KILLED", "FAILED"}
    assert cluster["maps"]["launched"] > VOLUMES // 4


def test_a_job_survives_a_killed_region_server(job_table, lone):
    """Other servers open its regions; the tasks beside it wait, read there, and the report says from where."""
    run, _ = job_table.start()
    lone(VICTIM).kill("regionserver")
    cluster = job_table.finish(run)
    assert cluster["reconciled"]["not_local_by_readers_bytes"] > 0
    assert any(source["other_bytes"] for source in cluster["sources"] if source["host"].startswith(VICTIM))


class TestThroughThrift:
    """Where tasks do not speak HBase's own RPC."""

    @pytest.fixture
    def url(self):
        return "hbase://head?client=thrift&wait_s=300"

    def test_a_job_survives_a_killed_thrift_server(self, job_table, lone):
        """The tasks beside it go on through another host's, and the report says so."""
        run, _ = job_table.start()
        lone(VICTIM).kill("thrift")
        cluster = job_table.finish(run)
        (mine,) = [source for source in cluster["sources"] if source["host"].startswith(VICTIM)]
        assert mine["own_bytes"] > 0
        assert mine["other_bytes"]


def test_a_worker_that_joins_gets_work(job_table, lone):
    """It was not there when the job was planned."""
    everyone = running_nodes()
    daemons = lone(VICTIM)
    daemons.kill("nodemanager")
    wait_for_nodes(everyone - {VICTIM})
    run, _ = job_table.start("--split-size", "1B")
    joined_s = time.time()
    daemons.revive("nodemanager")
    cluster = job_table.finish(run)
    mine = attempts_on(VICTIM, cluster)
    assert mine
    assert min(attempt["launched_s"] for attempt in mine) > joined_s
    assert {attempt["state"] for attempt in mine} == {"SUCCEEDED"}


@pytest.fixture
def drain():
    """Take a worker out of YARN, letting its tasks end; in the end it may work again."""

    def exclude(hosts):
        docker("exec", "-i", "head", "bash", "-c", f"cat >{EXCLUDED}", input=hosts)
        docker("exec", "head", "yarn", "rmadmin", "-refreshNodes", "-g", "300", "-server")

    yield lambda worker: exclude(f"{worker}.hbimg\n")
    exclude("")


def test_a_worker_that_is_drained_hands_back(job_table, lone, drain):
    """What it has begun it ends; the rest is done by the others, and nothing is done twice."""
    daemons = lone(VICTIM)
    run, _ = job_table.start("--split-size", "1B")
    everyone = running_nodes()
    drain(VICTIM)
    wait_for_nodes(everyone - {VICTIM})
    drained_s = time.time() + 5  # what it was given before it launches yet
    cluster = job_table.finish(run)
    mine = attempts_on(VICTIM, cluster)
    assert mine
    assert max(attempt["launched_s"] for attempt in mine) < drained_s
    assert {attempt["state"] for attempt in cluster["attempts"]} == {"SUCCEEDED"}
    daemons.wait_for_end("nodemanager", 90)  # YARN lets it go
