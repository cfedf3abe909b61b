"""Who may do what on an HBase with access control: what is refused is one line, and nothing is lost by it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import nibabel.testing
import pytest
from own_hbase import OwnHBase
from running_doctor import doctor_until

from hbimg.errors import StoreError, StorePermissionError
from hbimg.store import TableSettings, open_store
from hbimg.store.rpc import hbase_pb2 as pb
from hbimg.store.rpc.admin import open_admin

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]

ACCESS = "org.apache.hadoop.hbase.security.access.AccessController"
SETTINGS = {
    "hbase.security.authorization": "true",
    "hbase.superuser": "root",
    **{f"hbase.coprocessor.{kind}.classes": ACCESS for kind in ("master", "region", "regionserver")},
    # For the doctor: its default, since an HMaster does not tell it; more copies than the mini-cluster has nodes; and a
    # region that does not open is stuck after a second, not a minute.
    "hbase.regionserver.info.port": "16030",
    "dfs.replication": "9",
    "hbase.metrics.rit.stuck.warning.threshold": "1000",
    "hbase.assignment.rit.chore.interval.msec": "1000",
}
IMAGES = [Path(nibabel.testing.data_path) / name for name in ("anatomical.nii", "example4d.nii.gz")]
READ, WRITE, CREATE = 0, 1, 3  # HBase's numbers of its actions


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    """An HBase in which only root may do anything, with one table of his."""
    hbase = OwnHBase(tmp_path_factory.mktemp("guarded"), SETTINGS)
    try:
        run("root", hbase.url(), "ingest", IMAGES[0], "--table", "kept", "--project", "p")
        yield hbase
    finally:
        hbase.stop()


@pytest.fixture(scope="module")
def ways(guarded, module_thrift_server):
    """For a user, the URLs by which HBase is reached as him: its own RPC, and a Thrift 2 server that runs as him."""
    ports = {}

    def ways(user):
        if user not in ports:
            ports[user] = 9690 + 10 * len(ports)
            module_thrift_server(ports[user], conf=guarded.conf, user=user)
        port = ports[user]
        thrift = f"hbase://localhost:{port}?client=thrift&own_host=no&wait_s=5&info_port={port + 1}"
        return {"RPC": guarded.url(wait_s="5"), "Thrift 2": thrift}

    return ways


def hbimg(user, url, command, *arguments):
    done = subprocess.run(
        [sys.executable, "-m", "hbimg", command, *map(str, arguments), "--store", url],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "HADOOP_USER_NAME": user},
    )
    assert "Traceback" not in done.stderr
    return done


def run(user, url, command, *arguments):
    """Run hbimg as a user; its output."""
    done = hbimg(user, url, command, *arguments)
    assert done.returncode == 0, f"{command} {arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def refused(user, url, command, *arguments):
    """Run hbimg as a user who may not; the one line, its last, that says so."""
    done = hbimg(user, url, command, *arguments)
    told = [line for line in done.stderr.splitlines() if "Insufficient permissions" in line]
    assert done.returncode == 1
    assert told == done.stderr.splitlines()[-1:], done.stderr
    return told[0]


def verified(user, url, table):
    """How many volumes are whole, when all are."""
    done = hbimg(user, url, "verify", "--table", table)
    return int(re.search(r"(\d+) verified .* 0 with faults", done.stderr)[1])


class Raw:
    """A request that hbimg itself never makes, as bytes."""

    def __init__(self, text):
        self.SerializeToString = lambda: text


def grant(hbase, user, table, actions):
    """HBase shell's `grant`, past hbimg: protobuf messages, each field with its number."""

    def field(number, value):
        text = value if isinstance(value, bytes) else value.encode()
        return bytes([number << 3 | 2, len(text)]) + text

    name = field(1, "default") + field(2, table)
    allowed = field(1, name) + b"".join(bytes([4 << 3, action]) for action in actions)
    permission = bytes([1 << 3, 3]) + field(4, allowed)  # of the kind "on a table"
    request = Raw(field(1, field(1, user) + field(3, permission)))
    nothing = pb.IsBalancerEnabledRequest  # as empty as the answer
    with open_admin(hbase.url()) as admin:
        admin.cluster.call_master("Grant", request, nothing, "granting")


def settled(user, monkeypatch, url, table):
    """Wait until the servers have heard what was granted."""
    monkeypatch.setenv("HADOOP_USER_NAME", user)
    for _ in range(40):
        try:
            with open_store(url) as store:
                store.table(table)
                return
        except StorePermissionError:
            time.sleep(0.25)
    pytest.fail("the grant came to nothing")


