"""A Thrift 2 server with nothing behind it but dicts: what hbimg says on the wire, and how it takes trouble there.

It speaks through thriftpy2's server classes in all packings, and can be told to fail. Whether HBase itself answers
like this is for the tests on the mini-cluster to say.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import pairwise
from typing import Any

from thriftpy2.protocol import TBinaryProtocol, TCompactProtocol
from thriftpy2.thrift import TProcessor
from thriftpy2.transport import TBufferedTransport, TFramedTransport, TSocket

from hbimg.store.thrift import api

Rows = dict[bytes, dict[tuple[bytes, bytes], bytes]]


class FakeHBase:
    """Tables in dicts, and the methods of THBaseService that hbimg calls.

    `before` is called with each method's name first: what it raises goes to the client, or breaks the connection.
    """

    def __init__(self) -> None:
        self.tables: dict[bytes, tuple[Any, list[bytes], Rows]] = {}
        self.kind = api.TThriftServerType.TWO
        self.cluster = "a-cluster"
        self.before: Callable[[str], None] = lambda method: None
        self.after: Callable[[str], None] = lambda method: None
        self.calls: list[str] = []
        self.lock = threading.RLock()

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        if name.startswith("_") or name not in api.THBaseService.thrift_services:
            return found

        def called(*arguments: Any) -> Any:
            with self.lock:
                self.calls.append(name)
                self.before(name)
                answer = found(*arguments)
                self.after(name)
                return answer

        return called

    def getThriftServerType(self):  # noqa: N802 - HBase's names, here and below
        return self.kind

    def getClusterId(self):  # noqa: N802
        return self.cluster

    def _rows(self, table) -> Rows:
        if table not in self.tables:
            raise api.TIOError(message=table.decode())
        return self.tables[table][2]

    def get(self, table, tget):
        cells = self._rows(table).get(tget.row, {})
        wanted = [(column.family, column.qualifier) for column in tget.columns or ()]
        return _result(tget.row, {k: v for k, v in cells.items() if not wanted or k in wanted})

    def getScannerResults(self, table, tscan, number):  # noqa: N802
        families = {column.family for column in tscan.columns or ()}
        found = []
        for row, cells in sorted(self._rows(table).items()):
            if row < tscan.startRow or (tscan.stopRow and row >= tscan.stopRow):
                continue
            chosen = {key: value for key, value in cells.items() if not families or key[0] in families}
            if chosen and len(found) < number:
                found.append(_result(row, chosen))
        return found

    def putMultiple(self, table, tputs):  # noqa: N802
        rows = self._rows(table)
        for tput in tputs:
            _put(rows, tput)

    def checkAndPut(self, table, row, family, qualifier, value, tput):  # noqa: N802
        rows = self._rows(table)
        if rows.get(row, {}).get((family, qualifier)) != value:
            return False
        _put(rows, tput)
        return True

    def checkAndDelete(self, table, row, family, qualifier, value, tdelete):  # noqa: N802
        rows = self._rows(table)
        if rows.get(row, {}).get((family, qualifier)) != value:
            return False
        del rows[row]
        return True

    def deleteMultiple(self, table, tdeletes):  # noqa: N802
        rows = self._rows(table)
        for tdelete in tdeletes:
            for column in tdelete.columns or ():
                rows.get(tdelete.row, {}).pop((column.family, column.qualifier), None)
            if not tdelete.columns or not rows.get(tdelete.row):
                rows.pop(tdelete.row, None)
        return []

    def getAllRegionLocations(self, table):  # noqa: N802
        borders = [b"", *self.tables[table][1], b""]
        return [
            api.THRegionLocation(
                serverName=api.TServerName(hostName="worker1", port=16020),
                regionInfo=api.THRegionInfo(regionId=n, tableName=table, startKey=a, endKey=b),
            )
            for n, (a, b) in enumerate(pairwise(borders))
        ]

    def getTableDescriptor(self, name):  # noqa: N802
        if _full(name) not in self.tables:
            raise api.TIOError(message=_full(name).decode())
        return self.tables[_full(name)][0]

    def getTableDescriptorsByPattern(self, regex, system):  # noqa: N802
        return [descriptor for descriptor, _, _ in self.tables.values()]

    def getTableDescriptorsByNamespace(self, name):  # noqa: N802
        return [descriptor for descriptor, _, _ in self.tables.values() if descriptor.tableName.ns == name.encode()]

    def tableExists(self, name):  # noqa: N802
        return _full(name) in self.tables

    def isTableDisabled(self, name):  # noqa: N802
        return False

    def createTable(self, desc, points):  # noqa: N802
        if _full(desc.tableName) in self.tables:
            raise api.TIOError(message=_full(desc.tableName).decode())
        self.tables[_full(desc.tableName)] = (desc, points or [], {})

    def disableTable(self, name):  # noqa: N802
        pass

    def deleteTable(self, name):  # noqa: N802
        del self.tables[_full(name)]


def _full(name) -> bytes:
    return name.qualifier if name.ns in (b"default", None) else name.ns + b":" + name.qualifier


def _put(rows: Rows, tput) -> None:
    new = {(cell.family, cell.qualifier): cell.value for cell in tput.columnValues}
    rows.setdefault(tput.row, {}).update(new)


def _result(row: bytes, cells: dict[tuple[bytes, bytes], bytes]):
    values = [api.TColumnValue(family=f, qualifier=q, value=v) for (f, q), v in sorted(cells.items())]
    return api.TResult(row=row if cells else None, columnValues=values)


class FakeServer:
    """Serves a `FakeHBase` on a free port of this host, a thread for each connection."""

    def __init__(self, hbase: FakeHBase, transport: str = "buffered", protocol: str = "binary", port: int = 0) -> None:
        self._processor = TProcessor(api.THBaseService, hbase)
        self._transport = {"buffered": TBufferedTransport, "framed": TFramedTransport}[transport]
        self._protocol = {"binary": TBinaryProtocol, "compact": TCompactProtocol}[protocol]
        self._listener = socket.create_server(("127.0.0.1", port))
        self.port = self._listener.getsockname()[1]
        self._clients: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self._clients.append(client)
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        transport = self._transport(TSocket(sock=client))
        protocol = self._protocol(transport)
        try:
            while True:
                self._processor.process(protocol, protocol)
        except Exception:  # noqa: BLE001 - what a server does with nonsense: it hangs up
            self._hang_up(client)

    def drop_clients(self) -> None:
        """Hang up on everybody, as a server does that ends or finds a connection idle."""
        clients, self._clients = self._clients, []
        for client in clients:
            self._hang_up(client)

    @staticmethod
    def _hang_up(client: socket.socket) -> None:
        with suppress(OSError):
            client.shutdown(socket.SHUT_RDWR)
        client.close()

    def stop(self) -> None:
        """End: nothing listens any more."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.drop_clients()


@contextmanager
def serving(hbase: FakeHBase, **options: Any) -> Iterator[FakeServer]:
    """Serve for a while."""
    server = FakeServer(hbase, **options)
    try:
        yield server
    finally:
        server.stop()
