"""Connections to all servers of one HBase: kept for the next call, opened anew when they broke, calls tried again.

It finds the active master and hbase:meta by asking any server for them: masters and, since HBase 2.6, RegionServers
answer as `ClientMetaService`, so ZooKeeper is not needed.
"""

from __future__ import annotations

import os
import threading
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from time import monotonic, sleep

from google.protobuf.message import Message

from hbimg.errors import StoreError, StoreUnavailableError
from hbimg.store.hbase_address import HBaseAddress, Server
from hbimg.store.rpc import hbase_pb2 as pb
from hbimg.store.rpc.login import SimpleLogin, tls_context
from hbimg.store.rpc.remote import Reaction, RemoteError, told
from hbimg.store.rpc.wire import CONNECT_S, Connection, MessageT, Part, Patience

CLIENT, ADMIN, MASTER, REGISTRY = "ClientService", "AdminService", "MasterService", "ClientMetaService"
#: Connections that were idle for longer are not trusted: firewalls and HBase itself forget them.
IDLE_S = 50.0
_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 3.0
_MOST_IDLE = 8


@dataclass(slots=True)
class Persistence:
    """How long something is tried again, in seconds, with pauses that grow."""

    wait_s: float
    longest_pause_s: float = _LONGEST_PAUSE_S
    _deadline: float = field(init=False)
    _pause: float = field(init=False, default=_FIRST_PAUSE_S)

    def __post_init__(self) -> None:
        self._deadline = monotonic() + self.wait_s

    def pause(self, error: StoreError) -> None:
        """Wait for the next try; raise the error when the time is over."""
        if monotonic() + self._pause > self._deadline:
            raise error
        sleep(self._pause)
        self._pause = min(2 * self._pause, self.longest_pause_s)

    def restart(self) -> None:
        """Begin anew, since it went on."""
        self._deadline = monotonic() + self.wait_s
        self._pause = _FIRST_PAUSE_S


