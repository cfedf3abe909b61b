"""What hbimg builds on works in the mini-cluster: HDFS, YARN, HBase over every worker's Thrift, racks, names."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time

import pytest
from thriftpy2.thrift import TException

pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("cluster")]


def hdfs(*arguments: str, data: bytes = b"") -> bytes:
    """Hadoop's own command line, as a user types it."""
    done = subprocess.run(["hdfs", *arguments], input=data, capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def short(name: str) -> str:
    return name.partition(".")[0]


def test_hdfs_gives_back_what_was_put():
    content = os.urandom(3_000_000)
    path = f"/tmp/round-trip-{os.getpid()}"
    try:
        hdfs("dfs", "-put", "-f", "-", path, data=content)
        assert hdfs("dfs", "-cat", path) == content
    finally:
        hdfs("dfs", "-rm", "-f", "-skipTrash", path)
    assert b"round-trip" not in hdfs("dfs", "-ls", "/tmp")


def test_a_block_has_the_replication_of_the_settings(cluster):
    path = f"/tmp/replicas-{os.getpid()}"
    cluster.put_file(path, b"x" * 1000)
    try:
        assert json.loads(cluster.webhdfs(path, "GETFILESTATUS"))["FileStatus"]["replication"] == cluster.replication
        blocks = json.loads(cluster.webhdfs(path, "GETFILEBLOCKLOCATIONS"))["BlockLocations"]["BlockLocation"]
        holders = {short(host) for host in blocks[0]["hosts"]}
        assert len(holders) == cluster.replication
        assert holders <= set(cluster.workers)
    finally:
        cluster.webhdfs(path, "DELETE", "DELETE")


def test_replicas_are_on_two_racks_where_there_are_two(cluster):
    if cluster.replication < 2 or len({cluster.rack_of(worker) for worker in cluster.workers}) < 2:
        pytest.skip("the settings give one copy or one rack")
    path = f"/tmp/racks-{os.getpid()}"
    cluster.put_file(path, b"x" * 1000)
    try:
        blocks = json.loads(cluster.webhdfs(path, "GETFILEBLOCKLOCATIONS"))["BlockLocations"]["BlockLocation"]
        assert len({cluster.rack_of(short(host)) for host in blocks[0]["hosts"]}) == 2
    finally:
        cluster.webhdfs(path, "DELETE", "DELETE")


def test_hdfs_and_yarn_see_the_racks_of_the_settings(cluster):
    wanted = {worker: cluster.rack_of(worker) for worker in cluster.workers}
    topology: dict[str, str] = {}
    rack = ""
    for line in hdfs("dfsadmin", "-printTopology").decode().splitlines():
        if line.startswith("Rack:"):
            rack = line.split()[1]
        elif "(" in line:  # "   172.18.0.3:9866 (worker1.hbimg) In Service"
            topology[short(line.split("(")[1].split(")")[0])] = rack
    assert topology == wanted
    nodes = cluster.json(f"http://{cluster.head}:8088/ws/v1/cluster/nodes")["nodes"]["node"]
    assert {short(node["nodeHostName"]): node["rack"] for node in nodes if node["state"] == "RUNNING"} == wanted


def test_yarn_has_every_worker_and_its_memory(cluster):
    metrics = cluster.json(f"http://{cluster.head}:8088/ws/v1/cluster/metrics")["clusterMetrics"]
    assert metrics["activeNodes"] == len(cluster.workers)
    assert metrics["unhealthyNodes"] == 0
    assert metrics["totalMB"] == len(cluster.workers) * int(os.environ["HBIMG_CLUSTER_YARN_MEMORY_MB"])


def test_every_name_of_a_worker_is_the_same(cluster):
    """HBase takes a split's host from reverse DNS, YARN goes by the NodeManager's: if they differ, no map is local."""
    live = json.loads(cluster.bean(cluster.head, 9870, "service=NameNode,name=NameNodeInfo")["LiveNodes"])
    datanodes = {name.split(":")[0] for name in live}
    nodes = cluster.json(f"http://{cluster.head}:8088/ws/v1/cluster/nodes")["nodes"]["node"]
    nodemanagers = {node["nodeHostName"] for node in nodes if node["state"] == "RUNNING"}
    servers = cluster.bean(cluster.head, 16010, "service=HBase,name=Master,sub=Server")["tag.liveRegionServers"]
    regionservers = {name.split(",")[0] for name in servers.split(";") if name}
    reverse = {socket.gethostbyaddr(socket.gethostbyname(worker))[0] for worker in cluster.workers}
    assert datanodes == nodemanagers == regionservers == reverse
    assert {short(name) for name in reverse} == set(cluster.workers)


def test_hbase_over_every_thrift_server(cluster, thrift, table_name):
    """A table made over one server is filled, scanned and emptied over all of them."""
    thrift(cluster.workers[0]).create_table(table_name, {"i": {"max_versions": 1}, "m": {}})
    image = os.urandom(512 * 1024)
    for worker in cluster.workers:
        table = thrift(worker).table(table_name)
        with table.batch() as batch:
            for number in range(20):
                batch.put(f"{worker},i{number:06d}".encode(), {b"i:px": image, b"m:n": b"%d" % number})
    for worker in cluster.workers:
        rows = list(thrift(worker).table(table_name).scan(columns=[b"i"], batch_size=8))
        assert [key for key, _ in rows] == [f"{w},i{n:06d}".encode() for w in cluster.workers for n in range(20)]
        assert all(cells == {b"i:px": image} for _, cells in rows)
    for worker in cluster.workers:
        table = thrift(worker).table(table_name)
        table.delete(f"{worker},i000007".encode())
        assert table.row(f"{worker},i000007".encode()) == {}
    left = list(thrift(cluster.workers[-1]).table(table_name).scan(columns=[b"m"]))
    assert len(left) == 19 * len(cluster.workers)
    thrift(cluster.workers[-1]).delete_table(table_name, disable=True)
    assert table_name.encode() not in thrift(cluster.workers[0]).tables()


def test_a_region_server_reads_its_blocks_past_the_datanode(cluster, thrift, table_name):
    """Short-circuit reads need libhadoop.so and a socket that DataNode and RegionServer share; else silently off."""

    def read_past_the_datanode() -> int:
        beans = [
            cluster.bean(worker, 16030, "service=HBase,name=RegionServer,sub=Server") for worker in cluster.workers
        ]
        return sum(bean["shortCircuitBytesRead"] for bean in beans)

    before = read_past_the_datanode()
    connection = thrift(cluster.workers[0])
    connection.create_table(table_name, {"i": {"block_cache_enabled": False}})
    for number in range(16):
        connection.table(table_name).put(b"i%06d" % number, {b"i:px": os.urandom(512 * 1024)})
    connection.disable_table(table_name)  # a closing region writes its cells to a file
    connection.enable_table(table_name)
    for _ in range(40):  # the server counts every few seconds
        assert len(list(connection.table(table_name).scan())) == 16
        if read_past_the_datanode() - before >= 16 * 512 * 1024:
            return
        time.sleep(1)
    pytest.fail(f"{read_past_the_datanode() - before} bytes were read past the DataNode")


def test_a_cell_above_the_stated_limit_is_refused(cluster, thrift, table_name):
    """10 MiB is HBase's own limit and ours: what passes here passes on a site with HBase's defaults."""
    connection = thrift(cluster.workers[0])
    connection.create_table(table_name, {"i": {}})
    limit = 10 * 1024 * 1024
    fits = bytes(limit - 1024)  # the limit counts row key, family, qualifier and timestamp too
    connection.table(table_name).put(b"fits", {b"i:px": fits})
    assert connection.table(table_name).row(b"fits")[b"i:px"] == fits
    with pytest.raises(TException, match="KeyValue size too large"):
        connection.table(table_name).put(b"too large", {b"i:px": bytes(limit + 1)})


def test_hbimg_is_on_the_client():
    done = subprocess.run(["hbimg", "--version"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_pydoop_reads_hdfs(cluster):
    """pydoop was compiled against these very jars; its HDFS client loads the JVM in this process."""
    path = f"/tmp/pydoop-{os.getpid()}"
    cluster.put_file(path, b"slices")
    script = f"import pydoop.hdfs as h; print(h.load({path!r}, mode='rb')); h.rm({path!r})"
    done = subprocess.run(["python", "-c", script], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "b'slices'"
