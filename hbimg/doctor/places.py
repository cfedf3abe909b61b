"""Where the masters of a cluster listen: guessed from the settings of a Thrift server, or told by the user."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from hbimg.errors import ConfigError
from hbimg.store.hbase_address import Server

PORTS = {
    "NameNode": 9870,
    "ResourceManager": 8088,
    "HMaster": 16010,
    "RegionServer": 16030,
    "NodeManager": 8042,
    "DataNode": 9864,
    "Thrift server": 9095,
}
_ZOOKEEPER_PORT = 2181


@dataclass(frozen=True, slots=True)
class Places:
    """Web pages of the masters, where the user told them; None: guessed."""

    namenode: Server | None = None
    resourcemanager: Server | None = None
    master: Server | None = None
    thrift_info_port: int = PORTS["Thrift server"]


def server_of(text: str, kind: str) -> Server:
    """Read ``host`` or ``host:port``; the port is by default that of the kind's web page.

    Raises
    ------
    ConfigError
        If it is neither.
    """
    try:
        parts = urlsplit(f"//{text}")
        host, port = parts.hostname, parts.port or PORTS[kind]
    except ValueError:
        host, port = None, 0
    if not host or parts.path or "@" in text:
        raise ConfigError(f"{text!r} is no place of a {kind}: give HOST or HOST:PORT of its web page")
    return Server(host, port)


def namenodes(settings: Mapping[str, str]) -> Iterator[Server]:
    """Guess the NameNodes' web pages: both of a pair, where there is one."""
    default = urlsplit(settings.get("hbase.rootdir") or settings.get("fs.defaultFS") or "").hostname or ""
    pair = settings.get(f"dfs.ha.namenodes.{default}", "")
    for name in filter(None, (part.strip() for part in pair.split(","))):
        yield from _web_page(settings.get(f"dfs.namenode.http-address.{default}.{name}", ""), "", "NameNode")
    if default and not pair:
        yield from _web_page(settings.get("dfs.namenode.http-address", ""), default, "NameNode")


def resourcemanagers(settings: Mapping[str, str], others: list[str]) -> Iterator[Server]:
    """Guess the ResourceManagers' web pages; where no setting tells, on the hosts of the other masters."""
    for name in filter(None, (part.strip() for part in settings.get("yarn.resourcemanager.ha.rm-ids", "").split(","))):
        host = settings.get(f"yarn.resourcemanager.hostname.{name}", "")
        yield from _web_page(settings.get(f"yarn.resourcemanager.webapp.address.{name}", ""), host, "ResourceManager")
    host = settings.get("yarn.resourcemanager.hostname", "")
    told = settings.get("yarn.resourcemanager.webapp.address", "").replace("${yarn.resourcemanager.hostname}", host)
    yield from _web_page(told, host, "ResourceManager")
    for other in others:
        yield Server(other, PORTS["ResourceManager"])


def masters(settings: Mapping[str, str], others: list[str]) -> Iterator[Server]:
    """Guess the HMasters' web pages: no setting need tell them, so the likely hosts are tried."""
    port = _port(settings.get("hbase.master.info.port", ""), PORTS["HMaster"])
    told = [part.strip().partition(":")[0] for part in settings.get("hbase.masters", "").split(",")]
    for host in [*told, settings.get("hbase.master.hostname", ""), *others]:
        if host:
            yield Server(host, port)


def zookeepers(settings: Mapping[str, str]) -> list[Server]:
    """Give the servers of ZooKeeper's quorum."""
    port = settings.get("hbase.zookeeper.property.clientPort", "")
    found = []
    for part in filter(None, (part.strip() for part in settings.get("hbase.zookeeper.quorum", "").split(","))):
        host, _, own = part.partition(":")
        found.append(Server(host, _port(own or port, _ZOOKEEPER_PORT)))
    return found


def _web_page(told: str, host: str, kind: str) -> Iterator[Server]:
    """Read ``host:port`` of a web page; ``0.0.0.0`` stands for the daemon's own host."""
    name, _, port = told.rpartition(":")
    name = host if name in ("", "0.0.0.0") else name
    if name:
        yield Server(name, _port(port, PORTS[kind]))


def _port(text: str, default: int) -> int:
    return int(text) if text.isdecimal() and 0 < int(text) < 1 << 16 else default