class Cluster:
    """The servers of one HBase. For any number of threads.

    Parameters
    ----------
    nodes : sequence of Server
        Masters or RegionServers, asked in turn for where everything is; more are learnt from them.
    login : SimpleLogin
    patience : Patience
        Of one call.
    wait_s : float
        How long a call is tried again while servers are gone or busy.
    """

    def __init__(
        self, nodes: Sequence[Server], login: SimpleLogin, patience: Patience | None = None, wait_s: float = 120.0
    ) -> None:
        self.nodes = tuple(dict.fromkeys(nodes))
        self.wait_s = wait_s
        self._login = login
        self._patience = patience or Patience()
        self._lock = threading.Lock()
        self._idle: dict[tuple[Server, str], list[Connection]] = defaultdict(list)
        self._process = os.getpid()
        self._learnt: tuple[Server, ...] = ()
        self._master: Server | None = None
        self._meta: Server | None = None

    # -- connections -------------------------------------------------------------------------------------------------

    def take(self, server: Server, service: str) -> Connection:
        """Give a connection for the caller alone, until `give_back`."""
        doomed: list[Connection] = []
        try:
            with self._lock:
                if self._process != os.getpid():
                    # A child of a fork shares the parent's sockets: it must not say a word on them.
                    self._idle.clear()
                    self._process = os.getpid()
                idle = self._idle[server, service]
                while idle:
                    connection = idle.pop()
                    if monotonic() - connection.used_at < IDLE_S:
                        return connection
                    doomed.append(connection)
        finally:
            for connection in doomed:
                connection.close()
        return Connection(server, service, self._login, self._patience)

    def give_back(self, connection: Connection) -> None:
        """Keep a connection for the next call, or close it if it is out of step."""
        if connection.broken:
            self._close_idle(connection.server)
            return
        with self._lock:
            idle = self._idle[connection.server, connection.service]
            if not connection.pending and len(idle) < _MOST_IDLE and self._process == os.getpid():
                idle.append(connection)
                return
        connection.close()

    def _close_idle(self, server: Server) -> None:
        """Close what leads to a server where one connection broke: the others will have broken too."""
        with self._lock:
            doomed = [c for (other, _), idle in self._idle.items() if other == server for c in idle]
            for key in [key for key in self._idle if key[0] == server]:
                del self._idle[key]
        for connection in doomed:
            connection.close()

    def close(self) -> None:
        """Close all connections that nobody uses."""
        with self._lock:
            idle, self._idle = self._idle, defaultdict(list)
        if self._process == os.getpid():
            for connections in idle.values():
                for connection in connections:
                    connection.close()

    # -- calls -------------------------------------------------------------------------------------------------------

    def call(
        self,
        server: Server,
        service: str,
        method: str,
        request: Message,
        kind: type[MessageT],
        cells: Sequence[Part] = (),
    ) -> MessageT:
        """Call a method once.

        Raises
        ------
        RemoteError, StoreUnavailableError
            As `Connection.call` does.
        """
        connection = self.take(server, service)
        try:
            return connection.call(method, request, kind, cells)
        finally:
            self.give_back(connection)

    def insist(self, attempt: Callable[[], MessageT], doing: str, table: str | None = None) -> MessageT:
        """Make a call that may be made more than once, until it succeeds, fails for good, or time is over.

        Raises
        ------
        StoreError
        """
        persistence = Persistence(self.wait_s)
        while True:
            try:
                return attempt()
            except (RemoteError, StoreUnavailableError) as error:
                ours, reaction = told(error, doing, table)
                if reaction is Reaction.FAIL:
                    raise ours from error
                persistence.pause(ours)

    def call_master(
        self, method: str, request: Message, kind: type[MessageT], doing: str, table: str | None = None
    ) -> MessageT:
        """Call the active master, whichever it is now.

        Raises
        ------
        StoreError
        """

        def attempt() -> MessageT:
            try:
                return self.call(self.master(), MASTER, method, request, kind)
            except (RemoteError, StoreUnavailableError):
                self._master = None
                raise

        return self.insist(attempt, doing, table)

    # -- where everything is -----------------------------------------------------------------------------------------

    def master(self) -> Server:
        """Give the active master; StoreUnavailableError if there is none at the moment."""
        master = self._master  # others may take it away meanwhile
        if master is None:
            answer = self._ask_nodes("GetActiveMaster", pb.GetActiveMasterRequest(), pb.GetActiveMasterResponse)
            if not answer.HasField("server_name"):
                raise StoreUnavailableError("HBase has no active master at the moment: see whether its master runs")
            self._master = master = server_of(answer.server_name)
        return master

    def meta(self) -> Server:
        """Give the server that has hbase:meta; StoreUnavailableError if there is none at the moment."""
        meta = self._meta  # others may take it away meanwhile
        if meta is None:
            request, kind = pb.GetMetaRegionLocationsRequest(), pb.GetMetaRegionLocationsResponse
            for location in self._ask_nodes("GetMetaRegionLocations", request, kind).meta_locations:
                if not location.region_info.replica_id and location.HasField("server_name"):
                    meta = server_of(location.server_name)
            if meta is None:
                raise StoreUnavailableError("hbase:meta is on no server at the moment: see whether HBase is starting")
            self._meta = meta
        return meta

    def forget_meta(self) -> None:
        """Ask for the server of hbase:meta again next time."""
        self._meta = None

    def cluster_id(self) -> str:
        """Give HBase's name of the cluster; StoreUnavailableError if no node answers."""
        return self._ask_nodes("GetClusterId", pb.GetClusterIdRequest(), pb.GetClusterIdResponse).cluster_id

    def _ask_nodes(self, method: str, request: Message, kind: type[MessageT]) -> MessageT:
        failures: list[StoreError] = []
        for node in dict.fromkeys((*self.nodes, *self._learnt)):
            try:
                answer = self.call(node, REGISTRY, method, request, kind)
            except (RemoteError, StoreUnavailableError) as error:
                failures.append(told(error, "asking where HBase's servers are")[0])
                continue
            self._learn(node)
            return answer
        if len(failures) == 1:
            raise failures[0]
        raise StoreUnavailableError("; ".join(map(str, failures))) from failures[0]

    def _learn(self, node: Server) -> None:
        """Learn RegionServers from a node that answered: they can be asked when the nodes of the URL are gone."""
        if self._learnt:
            return
        try:
            answer = self.call(
                node, REGISTRY, "GetBootstrapNodes", pb.GetBootstrapNodesRequest(), pb.GetBootstrapNodesResponse
            )
        except (RemoteError, StoreUnavailableError):
            self._learnt = (node,)  # HBase before 2.5: its RegionServers cannot tell
        else:
            self._learnt = (node, *(server_of(name) for name in answer.server_name))


def server_of(name: pb.ServerName) -> Server:
    """Give host and port of HBase's name for a server."""
    return Server(name.host_name, name.port)


def login_of(address: HBaseAddress) -> SimpleLogin:
    """Give how an address is to be logged in at: within TLS if it says so."""
    return SimpleLogin(tls=tls_context(address.tls_ca) if address.tls else None)


def open_cluster(address: HBaseAddress, connect_s: float = CONNECT_S) -> Cluster:
    """Open the HBase of an address, and make sure that one of its hosts and a RegionServer answer.

    Raises
    ------
    StoreUnavailableError
        If they do not; nothing is tried again.
    """
    cluster = Cluster(address.nodes, login_of(address), Patience(connect_s, address.timeout_s), address.wait_s)
    try:
        cluster.give_back(cluster.take(cluster.meta(), CLIENT))
    except BaseException:
        cluster.close()  # one of the hosts may have answered
        raise
    return cluster
