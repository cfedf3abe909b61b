"""Whether every service is there: masters, workers, ZooKeeper, Thrift servers, and whether HDFS and HBase are well."""

from __future__ import annotations

from collections.abc import Iterator

from hbimg.doctor.cluster import MASTER, MASTER_OF, NAMENODE, NAMESYSTEM, Cluster, grouped, names_of
from hbimg.doctor.findings import Finding, advice, ok, problem, unknown

_TOLD_BY = {"NameNode": "--namenode", "ResourceManager": "--resourcemanager", "HMaster": "--master"}
_STUCK = "service=HBase,name=Master,sub=AssignmentManager"


def masters(cluster: Cluster) -> Iterator[Finding]:
    """NameNode, ResourceManager and HMaster answer."""
    for kind, option in _TOLD_BY.items():
        found = [daemon for daemon in cluster.daemons if daemon.kind == kind]
        for daemon in found:
            if daemon.trouble:
                fix = f"start it, or give the host and port of its web page with {option} HOST:PORT"
                yield problem("master-silent", str(daemon), daemon.trouble, fix)
            else:
                yield ok("master-silent", str(daemon), "answers")
        if not found:
            yield problem("master-silent", kind, "no setting tells where it is", f"give {option} HOST:PORT")


def workers(cluster: Cluster) -> Iterator[Finding]:
    """Every worker's daemons are registered and answer."""
    for member in cluster.members:
        if member.trouble:
            seen = f"{MASTER_OF[member.kind]} says: {member.trouble}"
            yield problem("worker-gone", f"{member.kind} {member.host}", seen, "see its log, start it again")
    for daemon in cluster.daemons:
        if daemon.kind in MASTER_OF and daemon.trouble:
            yield problem("worker-silent", str(daemon), daemon.trouble, "see its log; restart it if it hangs")
    for kind in MASTER_OF:
        serving = cluster.serving(kind)
        if serving:
            yield ok("worker-gone", f"{kind}s", f"{len(serving)} serve: {names_of(serving)}")
        elif cluster.knows(kind):
            yield problem("worker-gone", f"{kind}s", "there is none", "start one on every worker")


def roles(cluster: Cluster) -> Iterator[Finding]:
    """Every worker has DataNode, NodeManager and RegionServer: data is processed where it lies."""
    known = [kind for kind in MASTER_OF if cluster.knows(kind)]
    hosts: dict[str, set[str]] = {}
    for kind in known:
        for member in cluster.serving(kind):
            hosts.setdefault(member.address or member.host, set()).add(kind)
    named = {member.address or member.host: member.host for member in cluster.members}
    missing = {host: [kind for kind in known if kind not in have] for host, have in hosts.items()}
    for host, kinds in sorted(missing.items()):
        if kinds:
            yield advice(
                "worker-incomplete",
                named.get(host, host),
                f"it has no {' and no '.join(kinds)}",
                "run DataNode, NodeManager and RegionServer on every worker, or its part of the data is always remote",
            )
    if hosts and not any(missing.values()):
        yield ok("worker-incomplete", f"{len(hosts)} workers", "each has all of " + ", ".join(known))


def zookeepers(cluster: Cluster) -> Iterator[Finding]:
    """ZooKeeper's servers answer."""
    for server, trouble in cluster.zookeepers.items():
        if trouble:
            yield problem("zookeeper-silent", str(server), trouble, "start it (hbase.zookeeper.quorum names it)")
    if cluster.zookeepers and not any(cluster.zookeepers.values()):
        yield ok("zookeeper-silent", "ZooKeeper", f"{len(cluster.zookeepers)} answer")
    if not cluster.zookeepers:
        fix = "give the HMaster's web page with --master, or a Thrift server's port with --thrift-info-port"
        yield unknown("zookeeper-silent", "ZooKeeper", "no server told hbase.zookeeper.quorum", fix)


def ways(cluster: Cluster) -> Iterator[Finding]:
    """HBase is reached: by its own RPC, or through a Thrift 2 server of the URL."""
    answering = [str(seen.server) for seen in cluster.thrift if seen.packing]
    hosts = ", ".join(server.host for server in cluster.address.servers)
    if cluster.rpc_trouble == "":
        yield ok("rpc-silent", hosts, "HBase's own RPC answers")
    elif cluster.rpc_trouble:
        fix = "give the HMaster's host or RegionServers' in the URL, and open ports 16000 and 16020 to this machine"
        wanted = cluster.address.client == "rpc" or not answering
        told = problem if wanted else advice
        seen = cluster.rpc_trouble if wanted else f"HBase is reached through Thrift only: {cluster.rpc_trouble}"
        yield told("rpc-silent", hosts, seen, fix)
    if answering:
        yield ok("thrift-silent", "Thrift 2 servers", f"{len(answering)} answer: {', '.join(answering)}")


