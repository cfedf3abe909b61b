"""Meeting a cluster as a newcomer does: from its Thrift servers to its masters, and from these to every worker."""

from __future__ import annotations

import json
import platform
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, TypeVar

from hbimg import __version__
from hbimg.doctor import places
from hbimg.doctor.cluster import BALANCER, MASTER, NAMENODE, Cluster, Member, ThriftServer
from hbimg.doctor.daemons import Daemon, json_of, meet
from hbimg.doctor.network import Network, Switches
from hbimg.doctor.nodes import report_of
from hbimg.errors import StoreError
from hbimg.store.hbase_address import Server
from hbimg.store.hbase_limits import size_of

_STATES = "NEW,RUNNING,UNHEALTHY,LOST,REBOOTED,SHUTDOWN"
_AT_ONCE = 16
_MASTER_PORT = 16000
Item = TypeVar("Item")
Result = TypeVar("Result")


def survey(network: Network, told: places.Places, via: str | None = None, python: str = "python3") -> Cluster:
    """Look at a whole cluster.

    Parameters
    ----------
    network : Network
    told : Places
        Where the masters are, as far as the user says.
    via : str or None
        How to run a command on a node: ``ssh {host}``; None: there is no way.
    python : str
        The Python there.

    Raises
    ------
    ConfigError
        If `via` is malformed.
    """
    rpc_master, rpc_trouble = _rpc(network)
    named = () if network.address.client == "rpc" else network.address.servers
    thrift = all_at_once(lambda server: _thrift(network, server, wanted=True), named)
    daemons = all_at_once(lambda server: meet(network, "Thrift server", server.host, told.thrift_info_port), named)
    settings = _first_settings(network, daemons, told.master or rpc_master)
    quorum = places.zookeepers(settings)
    likely = list(dict.fromkeys([*(z.host for z in quorum), *(server.host for server in network.address.servers)]))
    namenode = _master(network, "NameNode", told.namenode, places.namenodes(settings), likely)
    hosts = [namenode.host, *likely]
    if rpc_master:
        hosts.insert(0, rpc_master.host)
    hmaster = _master(network, "HMaster", told.master, places.masters(settings, hosts), likely)
    others = [namenode.host, hmaster.host]
    guesses = places.resourcemanagers(settings, others)
    resourcemanager = _master(network, "ResourceManager", told.resourcemanager, guesses, others)
    members = [
        *_datanodes(network, namenode),
        *_nodemanagers(network, resourcemanager),
        *_regionservers(network, hmaster, settings),
    ]
    workers = [member for member in members if not member.trouble]
    daemons += [namenode, hmaster, resourcemanager]
    daemons += all_at_once(lambda member: meet(network, member.kind, member.host, member.port), workers)
    own = [Server(m.host, network.address.servers[0].port) for m in workers if m.kind == "RegionServer"]
    new = [server for server in own if named and not _named(network, server)]
    thrift += all_at_once(lambda server: _thrift(network, server, wanted=False), new)
    answering = [seen.server for seen in thrift if seen.packing and not seen.wanted]
    daemons += all_at_once(lambda server: meet(network, "Thrift server", server.host, told.thrift_info_port), answering)
    addresses = sorted({member.address for member in members if member.address})
    hosts = list(dict.fromkeys(member.host for member in workers))
    return Cluster(
        network.address,
        tuple(thrift),
        tuple(daemons),
        tuple(members),
        dict(zip(quorum, all_at_once(lambda server: _zookeeper(network, server), quorum), strict=True)),
        dict(zip(addresses, all_at_once(network.name_of, addresses), strict=True)),
        _hbase_version(network, hmaster),
        _switches(network, hmaster),
        nodes=tuple(all_at_once(lambda host: report_of(network, via, python, host), hosts)) if via else None,
        rpc_trouble=rpc_trouble,
        own_python=platform.python_version(),
        own_version=__version__,
    )


