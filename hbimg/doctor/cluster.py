"""A cluster as the doctor saw it: what the checks look at. Nothing here asks anybody anything."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from hbimg.doctor.daemons import Daemon
from hbimg.doctor.network import Clock, Switches
from hbimg.store.hbase_address import HBaseAddress, Server
from hbimg.store.thrift import Packing

#: Worker daemons by the master daemon that knows them.
MASTER_OF = {"DataNode": "NameNode", "NodeManager": "ResourceManager", "RegionServer": "HMaster"}
NAMENODE = "service=NameNode,name=NameNodeInfo"
NAMESYSTEM = "service=NameNode,name=FSNamesystem"
BALANCER = "service=HBase,name=Master,sub=Balancer"
MASTER = "service=HBase,name=Master,sub=Server"
REGION_SERVER = "service=HBase,name=RegionServer,sub=Server"


@dataclass(frozen=True, slots=True)
class Member:
    """A worker's daemon as its master knows it.

    Attributes
    ----------
    kind : str
        ``DataNode``, ``NodeManager`` or ``RegionServer``.
    host : str
        The name under which it registered.
    address : str
        Its IP address; empty if the name has none.
    port : int
        Of its web page.
    trouble : str
        Why its master does not count on it (``dead``, ``LOST``, ...); empty if it does.
    """

    kind: str
    host: str
    address: str
    port: int
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class ThriftServer:
    """A Thrift server, and how it answered; `wanted` if the store's URL names it."""

    server: Server
    packing: Packing | None
    trouble: str = ""
    wanted: bool = True


@dataclass(frozen=True, slots=True)
class TableSeen:
    """A table of hbimg's: HBase's attributes of it, and its largest volume in bytes."""

    name: str
    attributes: Mapping[str, str]
    largest_volume_bytes: int = 0
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class NodeReport:
    """What a command on a node told: see `hbimg.doctor.nodes`."""

    host: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    clock: Clock | None = None
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class Cluster:
    """All that was seen of a cluster.

    Attributes
    ----------
    daemons : tuple of Daemon
        Those that were asked, also those that did not answer.
    members : tuple of Member
        Workers as NameNode, ResourceManager and HMaster know them.
    zookeepers : mapping of Server to str
        Why each ZooKeeper server does not answer, empty where it does.
    reverse_names : mapping of str to str
        IP address to the name that reverse DNS has for it, here.
    hbase_version : str
        As the HMaster tells it; empty if it does not.
    nodes : tuple of NodeReport or None
        None if there was no way to run a command on the nodes.
    rpc_trouble : str or None
        Why HBase's own RPC is not reached; empty if it is, None if it is not to be used.
    own_python, own_version : str
        Of Python and hbimg, here.
    """

    address: HBaseAddress
    thrift: tuple[ThriftServer, ...] = ()
    daemons: tuple[Daemon, ...] = ()
    members: tuple[Member, ...] = ()
    zookeepers: Mapping[Server, str] = field(default_factory=dict)
    reverse_names: Mapping[str, str] = field(default_factory=dict)
    hbase_version: str = ""
    switches: Switches = field(default_factory=Switches)
    tables: tuple[TableSeen, ...] = ()
    nodes: tuple[NodeReport, ...] | None = None
    rpc_trouble: str | None = ""
    own_python: str = ""
    own_version: str = ""

    def of(self, *kinds: str) -> list[Daemon]:
        """Give the daemons of some kinds that answered."""
        return [daemon for daemon in self.daemons if daemon.kind in kinds and not daemon.trouble]

    def one(self, kind: str) -> Daemon | None:
        """Give the daemon of a kind that there is one of."""
        found = self.of(kind)
        return found[0] if found else None

    def serving(self, kind: str) -> list[Member]:
        """Give the workers' daemons of a kind that their master counts on."""
        return [member for member in self.members if member.kind == kind and not member.trouble]

    def knows(self, kind: str) -> bool:
        """Whether the master of a kind of worker daemon answered."""
        return self.one(MASTER_OF[kind]) is not None


def grouped(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """Gather (value, name) pairs: each value with the names that have it, in order."""
    found: dict[str, list[str]] = defaultdict(list)
    for value, name in pairs:
        found[value].append(name)
    return dict(found)


def names_of(daemons: Iterable[Daemon | Member]) -> str:
    """Write the hosts of daemons, each once."""
    return ", ".join(dict.fromkeys(daemon.host for daemon in daemons))
