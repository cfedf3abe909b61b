"""Every finding of the doctor: the recorded, healthy cluster is altered in just that way, and the finding is seen."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from recorded_cluster import table

from hbimg.doctor.network import Switches
from hbimg.doctor.places import Places, server_of
from hbimg.errors import ConfigError
from hbimg.store.hbase_address import Server
from hbimg.store.thrift import Packing

NAMENODE = "service=NameNode,name=NameNodeInfo"
NAMESYSTEM = "service=NameNode,name=FSNamesystem"
MASTER = "service=HBase,name=Master,sub=Server"
BALANCER = "service=HBase,name=Master,sub=Balancer"
REGION_SERVER = "service=HBase,name=RegionServer,sub=Server"
MEMORY, RUNTIME = "java.lang:type=Memory", "java.lang:type=Runtime"
GIB, MIB = 1 << 30, 1 << 20


def changes(**kinds):
    """Alter attributes of beans: kind of change to (place, bean, attribute, value)."""

    def alter(cluster):
        for place, bean, attribute, value in kinds.values():
            cluster.bean(place, bean)[attribute] = value

    return alter


def bean(place, name, attribute, value):
    return changes(one=(place, name, attribute, value))


def setting(port, name, value, **more):
    return lambda cluster: cluster.set(port, name, value, **more)


def gone(*places):
    return lambda cluster: cluster.gone(*places)


def heap(place, size):
    return lambda cluster: cluster.bean(place, MEMORY)["HeapMemoryUsage"].update(max=size)


def java_option(place, old, new):
    def alter(cluster):
        options = cluster.bean(place, RUNTIME)["InputArguments"]
        assert old in options
        cluster.bean(place, RUNTIME)["InputArguments"] = [new if option == old else option for option in options]

    return alter


def dead_datanode(cluster):
    info = cluster.bean("head:9870", NAMENODE)
    live = json.loads(info["LiveNodes"])
    node = live.pop("worker2.hbimg:9866")
    info["LiveNodes"], info["DeadNodes"] = json.dumps(live), json.dumps({"worker2.hbimg:9866": node})


def node_state(state, report=""):
    def alter(cluster):
        nodes = cluster.answers["head:8088"]["/ws/v1/cluster/nodes"]["nodes"]["node"]
        (node,) = (node for node in nodes if node["nodeHostName"] == "worker2.hbimg")
        node.update(state=state, healthReport=report)

    return alter


def no_nodemanager(cluster):
    nodes = cluster.answers["head:8088"]["/ws/v1/cluster/nodes"]["nodes"]
    nodes["node"] = [node for node in nodes["node"] if node["nodeHostName"] != "worker2.hbimg"]


def no_nodemanagers(cluster):
    cluster.answers["head:8088"]["/ws/v1/cluster/nodes"] = {"nodes": None}


def dead_regionserver(cluster):
    server = cluster.bean("head:16010", MASTER)
    names = server["tag.liveRegionServers"].split(";")
    server["tag.deadRegionServers"] = next(name for name in names if name.startswith("worker2"))
    server["tag.liveRegionServers"] = ";".join(name for name in names if not name.startswith("worker2"))


def regionserver_named(name):
    def alter(cluster):
        server = cluster.bean("head:16010", MASTER)
        server["tag.liveRegionServers"] = server["tag.liveRegionServers"].replace("worker2.hbimg", name)
        cluster.addresses[name] = cluster.addresses["worker2.hbimg"]
        cluster.answers[f"{name}:16030"] = cluster.answers["worker2.hbimg:16030"]

    return alter


METRICS = "/api/v1/admin/cluster_metrics"


def no_version_page(version, page=None):
    """An HBase before 2.5: only its RPC tells its version, if that is reached."""

    def alter(cluster):
        cluster.answers["head:16010"][METRICS] = page
        cluster.hbase_version = version

    return alter


def nowhere(cluster):
    regionserver_named("elsewhere.lab")(cluster)
    del cluster.addresses["elsewhere.lab"]


def reverse_name(name):
    return lambda cluster: cluster.names.update({"10.0.0.3": name})


def thrift(place, packing):
    return lambda cluster: cluster.thrift.update({place: packing})


def no_rpc(url="hbase://head", also=None):
    def alter(cluster):
        cluster.rpc, cluster.url = None, url
        if also:
            also(cluster)

    return alter


def clock(host, seconds):
    return lambda cluster: cluster.clock_ahead_s.update({host: seconds})


def tables(*seen):
    return lambda cluster: setattr(cluster, "tables", seen)


def framed(cluster):
    for place in cluster.thrift:
        cluster.thrift[place] = Packing("framed", "binary")


def disk(free):
    def alter(cluster):
        info = cluster.bean("worker2.hbimg:9864", "service=DataNode,name=DataNodeInfo")
        volumes = json.loads(info["VolumeInfo"])
        volumes["/data/dfs"].update(freeSpace=free, usedSpace=200 * GIB)
        info["VolumeInfo"] = json.dumps(volumes)

    return alter


WORKER2 = "worker2.hbimg"
#: (finding, severity, what is altered, part of `where`, part of what is seen or of the fix)
BROKEN = [
    ("master-silent", "problem", gone("head:9870"), "NameNode head:9870", "--namenode"),
    ("master-silent", "problem", gone("head:8088"), "ResourceManager head:8088", "Connection refused"),
    ("master-silent", "problem", gone("head:16010"), "HMaster head:16010", "--master"),
    ("worker-gone", "problem", dead_datanode, f"DataNode {WORKER2}", "NameNode says: dead"),
    ("worker-gone", "problem", node_state("LOST"), f"NodeManager {WORKER2}", "LOST"),
    ("worker-gone", "problem", node_state("UNHEALTHY", "1/1 local-dirs are bad"), f"NodeManager {WORKER2}", "are bad"),
    ("worker-gone", "problem", dead_regionserver, f"RegionServer {WORKER2}", "HMaster says: dead"),
    ("worker-gone", "problem", no_nodemanagers, "NodeManagers", "there is none"),
    ("worker-silent", "problem", gone("worker2.hbimg:16030"), "RegionServer worker2.hbimg:16030", "refused"),
    ("worker-silent", "problem", gone("worker2.hbimg:8042"), "NodeManager worker2.hbimg:8042", "refused"),
    ("worker-incomplete", "advice", no_nodemanager, WORKER2, "no NodeManager"),
    ("zookeeper-silent", "problem", lambda c: c.zookeepers.clear(), "head:2181", "hbase.zookeeper.quorum"),
    ("rpc-silent", "advice", no_rpc(), "head", "through Thrift only"),
    ("rpc-silent", "problem", no_rpc("hbase://head?client=rpc"), "head", "16020"),
    ("thrift-silent", "advice", thrift("head:9090", None), "head:9090", "or leave it"),
    ("thrift-silent", "problem", no_rpc(also=thrift("head:9090", None)), "head:9090", "hbase thrift2 start"),
    (
        "thrift-not-local",
        "advice",
        no_rpc(also=thrift("worker2.hbimg:9090", None)),
        "worker2.hbimg:9090",
        "own host",
    ),
    ("thrift-settings", "unknown", gone("head:9095"), "head:9095", "--thrift-info-port"),
    ("hdfs-safe-mode", "problem", bean("head:9870", NAMENODE, "Safemode", "Safe mode is ON. And"), "NameNode", "ON"),
    ("hdfs-missing-blocks", "problem", bean("head:9870", NAMESYSTEM, "MissingBlocks", 3), "NameNode", "3 blocks"),
    ("hdfs-few-copies", "advice", bean("head:9870", NAMESYSTEM, "UnderReplicatedBlocks", 7), "NameNode", "7 blocks"),
    (
        "master-starting",
        "problem",
        bean("head:16010", MASTER, "masterFinishedInitializationTime", 0),
        "HMaster",
        "not initialized",
    ),
    ("master-not-active", "problem", bean("head:16010", MASTER, "tag.isActiveMaster", "false"), "HMaster", "--master"),
    (
        "regions-stuck",
        "problem",
        bean("head:16010", "service=HBase,name=Master,sub=AssignmentManager", "ritCountOverThreshold", 2),
        "HMaster",
        "2 regions",
    ),
    ("table-unreadable", "problem", tables(table("old", trouble="has table format 0")), "old", "format 0"),
    (
        "settings-differ",
        "advice",
        setting(16030, "hbase.server.keyvalue.maxsize", "20971520", hosts=[WORKER2]),
        "RegionServers",
        "20971520 on worker2.hbimg",
    ),
    ("java-untested", "advice", bean("worker2.hbimg:16030", RUNTIME, "SpecVersion", "21"), WORKER2, "Java 21"),
    ("java-mixed", "advice", bean("worker2.hbimg:16030", RUNTIME, "SpecVersion", "11"), "RegionServers", "Java 11 on"),
    (
        "hadoop-mixed",
        "advice",
        bean("worker2.hbimg:9864", "service=DataNode,name=DataNodeInfo", "SoftwareVersion", "3.2.4"),
        "HDFS",
        "3.2.4 on DataNode worker2",
    ),
    (
        "hadoop-new",
        "advice",
        changes(
            **{
                f"w{n}": (f"worker{n}.hbimg:9864", "service=DataNode,name=DataNodeInfo", "SoftwareVersion", "3.4.1")
                for n in (1, 2, 3)
            },
            n=("head:9870", NAMENODE, "SoftwareVersion", "3.4.1"),
        ),
        "HDFS",
        "pydoop",
    ),
    (
        "hbase-old",
        "problem",
        lambda c: c.answers["head:16010"]["/api/v1/admin/cluster_metrics"]["data"].update(hbase_version="2.4.18"),
        "HMaster",
        "HBase 2.4.18",
    ),
    (
        "hbase-old",
        "unknown",
        no_version_page(None),
        "HMaster",
        "HBase 2.5 and later tell it",
    ),
    ("hbase-old", "problem", no_version_page("2.4.18"), "HMaster", "HBase 2.4.18"),
    ("hbase-old", "problem", no_version_page("2.4.18", {"data": None}), "HMaster", "HBase 2.4.18"),
    ("node-python", "unknown", lambda c: None, "nodes", "--via"),
    ("clock-skew", "problem", clock(WORKER2, -30), "worker2", "s behind that of"),
    ("clock-skew", "problem", clock("head", 5), "worker1", "behind that of head"),
    ("names-differ", "problem", regionserver_named("worker2"), "10.0.0.3", "hbase.unsafe.regionserver.hostname"),
    ("name-unknown", "problem", nowhere, "elsewhere.lab", "/etc/hosts"),
    ("reverse-dns-missing", "problem", reverse_name(""), "10.0.0.3", "PTR"),
    ("reverse-dns-differs", "problem", reverse_name("worker2"), "10.0.0.3", "registered as worker2.hbimg"),
    (
        "cell-limit",
        "problem",
        setting(16030, "hbase.server.keyvalue.maxsize", "1048576"),
        WORKER2,
        "hbase.server.keyvalue.maxsize",
    ),
    (
        "cell-limit",
        "advice",
        setting(9095, "hbase.client.keyvalue.maxsize", "5m", hosts=[WORKER2]),
        "Thrift server worker2",
        "hbase.client.keyvalue.maxsize",
    ),
    (
        "request-limit",
        "problem",
        setting(16030, "hbase.ipc.max.request.size", "4194304"),
        WORKER2,
        "hbase.ipc.max.request.size",
    ),
    (
        "call-queue",
        "advice",
        lambda c: [c.settings(f"{WORKER2}:16030").pop("hbase.ipc.server.max.callqueue.size")],
        WORKER2,
        "hbase.ipc.server.max.callqueue.size",
    ),
    ("thrift-packings", "advice", thrift("head:9090", Packing("framed", "compact")), "Thrift", "framed/compact"),
    ("thrift-frame", "problem", framed, "Thrift server", "max_frame_size_in_mb"),
    (
        "thrift-timeout",
        "advice",
        setting(9095, "hbase.client.operation.timeout", "1200000"),
        "Thrift server",
        "hbase.client.operation.timeout",
    ),
    ("heap-small", "problem", heap("worker2.hbimg:16030", 700 * MIB), "RegionServer worker2", "-Xmx2g"),
    ("heap-small", "advice", heap("worker2.hbimg:16030", 1500 * MIB), "RegionServer worker2", "measured"),
    ("heap-small", "problem", heap("worker2.hbimg:9095", 256 * MIB), "Thrift server worker2", "HBASE_THRIFT_OPTS"),
    (
        "g1-regions",
        "advice",
        java_option("worker2.hbimg:16030", "-XX:G1HeapRegionSize=16m", "-XX:G1HeapRegionSize=4m"),
        WORKER2,
        "-XX:G1HeapRegionSize=16m",
    ),
    (
        "g1-regions",
        "advice",
        java_option("worker2.hbimg:16030", "-XX:G1HeapRegionSize=16m", "-Dnothing"),
        WORKER2,
        "G1 regions of 1 MiB",
    ),
    (
        "out-of-memory",
        "advice",
        java_option("worker2.hbimg:16030", "-XX:+ExitOnOutOfMemoryError", "-Dnothing"),
        WORKER2,
        "ExitOnOutOfMemoryError",
    ),
    (
        "heap-shares",
        "advice",
        setting(16030, "hfile.block.cache.size", "0.45", hosts=[WORKER2]),
        WORKER2,
        "hbase.regionserver.global.memstore.size",
    ),
    (
        "task-memory",
        "advice",
        tables(table("ct", largest=GIB)),
        "NodeManager",
        "yarn.nodemanager.resource.memory-mb",
    ),
    (
        "task-unwatched",
        "advice",
        setting(8042, "yarn.nodemanager.resource.memory.enforced", "true"),
        "NodeManager",
        "yarn.nodemanager.resource.memory.enforced",
    ),
    (
        "balancer-on",
        "advice",
        lambda c: setattr(c, "switches", None),
        "HMaster",
        "balance_switch",
    ),
    ("normalizer-on", "advice", tables(table(NORMALIZATION_ENABLED="true")), "table t1", "NORMALIZATION_ENABLED"),
    (
        "locality-low",
        "advice",
        changes(
            a=("worker2.hbimg:16030", REGION_SERVER, "percentFilesLocal", 34.0),
            b=("worker2.hbimg:16030", REGION_SERVER, "storeFileSize", GIB),
        ),
        WORKER2,
        "major_compact",
    ),
    (
        "short-circuit-off",
        "advice",
        setting(16030, "dfs.client.read.shortcircuit", "false"),
        WORKER2,
        "dfs.client.read.shortcircuit",
    ),
    (
        "short-circuit-off",
        "advice",
        setting(9864, "dfs.domain.socket.path", "/run/other", hosts=[WORKER2]),
        WORKER2,
        "'/run/other' in the DataNode",
    ),
    (
        "short-circuit-off",
        "advice",
        changes(
            a=("worker2.hbimg:16030", REGION_SERVER, "localBytesRead", GIB),
            b=("worker2.hbimg:16030", REGION_SERVER, "shortCircuitBytesRead", 0),
        ),
        WORKER2,
        "libhadoop.so",
    ),
    ("replication-one", "advice", setting(16030, "dfs.replication", "1"), WORKER2, "dfs.replication"),
    ("replication-high", "problem", setting(16030, "dfs.replication", "4"), WORKER2, "4 copies on 3 DataNodes"),
    ("durability-weak", "problem", tables(table(DURABILITY="ASYNC_WAL")), "table t1", "USE_DEFAULT"),
    (
        "durability-weak",
        "problem",
        setting(16030, "hbase.unsafe.stream.capability.enforce", "false"),
        WORKER2,
        "hbase.unsafe.stream.capability.enforce",
    ),
    ("rootdir-not-hdfs", "advice", setting(16030, "hbase.rootdir", "s3a://b/hbase"), WORKER2, "s3a://b/hbase"),
    ("hdfs-full", "problem", bean("head:9870", NAMENODE, "Free", 10**9), "NameNode", "1 of 812 GB"),
    ("hdfs-full", "advice", bean("head:9870", NAMENODE, "Free", 90 * 10**9), "NameNode", "90 of 812 GB"),
    (
        "disk-failed",
        "problem",
        bean("worker2.hbimg:9864", "service=DataNode,name=FSDatasetState", "NumFailedVolumes", 1),
        WORKER2,
        "dfs.datanode.data.dir",
    ),
    ("disk-full", "problem", disk(GIB), "DataNode worker2", "/data/dfs has 1.1 GB left"),
    (
        "task-disk",
        "problem",
        bean("worker2.hbimg:8042", "service=NodeManager,name=NodeManagerMetrics", "BadLocalDirs", 1),
        WORKER2,
        "yarn.nodemanager.local-dirs",
    ),
    (
        "task-disk",
        "advice",
        bean("worker2.hbimg:8042", "service=NodeManager,name=NodeManagerMetrics", "GoodLogDirsDiskUtilizationPerc", 97),
        WORKER2,
        "yarn.nodemanager.log-dirs",
    ),
]
#: What is told of the cluster as it was recorded: its balancer is on, and nobody gave --via.
ALWAYS = {"balancer-on", "node-python"}


def test_the_recorded_cluster_is_well(cluster):
    assert set(cluster.look()) == ALWAYS
    assert len(cluster.findings()) > 20


@pytest.mark.parametrize(
    ("name", "severity", "alter", "where", "said"), BROKEN, ids=[f"{x[0]}-{x[1]}-{n}" for n, x in enumerate(BROKEN)]
)
def test_a_broken_cluster_is_told(cluster, name, severity, alter, where, said):
    alter(cluster)
    found = [x for x in cluster.findings() if x.name == name and x.severity != "ok" and where in x.where]
    assert found
    finding = found[0]
    assert finding.severity == severity
    assert said in f"{finding.seen} {finding.fix}"
    assert finding.fix
    assert "\n" not in finding.seen + finding.fix


def test_a_finding_on_every_server_is_told_once(cluster):
    cluster.set(16030, "dfs.replication", "1")
    finding = cluster.look()["replication-one"]
    assert all(f"worker{n}.hbimg" in finding.where for n in (1, 2, 3))
    assert sum(x.name == "replication-one" for x in cluster.findings()) == 1


def test_a_balancer_that_is_off_or_does_not_tell(cluster):
    """The switch is asked for; where HBase's RPC is not understood, the HMaster's page tells of it."""
    cluster.switches = Switches(balancer=False)
    assert "balancer-on" not in cluster.look()
    cluster.switches = None
    cluster.bean("head:16010", BALANCER)["tag.isBalancerActive"] = "false"
    assert "balancer-on" not in cluster.look()
    del cluster.bean("head:16010", BALANCER)["tag.isBalancerActive"]
    assert cluster.look()["balancer-on"].severity == "unknown"


def test_a_normalizer_that_is_off_harms_no_table(cluster):
    cluster.tables = (table(NORMALIZATION_ENABLED="true"),)
    cluster.switches = Switches(balancer=False, normalizer=False)
    assert set(cluster.look()) == {"node-python"}


def test_a_restarted_daemon_is_no_dead_one(cluster):
    server = cluster.bean("head:16010", MASTER)
    server["tag.deadRegionServers"] = "worker2.hbimg,16020,1"
    assert "worker-gone" not in cluster.look()


def test_settings_are_read_as_xml_too(cluster):
    cluster.xml = True
    cluster.set(16030, "dfs.replication", "1")
    assert "replication-one" in cluster.look()


def facts(**more):
    import hbimg

    now = {"began_s": time.time() - 0.1, "time_s": time.time()}
    told = {"python": "3.11.2", "executable": "/opt/venv/bin/python", "hbimg": hbimg.__version__, **now}
    return "a banner of ssh\n" + json.dumps({**told, **more}) + "\n"


def every_node(cluster, **more):
    cluster.commands = {f"worker{n}.hbimg": facts(**more) for n in (1, 2, 3)}


def test_nodes_with_python_and_hbimg_are_well(cluster):
    every_node(cluster)
    assert set(cluster.look(via="ssh {host}")) == {"balancer-on"}


@pytest.mark.parametrize(
    ("name", "severity", "changed", "said"),
    [
        ("node-python", "problem", {"python": "3.9.2"}, "3.11 or later"),
        ("node-hbimg", "problem", {"hbimg": "0.0.1"}, "0.0.1 there"),
        ("node-hbimg", "problem", {"missing": ["numpy (ImportError)"]}, "numpy (ImportError)"),
        ("node-name", "advice", {"own_name": "localhost"}, "calls itself localhost"),
        ("clock-skew", "problem", {"began_s": time.time() - 3600, "time_s": time.time() - 3600}, "s behind"),
    ],
)
def test_a_node_that_differs_is_told(cluster, name, severity, changed, said):
    every_node(cluster)
    cluster.commands[WORKER2] = facts(**changed)
    finding = cluster.look(via="ssh {host}")[name]
    assert finding.severity == severity
    assert finding.where.startswith("worker2")
    assert said in f"{finding.seen} {finding.fix}"


def test_nodes_without_hbimg_out_of_reach_and_with_nonsense_are_told(cluster):
    every_node(cluster)
    without = json.loads(facts().splitlines()[1])
    del without["hbimg"]
    cluster.commands["worker1.hbimg"] = json.dumps({**without, "hbimg_missing": "ModuleNotFoundError: hbimg"})
    cluster.commands["worker3.hbimg"] = "Last login: today"
    del cluster.commands[WORKER2]
    found = [x for x in cluster.findings(via="ssh {host}") if x.severity == "problem"]
    assert {(x.name, x.where) for x in found} == {
        ("node-hbimg", "worker1.hbimg"),
        ("node-python", WORKER2),
        ("node-python", "worker3.hbimg"),
    }
    assert any("pip install hbimg==" in x.fix for x in found)


def test_masters_are_found_where_the_user_says(cluster):
    for old, new in (("head:9870", "nn:50070"), ("head:8088", "rm:80"), ("head:16010", "hm:16010")):
        cluster.answers[new] = cluster.answers.pop(old)
        cluster.clock_ahead_s[new] = 0
    assert "master-silent" in cluster.look()
    told = Places(server_of("nn:50070", "NameNode"), server_of("rm:80", "ResourceManager"), server_of("hm", "HMaster"))
    assert set(cluster.look(told)) == ALWAYS


def test_a_cluster_without_thrift_servers_is_well(cluster):
    """All is found by the HMaster, which HBase's own RPC names."""
    cluster.thrift.clear()
    cluster.gone("head:9095", *(f"worker{n}.hbimg:9095" for n in (1, 2, 3)))
    cluster.url = "hbase://worker1.hbimg?client=rpc"
    assert set(cluster.look()) == ALWAYS


