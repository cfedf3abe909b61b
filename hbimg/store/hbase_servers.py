"""Connections to HBase's Thrift servers: pooled, the own host's first, replaced when dead, calls tried again.

Every call that goes through here may be made more than once, so each must be safe to repeat.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from time import monotonic, sleep
from typing import Any, Protocol

from hbimg.errors import StoreError, StoreUnavailableError
from hbimg.store.hbase_address import HBaseAddress, Server
from hbimg.store.hbase_errors import PASSING
from hbimg.store.hbase_limits import Limits

#: HBase's Thrift servers drop a connection that was idle for a minute; ours is not used again after less.
IDLE_S = 45.0
#: How long a server that failed is asked last.
_AVOID_S = 10.0
_FIRST_PAUSE_S = 0.2
_LONGEST_PAUSE_S = 5.0


class Connected(Protocol):
    """What the pool needs of a connection: `hbimg.store.thrift.Connection` is one."""

    server: Server
    packing: Any
    broken: bool
    used_at: float

    def call(self, method: str, *arguments: Any, doing: str = "", table: str | None = None) -> Any:
        """Call a method of the server."""

    def close(self) -> None:
        """Close it."""


class Servers:
    """The Thrift servers of one cluster. For any number of threads.

    Parameters
    ----------
    address : HBaseAddress
    connect : callable
        Opens a connection to a server, given address and packing: `hbimg.store.thrift.connect`.
    own_host : str
        The host whose server is preferred, if it is of the same cluster.
    """

    def __init__(
        self,
        address: HBaseAddress,
        connect: Callable[[Server, HBaseAddress, Any], Connected],
        own_host: str = "localhost",
    ) -> None:
        self.address = address
        self._connect = connect
        self._lock = threading.Lock()
        self._idle: list[Connected] = []
        self._avoided: dict[Server, float] = {}
        self._packings: dict[Server, Any] = {}
        self._process = os.getpid()
        self.servers: tuple[Server, ...] = address.servers
        self._last = threading.local()
        first = self._open()
        own = Server(own_host, first.server.port)
        if address.own_host and own not in self.servers and self._same_cluster(own, first):
            self.servers = (own, *self.servers)
            first.close()  # else it would be taken for the next call, and lead all that is read around by its host
        else:
            self._give_back(first)

    def limits(self) -> Limits:
        """Give what looks at the limits of the server that is used first."""
        server = self.servers[0] if self.servers[0] in self._packings else next(iter(self._packings))
        framed = getattr(self._packings[server], "transport", "") == "framed"
        return Limits(server, self.address.info_port, framed=framed)

    def call(self, method: str, *arguments: Any, doing: str, table: str | None = None) -> Any:
        """Call a method, on another server or again while servers are gone or busy.

        Raises
        ------
        StoreError
            When it failed for good, or for `wait_s` seconds.
        """
        deadline = monotonic() + self.address.wait_s
        pause = _FIRST_PAUSE_S
        while True:
            try:
                return self._call_once(method, arguments, doing, table)
            except PASSING:
                if monotonic() + pause > deadline:
                    raise
            sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_S)

    @property
    def last_host(self) -> str:
        """The host whose server this thread's last call went to; '' before the first."""
        return getattr(self._last, "host", "")

    def _call_once(self, method: str, arguments: tuple[Any, ...], doing: str, table: str | None) -> Any:
        connection = self._take()
        self._last.host = connection.server.host
        try:
            answer = connection.call(method, *arguments, doing=doing, table=table)
        except BaseException:
            if connection.broken:
                self._forget(connection)
            else:
                self._give_back(connection)
            raise
        self._give_back(connection)
        return answer

    def _take(self) -> Connected:
        with self._lock:
            if self._process != os.getpid():
                # A child of a fork shares the parent's sockets: it must not say a word on them.
                self._idle, self._process = [], os.getpid()
            while self._idle:
                connection = self._idle.pop()
                if monotonic() - connection.used_at < IDLE_S:
                    return connection
                connection.close()
        return self._open()

    def _give_back(self, connection: Connected) -> None:
        with self._lock:
            self._idle.append(connection)

    def _forget(self, connection: Connected) -> None:
        """Close a connection that broke, and all that lead to the same server: they will have broken too."""
        connection.close()
        with self._lock:
            doomed = [other for other in self._idle if other.server == connection.server]
            self._idle = [other for other in self._idle if other.server != connection.server]
            self._avoided[connection.server] = monotonic() + _AVOID_S
        for other in doomed:
            other.close()

    def _open(self) -> Connected:
        """Connect to the first server that answers, those that failed lately last."""
        now = monotonic()
        ordered = sorted(self.servers, key=lambda server: self._avoided.get(server, 0.0) > now)
        failures: list[StoreError] = []
        for server in ordered:
            try:
                connection = self._connect(server, self.address, self._packings.get(server))
            except StoreUnavailableError as error:
                failures.append(error)
                self._avoided[server] = now + _AVOID_S
                self._packings.pop(server, None)  # it may come back with another one
            else:
                self._packings[server] = connection.packing
                return connection
        if len(failures) == 1:
            raise failures[0]
        raise StoreUnavailableError("; ".join(str(failure) for failure in failures)) from failures[0]

    def _same_cluster(self, own: Server, first: Connected) -> bool:
        """Whether a Thrift server on this host leads to the same HBase; if that is not sure, it does not count."""
        try:
            cluster = first.call("getClusterId", doing="asking for the cluster")
            mine = self._connect(own, self.address, first.packing)
        except StoreError:
            return False
        try:
            same = bool(cluster) and mine.call("getClusterId", doing="asking for the cluster") == cluster
        except StoreError:
            same = False
        if same:
            self._give_back(mine)
            self._packings[own] = mine.packing
        else:
            mine.close()
        return same

    def close(self) -> None:
        """Close all connections that nobody uses."""
        with self._lock:
            idle, self._idle = self._idle, []
        if self._process == os.getpid():
            for connection in idle:
                connection.close()
