"""A worker, or the application master, is killed in mid-job on YARN: the job ends, every volume has one result."""

from __future__ import annotations

import pytest
from broken_cluster import VICTIM, docker
from yarn_jobs import VOLUMES, master_of

pytestmark = [pytest.mark.faults, pytest.mark.timeout(1500)]


def test_a_job_survives_a_killed_worker(job_table, kill):
    """Its DataNode, NodeManager, RegionServer, Thrift server and tasks go at once."""
    run, _ = job_table.start()
    kill(VICTIM)
    cluster = job_table.finish(run)
    assert cluster["maps"]["launched"] > VOLUMES // 4  # some were run again


def test_a_job_survives_its_application_master(job_table):
    """YARN starts a second one, which takes over what the first had finished."""
    run, application = job_table.start()
    worker, process = master_of(application)
    docker("exec", worker, "kill", "-9", process)
    job_table.finish(run)
