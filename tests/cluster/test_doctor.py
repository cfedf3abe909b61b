"""`hbimg doctor` on the mini-cluster: well as it comes up, and findings that can be made without breaking it."""

from __future__ import annotations

import os
import time

import pytest
from running_doctor import doctor, doctor_until

from hbimg.doctor.network import Network
from hbimg.errors import StoreError
from hbimg.rowkeys import KeyRange
from hbimg.store import Put, TableSettings, open_store
from hbimg.store.cells import seal_all
from hbimg.store.hbase_address import HBaseAddress, Server
from hbimg.store.rpc.admin import Admin
from hbimg.store.rpc.cluster import Cluster
from hbimg.store.rpc.login import SimpleLogin
from hbimg.volumes import VolumeTable

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]


#: HBase rewrites and copies blocks at any time, disks are the machine's own, and tables of other tests may be none of
#: hbimg's, or just being made.
PASSING = {"hdfs-few-copies", "hdfs-full", "disk-full", "task-disk", "locality-low", "table-unreadable"}


@pytest.mark.parametrize("start", ["head", "worker1,worker2"])
def test_the_mini_cluster_is_well(cluster, start):
    """From any Thrift server all of it is found; the balancer is on, as HBase ships it."""
    told, _, found = doctor("--store", f"hbase://{start}")
    assert set(told) - PASSING == {"balancer-on", "node-python"}
    assert told["balancer-on"]["severity"] == "advice"
    seen = {finding["name"]: f"{finding['where']} {finding['seen']}" for finding in found}
    for worker in cluster.workers:
        assert worker in seen["thrift-silent"]
    assert "Hadoop 3.3" in seen["hadoop-mixed"]
    assert "HBase 2.6" in seen["hbase-old"]
    assert "Java 17" in seen["java-untested"]


def test_tables_that_lose_writes_or_are_normalized_are_told(cluster, table_name):
    attributes = {"DURABILITY": "ASYNC_WAL", "NORMALIZATION_ENABLED": "true"}
    with open_store(f"hbase://{cluster.head}") as store:
        store.create_table(table_name, TableSettings(attributes=attributes))
    told, code, _ = doctor("--store", f"hbase://{cluster.head}")
    assert table_name in told["durability-weak"]["where"]
    assert table_name in told["normalizer-on"]["where"]
    assert code == 1


@pytest.fixture
def admin(cluster):
    with Admin(Cluster([Server(cluster.head, 16000)], SimpleLogin())) as admin:
        before = admin.balancer_is_on(), admin.normalizer_is_on()
        yield admin
        admin.set_balancer(on=before[0])
        admin.set_normalizer(on=before[1])


def test_the_balancers_and_the_normalizers_switches_are_told(cluster, admin, table_name):
    with open_store(f"hbase://{cluster.head}") as store:
        store.create_table(table_name, TableSettings(attributes={"NORMALIZATION_ENABLED": "true"}))
    for on in (False, True):
        admin.set_balancer(on=on)
        admin.set_normalizer(on=on)
        told, _, _ = doctor("--store", f"hbase://{cluster.head}")
        assert {name for name in told if name.endswith("-on")} == ({"balancer-on", "normalizer-on"} if on else set())


def test_blocks_with_too_few_copies_are_told(cluster):
    path = "/tmp/doctor-copies"
    cluster.put_file(path, b"x" * 1000)
    try:
        many = len(cluster.workers) + 1
        cluster.webhdfs(path, f"SETREPLICATION&replication={many}", "PUT")
        for _ in range(30):  # the NameNode counts them after a moment
            told, _, _ = doctor("--store", f"hbase://{cluster.head}")
            if "hdfs-few-copies" in told:
                return
            time.sleep(1)
        pytest.fail(f"not told: {told}")
    finally:
        cluster.webhdfs(path, "DELETE", "DELETE")


def test_hbase_tells_its_version_by_rpc_too(cluster):
    """As the only way on HBase 2.3 and 2.4, which the doctor refuses."""
    network = Network(HBaseAddress.parse(f"hbase://{cluster.head}"))
    assert network.hbase_version(Server(cluster.head, 16000)).startswith("2.6.")


def test_a_thrift_server_that_is_none_is_told(cluster):
    worker = cluster.workers[0]
    _, code, found = doctor("--store", f"hbase://{cluster.head}:9090,{worker}:9190,{cluster.head}:9999?client=thrift")
    assert code == 1
    silent = {x["where"]: x["seen"] for x in found if x["name"] == "thrift-silent" and x["severity"] == "problem"}
    assert "Thrift 1 server" in silent[f"{worker}:9190"]
    assert "nothing listens" in silent[f"{cluster.head}:9999"]


