"""Addresses of HBase: ``hbase://head``, ``hbase://head,worker1:9091?namespace=lab``, read and checked."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from math import isfinite
from typing import NamedTuple
from urllib.parse import parse_qsl, urlsplit

from hbimg.errors import ConfigError

PORT = 9090
#: Where masters and RegionServers listen.
MASTER_PORT, REGION_SERVER_PORT = 16000, 16020
TRANSPORTS = ("buffered", "framed")
PROTOCOLS = ("binary", "compact")
_DAY_S = 86400
DURABILITIES = ("default", "skip_wal", "async_wal", "sync_wal", "fsync_wal")
CLIENTS = ("rpc", "thrift")
INFO_PORT = 9095
_KNOWN = (
    "client, namespace, transport, protocol, timeout_s, wait_s, own_host, info_port, rpc_ports, durability, tls, tls_ca"
)
_HOST = re.compile(r"(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<name>[A-Za-z0-9_.-]+))(?::(?P<port>[0-9]{1,5}))?")


class Server(NamedTuple):
    """Where a Thrift server listens."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class HBaseAddress:
    """What an ``hbase:`` URL says.

    Attributes
    ----------
    url : str
        The URL as it was given; it opens the same store in another process.
    servers : tuple of Server
        Thrift servers of one cluster, the first that answers is used.
    client : str or None
        How HBase is spoken to: ``rpc``, its own, or ``thrift``, which a port in the URL means too;
        None: its own where that is reached.
    namespace : str or None
        HBase's namespace that tables without one are in; None is HBase's ``default``.
    transport, protocol : str or None
        How the Thrift server packs its messages; None: found at connect.
    timeout_s : float
        How long one answer may take.
    wait_s : float
        How long a call is tried again while servers are gone or busy.
    own_host : bool
        Whether a Thrift server of the same cluster on this host is preferred.
    info_port : int
        Port of the Thrift servers' web pages, which tell their limits; 0: they are not looked at.
    rpc_ports : tuple of int
        Where masters and RegionServers listen.
    durability : str
        What a put waits for, in HBase's words (`DURABILITIES`); ``skip_wal`` is the bulk mode of `rpc.unlogged`.
    tls : bool
        Whether masters and RegionServers are spoken to within TLS.
    tls_ca : str or None
        PEM file of the authorities that their certificates come from; None: the system's.
    """

    url: str
    servers: tuple[Server, ...]
    client: str | None = None
    namespace: str | None = None
    transport: str | None = None
    protocol: str | None = None
    timeout_s: float = 60.0
    wait_s: float = 120.0
    own_host: bool = True
    info_port: int = INFO_PORT
    rpc_ports: tuple[int, ...] = (MASTER_PORT, REGION_SERVER_PORT)
    durability: str = "default"
    tls: bool = False
    tls_ca: str | None = None

    @property
    def nodes(self) -> tuple[Server, ...]:
        """Where HBase's own RPC is looked for: masters and RegionServers on the same hosts."""
        return tuple(Server(server.host, port) for server in self.servers for port in self.rpc_ports)

    @classmethod
    def parse(cls, url: str) -> HBaseAddress:
        """Read a URL.

        Raises
        ------
        ConfigError
            If it is malformed or has an unknown option.
        """
        try:
            parts = urlsplit(url)
        except ValueError as error:
            raise ConfigError(f"{url!r} is no URL ({error}): give hbase://head or hbase://head:9090") from error
        if parts.scheme != "hbase" or parts.path not in ("", "/") or parts.fragment:
            raise ConfigError(f"{url!r}: give the Thrift server's host alone, hbase://head or hbase://head:9090")
        options = dict(parse_qsl(parts.query, keep_blank_values=True))
        address = cls(
            url,
            _servers(url, parts.netloc),
            client=_one_of(url, "client", options.pop("client", "auto"), CLIENTS),
            namespace=_namespace(url, options.pop("namespace", None)),
            transport=_one_of(url, "transport", options.pop("transport", "auto"), TRANSPORTS),
            protocol=_one_of(url, "protocol", options.pop("protocol", "auto"), PROTOCOLS),
            timeout_s=_seconds(url, "timeout_s", options.pop("timeout_s", "60")),
            wait_s=_seconds(url, "wait_s", options.pop("wait_s", "120")),
            own_host=_one_of(url, "own_host", options.pop("own_host", "yes"), ("yes", "no")) == "yes",
            rpc_ports=_ports(url, options.pop("rpc_ports", f"{MASTER_PORT},{REGION_SERVER_PORT}")),
            durability=_one_of(url, "durability", options.pop("durability", "default"), DURABILITIES) or "default",
            tls=_one_of(url, "tls", options.pop("tls", "no"), ("yes", "no")) == "yes",
            tls_ca=options.pop("tls_ca", None),
            info_port=_info_port(url, options.pop("info_port", str(INFO_PORT))),
        )
        if address.tls_ca is not None and not address.tls:
            raise ConfigError(f"{url!r}: tls_ca is of use with tls=yes only")
        if address.client is None and _names_a_port(parts.netloc):
            address = replace(address, client="thrift")  # a port is that of a Thrift server
        elif address.client == "rpc" and _names_a_port(parts.netloc):
            raise ConfigError(
                f"{url!r}: with client=rpc give ports of masters and RegionServers as rpc_ports=16000,16020"
            )
        if options:
            raise ConfigError(f"{url!r}: unknown option {sorted(options)[0]!r}; known are {_KNOWN}")
        return address


