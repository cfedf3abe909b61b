"""How tests break the mini-cluster: from the machine with its engine, container by container, and heal it again."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import time
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


def doctor(*arguments, store="hbase://head"):
    """All findings that are not as they should be, as (name, where, seen), and the command's exit."""
    command = [*CLIENT, "python", "-m", "hbimg", "doctor", "--store", store, "--json", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180)
    assert "Traceback" not in done.stderr, done.stderr
    found = [x for findings in json.loads(done.stdout).values() for x in findings if x["severity"] != "ok"]
    return {(x["name"], x["where"]): x for x in found}, done.returncode


def told(found, name, where=""):
    return [x for (found_name, place), x in found.items() if found_name == name and where in place]


def settled(name, where, limit_s=90):
    """Ask until the masters have noticed."""
    deadline = time.monotonic() + limit_s
    while True:
        found, code = doctor()
        if told(found, name, where):
            return found, code
        assert time.monotonic() < deadline, found