def test_a_cluster_through_thrift_alone_is_well(cluster):
    cluster.rpc, cluster.url = None, "hbase://head?client=thrift"
    assert set(cluster.look()) == ALWAYS


def test_the_active_one_of_a_pair_is_found(cluster):
    settings = cluster.settings("head:9095")
    settings.update(
        {
            "hbase.rootdir": "hdfs://lab/hbase",
            "dfs.ha.namenodes.lab": "nn1,nn2",
            "dfs.namenode.http-address.lab.nn1": "standby:9870",
            "dfs.namenode.http-address.lab.nn2": "head:9870",
            "yarn.resourcemanager.ha.rm-ids": "rm1,rm2",
            "yarn.resourcemanager.hostname.rm1": "gone",
            "yarn.resourcemanager.webapp.address.rm2": "head:8088",
            "hbase.masters": "standby:16000,head:16000",
        }
    )
    import copy

    for port, name, attribute, value in (
        (9870, "service=NameNode,name=NameNodeStatus", "State", "standby"),
        (16010, MASTER, "tag.isActiveMaster", "false"),
    ):
        cluster.answers[f"standby:{port}"] = copy.deepcopy(cluster.answers[f"head:{port}"])
        cluster.bean(f"standby:{port}", name)[attribute] = value
    assert set(cluster.look()) == ALWAYS


