"""`hbimg doctor` on what would break the mini-cluster for others: real daemons of our own beside it."""

from __future__ import annotations

import shutil
import socket
import tempfile
import zipfile
from pathlib import Path

import pytest
from own_hadoop import OwnHadoop
from own_hbase import OwnHBase
from running_doctor import doctor, doctor_until

from hbimg.model import VolumeKey
from hbimg.store import open_store
from hbimg.testing.volumes import nifti_content, smooth_voxels
from hbimg.volumes import VolumeTable, store_content

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]

LIBRARIES = Path("/opt/cluster/lib")


@pytest.fixture
def late_worker(tmp_path):
    """A worker that lives ten seconds in the past, says it is a newer Hadoop, has bad disks and little memory."""
    (tmp_path / "newer").mkdir()
    (tmp_path / "newer" / "common-version-info.properties").write_text("version=3.9.0\n")
    shared = Path(tempfile.mkdtemp(dir="/dev/shm"))  # 64 MB, as docker makes it
    disk = shutil.disk_usage(tmp_path)
    settings = {
        "hdfs-site": {
            "dfs.datanode.data.dir": f"{tmp_path}/dfs,{shared},/dev/null/dfs",
            "dfs.datanode.failed.volumes.tolerated": "1",
            # Kept for others: all that others have taken, and all that is free but a tenth of a gigabyte.
            "dfs.datanode.du.reserved": str(disk.used + disk.free - 10**8),
        },
        "yarn-site": {
            "yarn.nodemanager.local-dirs": f"{tmp_path}/yarn,/dev/null/yarn",
            "yarn.nodemanager.resource.memory.enforced": "true",
            "yarn.nodemanager.resource.memory-mb": "6",
        },
    }
    late = {"LD_PRELOAD": "/opt/cluster/native/late-clock.so", "LATE_S": "10"}
    hadoop = OwnHadoop(tmp_path / "hadoop", settings, late, str(tmp_path / "newer"))
    yield
    hadoop.stop()
    shutil.rmtree(shared)


def test_a_worker_with_a_wrong_clock_bad_disks_little_memory_and_another_hadoop_is_told(
    late_worker, cluster, table_name
):
    masters = ("--namenode", "localhost", "--resourcemanager", "localhost", "--master", "localhost:9")
    store = ("--store", "hbase://localhost?client=rpc&wait_s=1")
    late = {"disk-failed", "disk-full", "hdfs-full", "task-disk"}
    told, code, found = doctor_until(lambda told: late <= told.keys(), *store, *masters)
    host = socket.gethostname().partition(".")[0]
    assert host in [x["where"] for x in found if x["name"] == "clock-skew"]
    assert "3.9.0 on DataNode" in told["hadoop-mixed"]["seen"]
    assert told["hadoop-new"]["seen"] == "Hadoop 3.9.0"
    assert told["disk-failed"]["where"].startswith("DataNode")
    assert any("/dev/shm/" in x["seen"] for x in found if x["name"] == "disk-full")
    assert told["hdfs-full"]["seen"].startswith("0 of ")
    assert told["task-disk"]["where"].startswith("NodeManager")
    assert told["task-unwatched"]["where"].startswith("NodeManager")
    assert code == 1
    # The mini-cluster's HBase has a volume that is larger than a third of the 6 MiB.
    with open_store(f"hbase://{cluster.head}") as store:
        key = VolumeKey("p", "s1", "1", "T1w")
        store_content(VolumeTable.create(store, table_name), nifti_content(key, smooth_voxels((160, 160, 64))))
    told, _, _ = doctor("--store", f"hbase://{cluster.head}", *masters[:4])
    assert told["task-memory"]["where"].startswith("NodeManager")
    assert table_name in told["task-memory"]["seen"]


def says_another_version(folder, version):
    """Write HBase's class of its version, with another of the same length in it, into a folder for the class path."""
    (jar,) = LIBRARIES.glob("hbase-common-*.jar")
    path, now = folder / "org/apache/hadoop/hbase/Version.class", jar.stem.removeprefix("hbase-common-")
    content = zipfile.Path(jar, str(path.relative_to(folder))).read_bytes()
    assert content.count(now.encode()) == 1
    assert len(now) == len(version)
    path.parent.mkdir(parents=True)
    path.write_bytes(content.replace(now.encode(), version.encode()))
    return str(folder)


@pytest.mark.slow  # the class archive is of no use to it
def test_an_hbase_that_says_it_is_an_old_one_is_told(tmp_path, cluster):
    (tmp_path / "hbase").mkdir()
    old = says_another_version(tmp_path / "old", "2.4.18-hadoop")
    # HBase looks whether its own defaults are of its version.
    settings = {"hbase.defaults.for.version.skip": "true"}
    hbase = OwnHBase(tmp_path / "hbase", settings, first_port=26100, classes=old)
    try:
        masters = ("--namenode", cluster.head, "--resourcemanager", cluster.head)
        told, _, _ = doctor("--store", hbase.url(), "--master", f"localhost:{hbase.master_page}", *masters)
    finally:
        hbase.stop()
    assert (told["hbase-old"]["severity"], told["hbase-old"]["seen"]) == ("problem", "HBase 2.4.18-hadoop")
