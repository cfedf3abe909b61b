"""How tests break the mini-cluster: from the machine with its engine, container by container, and heal it again."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path

CLUSTER = Path(__file__).parents[2] / "docker" / "cluster"
#: How a command is run in the client, with the code under test.
CLIENT = shlex.split(os.environ.get("HBIMG_CLUSTER_CLIENT", "docker exec -i client"))
#: The same in all tests: killing another one soon after would be the loss of both copies, which replication 2 does not
#: promise to survive.
VICTIM = "worker2"


def docker(*arguments, **options):
    return subprocess.run(["docker", *arguments], capture_output=True, text=True, check=True, timeout=120, **options)


def wait_until_all_is_well():
    done = subprocess.run([CLUSTER, "wait"], capture_output=True, text=True, timeout=400, env=os.environ)
    assert done.returncode == 0, done.stdout + done.stderr
