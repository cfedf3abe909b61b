"""The helper beside these tests is found by name; a worker that is killed comes back."""

from __future__ import annotations

import secrets
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from broken_cluster import docker, wait_until_all_is_well
from yarn_jobs import DROP, FILL, JobTable


@pytest.fixture
def kill():
    """Kill a worker as a power cut does; it is started again afterwards."""
    killed = []

    def kill(worker):
        docker("kill", worker)
        killed.append(worker)

    yield kill
    for worker in killed:
        docker("start", worker)
    wait_until_all_is_well()


@pytest.fixture
def url():
    """How jobs reach the store; tests may choose another way."""
    return "hbase://head?wait_s=300"


@pytest.fixture
def job_table(url):
    """A table with volumes for a job on YARN."""
    table = JobTable(url, f"faults_{secrets.token_hex(4)}")
    table.program(FILL)
    yield table
    table.program(DROP)
