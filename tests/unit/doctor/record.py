"""Record the answers of a real cluster's servers, as the doctor's unit tests serve them.

Run it in the mini-cluster, and only what the checks look at is kept::

    docker exec -i client python - < tests/unit/doctor/record.py > tests/unit/doctor/answers.json
"""

from __future__ import annotations

import json
import re
import sys
import urllib.request

HEAD = {"NameNode": 9870, "ResourceManager": 8088, "HMaster": 16010, "Thrift server": 9095}
WORKER = {"DataNode": 9864, "NodeManager": 8042, "RegionServer": 16030, "Thrift server": 9095}
WORKERS = ["worker1.hbimg", "worker2.hbimg", "worker3.hbimg"]
BEANS = re.compile(
    "service=NameNode,name=(NameNodeInfo|FSNamesystem|NameNodeStatus)"
    "|service=DataNode,name=(DataNodeInfo|FSDatasetState)"
    "|service=NodeManager,name=NodeManagerMetrics|service=HBase,name=Master,sub=(Server|Balancer|AssignmentManager)"
    "|service=HBase,name=RegionServer,sub=Server|java.lang:type=(Runtime|Memory)"
    "|java.lang:name=G1 Old Gen,type=MemoryPool"
)
ATTRIBUTES = re.compile(
    "name|tag\\..*|.*Nodes|Safemode|Total|Free|SoftwareVersion|MissingBlocks|UnderReplicatedBlocks|BlocksTotal|State"
    "|VolumeInfo|NumFailedVolumes|Bad.*Dirs|Good.*|masterFinishedInitializationTime|numRegionServers|ritCountOverThreshold"
    "|percentFilesLocal|localBytesRead|shortCircuitBytesRead|storeFileSize|SpecVersion|InputArguments|HeapMemoryUsage"
)
SETTINGS = re.compile(
    "(fs.defaultFS|hbase.rootdir|hbase.zookeeper.(quorum|property.clientPort)|hbase.(client|server).keyvalue.maxsize"
    "|hbase.ipc.*|hbase.(thrift|regionserver|master).info.port|hbase.regionserver.thrift.*|hbase.client.operation.timeout"
    "|hbase.wal.hsync|hbase.unsafe.*|hbase.table.normalization.enabled|hbase.balancer.period|hbase.masters"
    "|hbase.master.hostname|dfs.(replication|client.read.shortcircuit|domain.socket.path|nameservices"
    "|namenode.http-address)"
    "|yarn.resourcemanager.(hostname|webapp.address|ha.*)|hbase.regionserver.global.memstore.size|hfile.block.cache.size"
    "|yarn.nodemanager.(resource.memory.*|local-dirs|log-dirs|disk-health-checker.max-disk.*percentage))"
)


def get(url: str):
    request = urllib.request.Request(url, headers={"Accept": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def kept(bean: dict) -> dict:
    found = {key: value for key, value in bean.items() if ATTRIBUTES.fullmatch(key)}
    if "InputArguments" in found:
        found["InputArguments"] = [option for option in found["InputArguments"] if not option.startswith("--add")]
    return found


def daemon(host: str, port: int) -> dict:
    base = f"http://{host}:{port}"
    beans = [b for query in ("Hadoop:*", "java.lang:*") for b in get(f"{base}/jmx?qry={query}")["beans"]]
    settings = {item["key"]: item["value"] for item in get(f"{base}/conf?format=json")["properties"]}
    return {
        "beans": {b["name"]: kept(b) for b in beans if BEANS.fullmatch(b["name"].removeprefix("Hadoop:"))},
        "settings": {key: value for key, value in sorted(settings.items()) if SETTINGS.fullmatch(key)},
    }


found = {f"head:{port}": daemon("head", port) for port in HEAD.values()}
for worker in WORKERS:
    found |= {f"{worker}:{port}": daemon(worker, port) for port in WORKER.values()}
nodes = get("http://head:8088/ws/v1/cluster/nodes?states=NEW,RUNNING,UNHEALTHY,LOST,REBOOTED,SHUTDOWN")["nodes"]["node"]
wanted = ("state", "nodeHostName", "nodeHTTPAddress", "healthReport", "version")
found["head:8088"]["/ws/v1/cluster/nodes"] = {
    "nodes": {"node": [{key: node[key] for key in wanted} for node in nodes]},
}
found["head:8088"]["/ws/v1/cluster/info"] = get("http://head:8088/ws/v1/cluster/info")
found["head:16010"]["/api/v1/admin/cluster_metrics"] = get("http://head:16010/api/v1/admin/cluster_metrics")
sys.stdout.write(json.dumps(found, indent=1, sort_keys=True) + "\n")