def _servers(url: str, text: str) -> tuple[Server, ...]:
    """Read hosts and ports; a host without a port has that of the next host that has one."""
    found: list[Server] = []
    port = PORT
    for part in reversed(text.split(",")):
        match = _HOST.fullmatch(part)
        if match is None:
            raise ConfigError(f"{url!r}: {part!r} is no host, give hbase://head or hbase://head,worker1:9090")
        port = int(match["port"] or port)
        if not 0 < port < 1 << 16:
            raise ConfigError(f"{url!r}: port {port} is not from 1 to 65535")
        found.append(Server(match["six"] or match["name"], port))
    return tuple(reversed(found))


def _names_a_port(text: str) -> bool:
    return any((match := _HOST.fullmatch(part)) and match["port"] for part in text.split(","))


def _namespace(url: str, text: str | None) -> str | None:
    if text is None or text == "default":
        return None
    if not re.fullmatch("[A-Za-z0-9_]+", text):
        raise ConfigError(f"{url!r}: {text!r} is no namespace of HBase: letters, digits and '_' are allowed")
    return text


def _one_of(url: str, name: str, text: str, known: tuple[str, ...]) -> str | None:
    if text == "auto" and "yes" not in known:
        return None
    if text not in known:
        raise ConfigError(f"{url!r}: {name} is one of {', '.join(known)}, not {text!r}")
    return text


def _info_port(url: str, text: str) -> int:
    if not text.isdecimal() or int(text) >= 1 << 16:
        raise ConfigError(f"{url!r}: info_port is a port, or 0 for none, not {text!r}")
    return int(text)


def _ports(url: str, text: str) -> tuple[int, ...]:
    ports = text.split(",")
    if not all(port.isdecimal() and 0 < int(port) < 1 << 16 for port in ports):
        raise ConfigError(f"{url!r}: rpc_ports are ports of HBase's masters and RegionServers, not {text!r}")
    return tuple(map(int, ports))


def _seconds(url: str, name: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError as error:
        raise ConfigError(f"{url!r}: {name} must be a number, not {text!r}") from error
    if not isfinite(value) or not 0 < value <= _DAY_S:
        raise ConfigError(f"{url!r}: {name} must be above 0 and at most {_DAY_S:,} seconds, not {text}")
    return value