def test_a_cluster_is_met_by_either_way(cluster):
    """From a worker by HBase's own RPC alone, and through Thrift alone; both find all."""
    for url in (f"hbase://{cluster.workers[0]}?client=rpc", f"hbase://{cluster.workers[0]}?client=thrift"):
        told, _, found = doctor("--store", url)
        assert set(told) - PASSING == {"balancer-on", "node-python"}
        assert len({x["name"] for x in found}) > 20


def test_ports_that_are_closed_are_told(cluster):
    """HBase's own RPC at ports where nothing listens, as behind a firewall; so too the Thrift servers' web pages."""
    url = f"hbase://{cluster.head}?rpc_ports=9&own_host=no"
    told, _, _ = doctor("--store", url, "--thrift-info-port", "9")
    assert told["rpc-silent"]["severity"] == "advice"
    assert told["thrift-settings"]["severity"] == "unknown"
    told, code, _ = doctor("--store", f"{url}&client=rpc")
    assert told["rpc-silent"]["severity"] == "problem"
    assert code == 1


def test_a_table_in_another_format_is_told(cluster, table_name):
    with open_store(f"hbase://{cluster.head}") as store:
        volumes = VolumeTable.create(store, table_name)
        table, row = volumes.table, next(row.key for row in volumes.table.scan(KeyRange(), ["m"]))
        (column,) = table.get(row)
        table.put(row, seal_all(row, {column: b'{"version": 0}'}))
    _, code, found = doctor("--store", f"hbase://{cluster.head}")
    # Tables of other tests are none of hbimg's, or just being made.
    assert table_name in [x["where"] for x in found if x["name"] == "table-unreadable"]
    assert code == 1


def test_regions_away_from_their_files_are_told(cluster, admin, table_name):
    """Two copies on three workers: on one of them, nothing of the table is local."""
    admin.set_balancer(on=False)
    with open_store(f"hbase://{cluster.head}") as store:
        table = store.create_table(table_name, TableSettings())
        table.put_many(Put(b"%03d" % number, {b"i:0": os.urandom(1 << 20)}) for number in range(40))
    admin.flush(table_name)
    (region,) = admin.regions(table_name)
    for server in admin.servers():
        region = admin.move(region, server)
        if admin.loads(table_name)[region.encoded].locality < 0.5:
            break
    else:
        pytest.fail("its files are on every worker")

    def is_told(told):
        return server.host in told.get("locality-low", {}).get("where", "")

    told, _, _ = doctor_until(is_told, "--store", f"hbase://{cluster.head}")
    assert is_told(told), told


def test_masters_that_are_elsewhere_are_told(cluster):
    wrong = [f"--{name}={cluster.head}:9" for name in ("namenode", "resourcemanager", "master")]
    told, code, found = doctor("--store", f"hbase://{cluster.head}", *wrong)
    assert code == 1
    silent = [finding["where"] for finding in found if finding["name"] == "master-silent"]
    assert all(any(kind in where for where in silent) for kind in ("NameNode", "ResourceManager", "HMaster"))
    assert told["reverse-dns-differs"]["severity"] == "unknown"


def test_a_master_in_waiting_is_told(cluster, backup_master, conf_with):
    conf = conf_with({"hbase.master.port": "16100", "hbase.master.info.port": "16110"})
    backup_master(16110, conf=conf)
    told, code, _ = doctor("--store", f"hbase://{cluster.head}", "--master", "localhost:16110")
    assert "backup" in told["master-not-active"]["seen"]
    assert code == 1


def test_a_thrift_server_whose_limit_is_too_small_is_refused_before_the_first_write(
    cluster, table_name, conf_with, own_server
):
    """A Thrift server of our own, with another hbase-site.xml; the doctor and the store both name the setting.

    It names a second ZooKeeper too, which is not there.
    """
    settings = {"hbase.client.keyvalue.maxsize": "100000", "hbase.zookeeper.quorum": "head,localhost"}
    own_server(9590, conf=conf_with(settings))
    url = "hbase://localhost:9590?client=thrift&own_host=no&info_port=9591"
    with open_store(url) as store, pytest.raises(StoreError, match=r"hbase\.client\.keyvalue\.maxsize = 100,000"):
        store.create_table(table_name, TableSettings())
    told, code, _ = doctor("--store", url, "--thrift-info-port", "9591", "--master", cluster.head)
    assert "hbase.client.keyvalue.maxsize" in told["cell-limit"]["seen"]
    assert told["zookeeper-silent"]["where"].startswith("localhost:")
    assert code == 1
    with open_store(f"hbase://{cluster.head}") as store:
        assert table_name not in store.tables()