def thrift_servers(cluster: Cluster) -> Iterator[Finding]:
    """The Thrift servers of the URL answer; where they are the only way, there is one on every RegionServer's host."""
    needless = cluster.rpc_trouble == ""
    for seen in cluster.thrift:
        if not seen.packing and seen.wanted:
            told = advice if needless else problem
            fix = "start `hbase thrift2 start` there" + (
                ", or leave it: HBase's own RPC is reached" if needless else ""
            )
            yield told("thrift-silent", str(seen.server), seen.trouble, fix)
        elif not seen.packing and not needless:
            fix = "run `hbase thrift2 start` on every RegionServer's host: tasks then read from their own host"
            yield advice("thrift-not-local", str(seen.server), f"no Thrift 2 server: {seen.trouble}", fix)
    silent = [daemon for daemon in cluster.daemons if daemon.kind == "Thrift server" and daemon.trouble]
    for daemon in silent:
        if any(seen.packing and seen.server.host == daemon.host for seen in cluster.thrift):
            fix = (
                "give its web page's port with --thrift-info-port (hbase.thrift.info.port), or open it to this machine"
            )
            yield unknown("thrift-settings", str(daemon), f"its settings cannot be read: {daemon.trouble}", fix)


def hdfs(cluster: Cluster) -> Iterator[Finding]:
    """HDFS can be written, and misses no block."""
    namenode = cluster.one("NameNode")
    if namenode is None:
        return
    system = namenode.bean(NAMESYSTEM)
    safe = str(namenode.bean(NAMENODE).get("Safemode", ""))
    missing, low = int(system.get("MissingBlocks", 0)), int(system.get("UnderReplicatedBlocks", 0))
    if safe:
        fix = "wait for the DataNodes; then `hdfs dfsadmin -safemode leave`"
        yield problem("hdfs-safe-mode", str(namenode), safe.split(". ", maxsplit=1)[0], fix)
    if missing:
        fix = "`hdfs fsck / -list-corruptfileblocks` names the files; bring back the DataNodes that held them"
        yield problem("hdfs-missing-blocks", str(namenode), f"{missing} blocks have no copy left", fix)
    if low:
        fix = "wait, or bring back DataNodes; dfs.replication may not be above their number"
        yield advice("hdfs-few-copies", str(namenode), f"{low} blocks have fewer copies than they should", fix)
    if not (safe or missing or low):
        yield ok("hdfs-safe-mode", str(namenode), f"{system.get('BlocksTotal', 0)} blocks, all with all copies")


def hbase(cluster: Cluster) -> Iterator[Finding]:
    """The HMaster is initialized and no region is stuck."""
    master = cluster.one("HMaster")
    if master is None:
        return
    bean = master.bean(MASTER)
    if bean.get("tag.isActiveMaster") != "true":
        yield problem("master-not-active", str(master), "it is a backup", "give the active one with --master")
    elif not int(bean.get("masterFinishedInitializationTime", 0)):
        yield problem("master-starting", str(master), "active, not initialized", "wait; its log says for what it waits")
    else:
        yield ok("master-starting", str(master), "active and initialized")
    stuck = int(master.bean(_STUCK).get("ritCountOverThreshold", 0))
    if stuck:
        fix = "see `hbase hbck` and the HMaster's page 'Procedures & Locks'; restart the RegionServer that holds them"
        yield problem("regions-stuck", str(master), f"{stuck} regions are neither open nor closed for long", fix)


def tables(cluster: Cluster) -> Iterator[Finding]:
    """hbimg's tables can be read."""
    for table in cluster.tables:
        if table.trouble:
            yield problem("table-unreadable", table.name, table.trouble, "use the hbimg that made it, or restore it")
    sound = [table.name for table in cluster.tables if not table.trouble]
    yield ok("table-unreadable", "tables", f"{len(sound)} of hbimg's: {', '.join(sound) or 'none yet'}")


def settings(cluster: Cluster) -> Iterator[Finding]:
    """Settings that are told differently by daemons of one kind: somebody edited one node's file only."""
    watched = {
        "RegionServer": ("hbase.rootdir", "hbase.zookeeper.quorum", "hbase.server.keyvalue.maxsize", "dfs.replication"),
        "DataNode": ("fs.defaultFS", "dfs.domain.socket.path"),
        "NodeManager": ("yarn.resourcemanager.hostname",),
    }
    for kind, settings in watched.items():
        for setting in settings:
            values = grouped((daemon.settings.get(setting, "(unset)"), daemon.host) for daemon in cluster.of(kind))
            if len(values) > 1:
                told = "; ".join(f"{value} on {', '.join(hosts)}" for value, hosts in sorted(values.items()))
                yield advice("settings-differ", f"{kind}s", f"{setting} is {told}", "make the files the same, restart")