@pytest.mark.parametrize("text", ["", "host:port", "host:0x1", "host/path", "user@host", "host:99999"])
def test_a_place_that_is_none_is_told(text):
    with pytest.raises(ConfigError, match="HOST:PORT"):
        server_of(text, "HMaster")
    assert server_of("[::1]:5", "HMaster") == Server("::1", 5)


def test_nothing_answers(cluster):
    cluster.answers.clear()
    cluster.thrift.clear()
    cluster.rpc = None
    found = cluster.look()
    assert found["thrift-silent"].severity == "problem"
    assert found["rpc-silent"].severity == "problem"
    assert found["master-silent"].severity == "problem"
    assert "clock-skew" in found


def test_another_program_answers(cluster, monkeypatch):
    monkeypatch.setattr("hbimg.doctor.daemons._PAUSE_S", 0)
    cluster.answers["head:16010"]["beans"] = {}
    cluster.answers["head:8088"]["/ws/v1/cluster/nodes"] = ["no object"]
    found = cluster.look()
    assert found["master-silent"].where.startswith("HMaster")


def test_every_finding_has_a_test_and_a_line_in_the_docs(cluster):
    """Names of findings stand in the checks' code; docs/doctor.md and the tests have each."""
    import re

    import hbimg.doctor

    code = "".join(path.read_text() for path in (Path(hbimg.doctor.__file__).parent / "checks").glob("*.py"))
    named = set(re.findall(r'(?:problem|advice|unknown|told)\(\s*"([a-z0-9-]+)"', code))
    assert len(named) > 40
    tested = {line[0] for line in BROKEN} | {"node-hbimg", "node-name"}
    assert named == tested
    page = (Path(__file__).parents[3] / "docs" / "doctor.md").read_text()
    assert [name for name in sorted(named) if f"`{name}`" not in page] == []
