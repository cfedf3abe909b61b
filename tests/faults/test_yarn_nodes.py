"""A daemon of a worker dies alone while a job runs on YARN: the job ends, every volume has one right result."""

from __future__ import annotations

import pytest
from broken_cluster import VICTIM
from lone_daemons import LoneDaemons

pytestmark = [pytest.mark.faults, pytest.mark.timeout(900)]


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