def all_at_once(what: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    """Ask for all items side by side, and give the answers in their order."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return list(pool.map(what, items))


def _rpc(network: Network) -> tuple[Server | None, str | None]:
    """Give the web page of the HMaster that HBase's own RPC tells, or why it does not; None: RPC is not to be used."""
    if network.address.client == "thrift":
        return None, None
    try:
        return Server(network.master().host, places.PORTS["HMaster"]), ""
    except StoreError as error:
        return None, str(error)


def _first_settings(network: Network, daemons: list[Daemon], master: Server | None) -> dict[str, str]:
    """Give HBase's settings as a Thrift server has them, else as the HMaster: what else there is is found by them."""
    answering = [daemon for daemon in daemons if not daemon.trouble]
    if answering or master is None:
        return dict(answering[0].settings) if answering else {}
    settings = dict(meet(network, "HMaster", master.host, master.port).settings)
    settings.pop("hbase.regionserver.info.port", None)  # there it is the HMaster's own
    return settings


def _thrift(network: Network, server: Server, *, wanted: bool) -> ThriftServer:
    try:
        return ThriftServer(server, network.packing(server), wanted=wanted)
    except StoreError as error:
        return ThriftServer(server, None, str(error), wanted)


def _named(network: Network, server: Server) -> bool:
    """Whether the URL names this server, perhaps by another name of its host."""
    address = network.address_of(server.host)
    return any(
        named == server or (address and named.port == server.port and network.address_of(named.host) == address)
        for named in network.address.servers
    )


def _master(network: Network, kind: str, told: Server | None, guesses: Iterator[Server], likely: list[str]) -> Daemon:
    """Find a master daemon: the active one of a pair, else the first that answers, else the first that should."""
    tried: list[Daemon] = []
    candidates = [told] if told else list(dict.fromkeys(guesses))
    candidates = candidates or [Server(host, places.PORTS[kind]) for host in likely]
    for server in candidates:
        daemon = meet(network, kind, server.host, server.port)
        if not daemon.trouble and _is_active(network, daemon):
            return daemon
        tried.append(daemon)
    return min(tried, key=lambda daemon: bool(daemon.trouble))


def _is_active(network: Network, daemon: Daemon) -> bool:
    if daemon.kind == "HMaster":
        return daemon.bean(MASTER).get("tag.isActiveMaster") == "true"
    if daemon.kind == "NameNode":
        return daemon.bean("service=NameNode,name=NameNodeStatus").get("State") == "active"
    with suppress(StoreError):
        info = json_of(network.get(f"http://{daemon.host}:{daemon.port}/ws/v1/cluster/info").body)
        return bool(info.get("clusterInfo", {}).get("haState") == "ACTIVE")
    return False


def _datanodes(network: Network, namenode: Daemon) -> list[Member]:
    bean = namenode.bean(NAMENODE)
    found = []
    for attribute, trouble in (("LiveNodes", ""), ("DeadNodes", "dead")):
        nodes: dict[str, dict[str, Any]] = json.loads(bean.get(attribute, "{}"))
        for name, node in nodes.items():
            if node.get("decommissioned") or str(node.get("adminState", "")).startswith("Decommission"):
                continue
            host = name.rpartition(":")[0] or name
            address = str(node.get("xferaddr", "")).rpartition(":")[0] or network.address_of(host)
            port = str(node.get("infoAddr", "")).rpartition(":")[2]
            found.append(Member("DataNode", host, address, int(port or places.PORTS["DataNode"]), trouble))
    return _one_for_each_host(found)


def _nodemanagers(network: Network, resourcemanager: Daemon) -> list[Member]:
    if resourcemanager.trouble:
        return []
    url = f"http://{resourcemanager.host}:{resourcemanager.port}/ws/v1/cluster/nodes?states={_STATES}"
    found = []
    with suppress(StoreError):
        for node in (json_of(network.get(url).body).get("nodes") or {}).get("node", []):
            state = node["state"]
            trouble = "" if state == "RUNNING" else f"{state} {node.get('healthReport') or ''}".strip()
            port = str(node.get("nodeHTTPAddress", "")).rpartition(":")[2]
            host = node["nodeHostName"]
            number = int(port or places.PORTS["NodeManager"])
            found.append(Member("NodeManager", host, network.address_of(host), number, trouble))
    return _one_for_each_host(found)


def _regionservers(network: Network, hmaster: Daemon, settings: Mapping[str, str]) -> list[Member]:
    """Give the RegionServers; the port of their pages is in a Thrift server's settings (the HMaster gives its own)."""
    bean = hmaster.bean(MASTER)
    port = int(size_of(settings.get("hbase.regionserver.info.port", ""), places.PORTS["RegionServer"]))
    found = []
    for attribute, trouble in (("tag.liveRegionServers", ""), ("tag.deadRegionServers", "dead")):
        for name in filter(None, str(bean.get(attribute, "")).split(";")):
            host = name.partition(",")[0]
            found.append(Member("RegionServer", host, network.address_of(host), port, trouble))
    return _one_for_each_host(found)


def _one_for_each_host(members: list[Member]) -> list[Member]:
    """Leave out what is gone where the same host serves again: a daemon that was started anew."""
    serving = {member.host for member in members if not member.trouble}
    return [member for member in members if not member.trouble or member.host not in serving]


def _zookeeper(network: Network, server: Server) -> str:
    try:
        network.zookeeper(server)
    except StoreError as error:
        return str(error)
    return ""


def _master_rpc(hmaster: Daemon) -> Server:
    return Server(hmaster.host, int(hmaster.number("hbase.master.port", _MASTER_PORT)))


def _switches(network: Network, hmaster: Daemon) -> Switches:
    """Ask the HMaster for its switches; where its RPC is not understood, its web page tells of the balancer."""
    if hmaster.trouble:
        return Switches()
    try:
        return network.switches(_master_rpc(hmaster))
    except StoreError:
        told = hmaster.bean(BALANCER).get("tag.isBalancerActive")
        return Switches(None if told is None else told == "true")


def _hbase_version(network: Network, hmaster: Daemon) -> str:
    """Give HBase's version as the HMaster's REST interface tells it (HBase 2.5 and later), else as its RPC does."""
    if hmaster.trouble:
        return ""
    base = f"http://{hmaster.host}:{hmaster.port}"
    with suppress(StoreError):
        data = json_of(network.get(f"{base}/api/v1/admin/cluster_metrics").body).get("data")
        if isinstance(data, dict) and data.get("hbase_version"):
            return str(data["hbase_version"])
    with suppress(StoreError):
        return network.hbase_version(_master_rpc(hmaster))
    return ""
