"""How the doctor reaches a cluster: HTTP to the daemons, Thrift, ZooKeeper, names, and commands on the nodes.

Everything that leaves this process goes through `Network`, so that a test can answer in its place.
"""

from __future__ import annotations

import shlex
import socket
import subprocess
import time
from collections.abc import Sequence
from dataclasses import replace
from email.utils import parsedate_to_datetime
from http.client import HTTPException
from typing import NamedTuple
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

from hbimg.errors import ConfigError, StoreUnavailableError
from hbimg.store.hbase_address import HBaseAddress, Server
from hbimg.store.rpc.admin import Admin
from hbimg.store.rpc.cluster import Cluster, login_of
from hbimg.store.rpc.wire import Patience
from hbimg.store.thrift import CONNECT_S, Packing, connect

_MOST_BYTES = 64 << 20
#: A server writes its time in whole seconds, and Jetty keeps a written one for up to a second.
_DATE_WIDTH_S = 2.0
_COMMAND_S = 30.0


class Clock(NamedTuple):
    """How far a server's clock is ahead of ours: at least and at most so many seconds."""

    lowest_s: float
    highest_s: float


class Switches(NamedTuple):
    """What HBase does by itself, anywhere in the cluster; None: not known."""

    balancer: bool | None = None
    normalizer: bool | None = None
    splits: bool | None = None


class Answer(NamedTuple):
    """What a web server gave."""

    body: bytes
    clock: Clock | None


class Network:
    """The way to the servers of one cluster.

    Parameters
    ----------
    address : HBaseAddress
    timeout_s : float
        How long one answer may take.
    """

    def __init__(self, address: HBaseAddress, timeout_s: float = 10.0) -> None:
        self.address = address
        self._hasty = replace(address, timeout_s=min(timeout_s, address.timeout_s), own_host=False)
        self.timeout_s = timeout_s
        # A cluster's own pages are never behind the proxy that leads out of the house.
        self._opener = build_opener(ProxyHandler({}))

    def get(self, url: str) -> Answer:
        """Give what a web server answers.

        Raises
        ------
        StoreUnavailableError
            With the reason alone, for the caller to say what was asked.
        """
        asked = time.time()
        try:
            request = Request(url, headers={"Accept": "application/json"})
            with self._opener.open(request, timeout=self.timeout_s) as answer:
                body = answer.read(_MOST_BYTES)
                return Answer(body, clock_of(answer.headers.get("Date"), asked, time.time()))
        except HTTPError as error:
            with error:
                raise StoreUnavailableError(f"HTTP {error.code} {error.reason}") from error
        except (OSError, HTTPException, ValueError) as error:
            raise StoreUnavailableError(_reason(error)) from error

    def packing(self, server: Server) -> Packing:
        """Give how a Thrift 2 server packs its messages; StoreError says why it does not answer."""
        connection = connect(server, self._hasty)
        connection.close()
        return connection.packing

    def zookeeper(self, server: Server) -> str:
        """Give a ZooKeeper server's version, or "" where it may not tell; StoreUnavailableError if it is gone."""
        try:
            with socket.create_connection(server, self.timeout_s) as connection:
                connection.sendall(b"srvr")
                answer = connection.makefile("rb").read(4096).decode(errors="replace")
        except OSError as error:
            raise StoreUnavailableError(_reason(error)) from error
        if "not currently serving" in answer:
            raise StoreUnavailableError("it runs, but has no quorum")
        first = answer.partition("\n")[0]
        return first.removeprefix("Zookeeper version: ").partition(",")[0] if first.startswith("Zookeeper") else ""

    def address_of(self, host: str) -> str:
        """Give a host's IP address, or "" if there is none."""
        try:
            return socket.gethostbyname(host)
        except OSError:
            return ""

    def name_of(self, address: str) -> str:
        """Give the name that reverse DNS has for an IP address, or ""."""
        try:
            return socket.gethostbyaddr(address)[0]
        except OSError:
            return ""

    def master(self) -> Server:
        """Give the active HMaster, as HBase's own RPC tells it; StoreError says why nobody does."""
        with Admin(self._cluster(self.address.nodes)) as admin:
            return admin.cluster.master()

    def _cluster(self, nodes: Sequence[Server]) -> Cluster:
        patience = Patience(min(CONNECT_S, self.timeout_s), self.timeout_s)
        return Cluster(nodes, login_of(self.address), patience, wait_s=0.1)

    def switches(self, master: Server) -> Switches:
        """Give HBase's switches, asked of its master in HBase's own RPC; StoreError says why it does not tell."""
        with Admin(self._cluster([master])) as admin:
            return Switches(admin.balancer_is_on(), admin.normalizer_is_on(), admin.splits_are_on())

    def hbase_version(self, master: Server) -> str:
        """Give HBase's version (2.3 and later), asked of its master in RPC; StoreError says why it does not tell."""
        with Admin(self._cluster([master])) as admin:
            return admin.version()

    def run(self, template: str, host: str, command: list[str], script: str) -> str:
        """Run a command on a node, with a script as its input, and give its output.

        Raises
        ------
        ConfigError
            If the template is none.
        StoreUnavailableError
            If the command failed.
        """
        try:
            parts = [part.format(host=host, name=host.partition(".")[0]) for part in shlex.split(template)]
        except (ValueError, KeyError, IndexError) as error:
            raise ConfigError(
                f"--via {template!r}: {error}: give 'ssh {{host}}' or 'docker exec -i {{name}}'"
            ) from error
        try:
            done = subprocess.run(
                [*parts, *command], input=script, capture_output=True, text=True, timeout=_COMMAND_S, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise StoreUnavailableError(str(error)) from error
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
            raise StoreUnavailableError(f"{shlex.join([*parts, *command])} ended with {done.returncode}: {last[:200]}")
        return done.stdout


def clock_of(date: str | None, asked: float, answered: float) -> Clock | None:
    """Give how far a server's clock is ahead, from the ``Date`` of its answer and our own time around it (seconds)."""
    if date is None:
        return None
    try:
        told = parsedate_to_datetime(date).timestamp()
    except ValueError:
        return None
    return Clock(told - answered, told + _DATE_WIDTH_S - asked)


def _reason(error: Exception) -> str:
    reason = getattr(error, "reason", error)
    if isinstance(reason, TimeoutError):
        return "no answer in time"
    if isinstance(reason, socket.gaierror):
        return "no host of that name"
    return str(getattr(reason, "strerror", None) or reason or type(reason).__name__)