@pytest.mark.parametrize("way", ["RPC", "Thrift 2"])
def test_a_user_without_rights_gets_one_line(guarded, ways, way):
    url = ways("guest")[way]
    assert "kept" not in run("guest", url, "tables")
    volume = json.loads(run("root", guarded.url(), "ls", "--table", "kept", "--json"))[0]["key"]
    for command, *arguments in (
        ("ls", "--table", "kept"),
        ("ingest", IMAGES[1], "--table", "kept", "--project", "p"),
        ("ingest", IMAGES[1], "--table", "new", "--project", "p"),
        ("run", "compress", "--table", "kept", "--engine", "local"),
        ("rm", volume, "--table", "kept", "--yes"),
        ("tables", "--drop", "kept", "--yes"),
    ):
        line = refused("guest", url, command, *arguments)
        assert "guest" in line
        assert "grant" in line
    assert verified("root", guarded.url(), "kept") == 1
    assert "new" not in run("root", guarded.url(), "tables")


@pytest.mark.parametrize("way", ["RPC", "Thrift 2"])
def test_a_user_who_may_only_read_reads_and_changes_nothing(guarded, ways, way, monkeypatch, tmp_path):
    """HBase shows a table's settings only to those who might create it, so that hbimg's readers need that, too."""
    grant(guarded, "reader", "kept", [READ, CREATE])
    url = ways("reader")[way]
    settled("reader", monkeypatch, url, "kept")
    (listed,) = json.loads(run("reader", url, "ls", "--table", "kept", "--json"))
    run("reader", url, "export", "--table", "kept", "--to", tmp_path / "out")
    (exported,) = (path for path in (tmp_path / "out").rglob("*") if path.is_file())
    assert exported.read_bytes() == IMAGES[0].read_bytes()
    for command, *arguments in (
        ("ingest", IMAGES[1], "--table", "kept", "--project", "p"),
        ("run", "compress", "--table", "kept", "--engine", "local"),
        ("rm", listed["key"], "--table", "kept", "--yes"),
    ):
        assert "reader" in refused("reader", url, command, *arguments)
    assert verified("root", guarded.url(), "kept") == 1
    assert json.loads(run("root", guarded.url(), "ls", "--table", "kept", "--json")) == [listed]


def test_a_user_with_read_write_and_create_works(guarded, monkeypatch):
    url = guarded.url(wait_s="5")
    run("root", url, "ingest", IMAGES[0], "--table", "lent", "--project", "p")
    grant(guarded, "writer", "lent", [READ, WRITE, CREATE])
    settled("writer", monkeypatch, url, "lent")
    run("writer", url, "ingest", IMAGES[1], "--table", "lent", "--project", "p")
    run("writer", url, "run", "compress", "--table", "lent", "--engine", "local")
    assert verified("writer", url, "lent") == 2
    assert "writer" in refused("writer", url, "ls", "--table", "kept")


@pytest.fixture
def stuck(guarded):
    """A table whose file has other bytes than were written: its region does not open."""
    with open_store(guarded.url()) as store:
        store.create_table("stuck", TableSettings()).put(b"row", {b"i:0": b"value"})
    with open_admin(guarded.url()) as admin:
        admin.flush("stuck")
        admin.disable("stuck")
    (file,) = (guarded.folder / "data/data/default/stuck").glob("*/i/*")
    file.write_bytes(bytes(1000))
    with open_admin(guarded.url(wait_s="2")) as hasty, pytest.raises(StoreError):
        hasty.enable("stuck")


@pytest.mark.usefixtures("stuck")
def test_the_doctor_sees_what_is_unlike_a_cluster_and_a_region_that_does_not_open(guarded, cluster):
    """Beside the mini-cluster's HDFS and YARN: an HBase on a folder of a machine that is no worker."""
    masters = ["--master", f"localhost:{guarded.master_page}", "--namenode", cluster.head]
    masters += ["--resourcemanager", cluster.head]
    store = ("--store", guarded.url(wait_s="2"))
    told, code, found = doctor_until(lambda told: "regions-stuck" in told, *store, *masters)
    assert code == 1
    assert "localhost" in told["rootdir-not-hdfs"]["where"]
    assert "localhost" in told["replication-high"]["where"]
    assert told["regions-stuck"]["seen"].startswith("1 regions")
    lacking = [x["where"] for x in found if x["name"] == "worker-incomplete" and x["severity"] != "ok"]
    incomplete = " ".join(lacking)
    assert all(host in incomplete for host in ("localhost", *cluster.workers))
