"""Servers of HBase's own RPC with nothing behind them but dicts: what hbimg says on the wire, and how it takes trouble.

Several servers on ports of their own share tables, whose regions are dealt out to them. They can be told to fail, to
answer in small pieces, to hang, to be killed. Whether HBase itself answers like this is for the mini-cluster to say.
"""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count, pairwise
from typing import Any

from hbimg.store.rpc import hbase_pb2 as pb

HOST = "127.0.0.1"
HBASE = "org.apache.hadoop.hbase."
META = b"hbase:meta,,1"
_STAMP = struct.pack(">QB", 1, 4)


class Thrown(Exception):  # noqa: N818 - it is Java's exception that is thrown
    """An exception of HBase's, sent to the client."""

    def __init__(self, name: str, text: str = "", *, final: bool = False) -> None:
        super().__init__(name)
        self.name = name if "." in name else HBASE + name
        self.text = text
        self.final = final


class HangUp(Exception):  # noqa: N818
    """The connection is closed without an answer."""


@dataclass
class Region:
    """A region: its range, its id, and the server that has it."""

    start: bytes
    stop: bytes
    number: int
    server: FakeServer

    def name(self, table: str) -> bytes:
        encoded = f"{self.number:032x}".encode()
        return b"%b,%b,%d.%b." % (table.encode(), self.start, self.number, encoded)

    def has(self, row: bytes) -> bool:
        return row >= self.start and (not self.stop or row < self.stop)


@dataclass
class FakeTable:
    """A table: HBase's description, rows of cells by (family, qualifier), and regions in order."""

    schema: pb.TableSchema
    rows: dict[bytes, dict[tuple[bytes, bytes], bytes]]
    regions: list[Region]


@dataclass
class Scanner:
    """An open scanner: what is still to be given, as (row, cells) in order."""

    left: list[tuple[bytes, list[tuple[tuple[bytes, bytes], bytes]]]]
    max_bytes: int
    region: bytes
    calls: int = 0


@dataclass
class FakeCluster:
    """Tables, and the servers that serve them.

    `before` is called with server, method and request: what it raises goes to the client or ends the connection.
    `after` likewise, when the call was done. `answer_bytes` bounds a scanner's answer, in the middle of a row too.
    `garble` may change the bytes of an answer's frame, or cut it.
    """

    servers: list[FakeServer] = field(default_factory=list)
    tables: dict[str, FakeTable] = field(default_factory=dict)
    before: Callable[[FakeServer, str, Any], None] = lambda server, method, request: None
    after: Callable[[FakeServer, str, Any], None] = lambda server, method, request: None
    garble: Callable[[str, bytes], bytes] = lambda method, frame: frame
    answer_bytes: int = 1 << 30
    heartbeats: int = 0
    parents: list[tuple[str, Region]] = field(default_factory=list)
    lock: Any = field(default_factory=threading.RLock)
    numbers: Iterator[int] = field(default_factory=lambda: count(1))
    calls: list[str] = field(default_factory=list)

    # -- regions -----------------------------------------------------------------------------------------------------

    def region_of(self, name: bytes) -> tuple[str, Region]:
        for table, found in self.tables.items():
            for region in found.regions:
                encoded = region.name(table)[:-1].rpartition(b".")[2]
                if name in (region.name(table), encoded):
                    return table, region
        raise Thrown("NotServingRegionException", f"{name!r} is not online")

    def split(self, table: str, row: bytes) -> None:
        with self.lock:
            regions = self.tables[table].regions
            parent = next(region for region in regions if region.has(row))
            other = self.servers[(self.servers.index(parent.server) + 1) % len(self.servers)]
            index = regions.index(parent)
            self.parents.append((table, parent))
            regions[index : index + 1] = [
                Region(parent.start, row, next(self.numbers), parent.server),
                Region(row, parent.stop, next(self.numbers), other),
            ]

    def merge(self, table: str) -> None:
        with self.lock:
            found = self.tables[table]
            found.regions = [Region(b"", b"", next(self.numbers), found.regions[0].server)]

    def move(self, table: str, row: bytes) -> None:
        with self.lock:
            region = next(region for region in self.tables[table].regions if region.has(row))
            region.server = self.servers[(self.servers.index(region.server) + 1) % len(self.servers)]

    # -- where everything is -----------------------------------------------------------------------------------------

    def meta(self) -> dict[bytes, dict[tuple[bytes, bytes], bytes]]:
        """Rows of all regions, and of those that were split: HBase keeps them for a while."""
        rows = {}
        for table, found in self.tables.items():
            parents = [region for other, region in self.parents if other == table]
            for region in [*found.regions, *parents]:
                info = pb.RegionInfo(region_id=region.number, table_name=found.schema.table_name)
                info.start_key, info.end_key, info.split = region.start, region.stop, region in parents
                rows[region.name(table)] = {
                    (b"info", b"regioninfo"): b"PBUF" + info.SerializeToString(),
                    (b"info", b"server"): f"{HOST}:{region.server.port}".encode(),
                    (b"info", b"serverstartcode"): struct.pack(">Q", region.server.start_code),
                    (b"info", b"state"): b"OPEN",
                    (b"info", b"seqnumDuringOpen"): struct.pack(">Q", 1),
                }
        return rows


class FakeServer:
    """A server that is master and RegionServer at once; it listens until it is killed."""

    def __init__(self, cluster: FakeCluster, tls: Any = None) -> None:
        self.cluster = cluster
        self.tls = tls
        self.start_code = next(cluster.numbers)
        self.scanners: dict[int, Scanner] = {}
        self._open: list[socket.socket] = []
        self._listener = socket.create_server((HOST, 0))
        self.port = self._listener.getsockname()[1]
        cluster.servers.append(self)
        self._is_dead = False
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def name(self) -> pb.ServerName:
        return pb.ServerName(host_name=HOST, port=self.port, start_code=self.start_code)

    def kill(self) -> None:
        """Close all, with answers on their way lost."""
        self._is_dead = True
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        # Closed when nobody waits in it: its number may be another listener's at once.
        self._thread.join(0.5)
        self._listener.close()
        for connection in self._open:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()

    def _accept(self) -> None:
        while not self._is_dead:
            try:
                connection, _ = self._listener.accept()
                if self.tls is not None:
                    connection = self.tls.wrap_socket(connection, server_side=True)
            except OSError:
                continue
            self._open.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError, HangUp, EOFError), connection, connection.makefile("rb") as stream:
            if stream.read(6) != b"HBas\x00\x50":
                return
            pb.ConnectionHeader.FromString(stream.read(_length(stream)))
            while True:
                frame = memoryview(stream.read(_length(stream)))
                header, frame = _delimited(frame, pb.RequestHeader)
                answer = self._answer(header, frame)
                sent = self.cluster.garble(header.method_name, answer)
                connection.sendall(sent)
                if len(sent) < len(answer):
                    return

    def _answer(self, header: pb.RequestHeader, frame: memoryview) -> bytes:
        method = header.method_name
        request, cells = _delimited(frame, REQUESTS[method])
        answered = pb.ResponseHeader(call_id=header.call_id)
        try:
            with self.cluster.lock:
                self.cluster.calls.append(method)
            self.cluster.before(self, method, request)
            with self.cluster.lock:
                message, block = getattr(Methods(self), method)(request, list(_cells(cells)))
            self.cluster.after(self, method, request)
        except Thrown as thrown:
            answered.exception.exception_class_name, answered.exception.do_not_retry = thrown.name, thrown.final
            answered.exception.stack_trace = f"{thrown.name}: {thrown.text}\n\tat org.apache.Foo(Foo.java:1)"
            body = _prefixed(answered)
            return struct.pack(">I", len(body)) + body
        if block:
            answered.cell_block_meta.length = len(block)
        body = _prefixed(answered) + _prefixed(message) + block
        return struct.pack(">I", len(body)) + body


class Methods:
    """HBase's methods, in its names."""

    def __init__(self, server: FakeServer) -> None:
        self.server = server
        self.cluster = server.cluster

    def GetMetaRegionLocations(self, request, cells):
        answer = pb.GetMetaRegionLocationsResponse()
        info = pb.RegionInfo(region_id=1, table_name=pb.TableName(namespace=b"hbase", qualifier=b"meta"))
        answer.meta_locations.add(region_info=info, server_name=self.cluster.servers[0].name(), seq_num=1)
        return answer, b""

    def GetActiveMaster(self, request, cells):
        return pb.GetActiveMasterResponse(server_name=self.cluster.servers[0].name()), b""

    def GetClusterId(self, request, cells):
        return pb.GetClusterIdResponse(cluster_id="a-cluster"), b""

    def GetBootstrapNodes(self, request, cells):
        return pb.GetBootstrapNodesResponse(server_name=[server.name() for server in self.cluster.servers]), b""

    # -- data --------------------------------------------------------------------------------------------------------

    def _region(self, specifier: pb.RegionSpecifier) -> tuple[str, Region]:
        table, region = self.cluster.region_of(specifier.value)
        if region.server is not self.server:
            raise Thrown("exceptions.RegionMovedException", "moved")
        return table, region

    def Scan(self, request, cells):
        server = self.server
        if request.HasField("scan"):
            number = next(self.cluster.numbers)
            server.scanners[number] = self._open(request)
        else:
            number = request.scanner_id
            if number not in server.scanners:
                raise Thrown("UnknownScannerException", f"{number}", final=True)
            self.cluster.region_of(server.scanners[number].region)
            if not request.close_scanner and server.scanners[number].region != META:
                if request.next_call_seq != server.scanners[number].calls:
                    raise Thrown("exceptions.OutOfOrderScannerNextException", "", final=True)
                server.scanners[number].calls += 1
        answer = pb.ScanResponse(scanner_id=number, more_results=True, more_results_in_region=False)
        if request.close_scanner:
            del server.scanners[number]
            return answer, b""
        scanner = server.scanners[number]
        if self.cluster.heartbeats and request.number_of_rows > 1:
            self.cluster.heartbeats -= 1
            answer.heartbeat_message = answer.more_results_in_region = True
            return answer, b""
        block = self._fill(answer, scanner, request.number_of_rows)
        answer.more_results_in_region = bool(scanner.left)
        if not scanner.left:
            del server.scanners[number]
        return answer, block

    def _open(self, request) -> Scanner:
        scan = request.scan
        if request.region.value == META:
            rows = sorted(self.cluster.meta().items(), key=lambda row: _meta_key(row[0]), reverse=scan.reversed)
            first, last = sorted(map(_meta_key, (scan.start_row, scan.stop_row)))
            chosen = [(row, sorted(cells.items())) for row, cells in rows if first <= _meta_key(row) <= last]
            return Scanner(chosen[: request.limit_of_rows or None], 1 << 30, META)
        table, region = self._region(request.region)
        families = {column.family: set(column.qualifier) for column in scan.column}
        chosen = []
        for row, held in sorted(self.cluster.tables[table].rows.items()):
            if row < scan.start_row or (scan.stop_row and row >= scan.stop_row) or not region.has(row):
                continue
            found = [
                (name, value)
                for name, value in sorted(held.items())
                if name[0] in families and (not families[name[0]] or name[1] in families[name[0]])
            ]
            if found:
                chosen.append((row, [(found[0][0], b"")] if scan.HasField("filter") else found))
        return Scanner(chosen, scan.max_result_size, region.name(table))

    def _fill(self, answer: pb.ScanResponse, scanner: Scanner, rows: int) -> bytes:
        # Who does not say that it handles parts of rows gets whole ones: those that read hbase:meta.
        limit = scanner.max_bytes if scanner.region == META else min(scanner.max_bytes, self.cluster.answer_bytes)
        block = []
        size = 0
        while scanner.left and rows and size < limit:
            row, cells = scanner.left[0]
            given = 0
            while cells and size < limit:
                name, value = cells.pop(0)
                block.append(_key_value(row, name, value))
                size += len(value)
                given += 1
            answer.cells_per_result.append(given)
            answer.partial_flag_per_result.append(bool(cells))
            if not cells:
                scanner.left.pop(0)
                rows -= 1
        return b"".join(block)

    def Multi(self, request, cells):
        answer = pb.MultiResponse()
        cells = iter(cells)
        for action in request.regionAction:
            result = answer.regionActionResult.add()
            try:
                table, _ = self._region(action.region)
            except Thrown as thrown:
                result.exception.name, result.exception.value = thrown.name, thrown.text.encode()
                for one in action.action:
                    for _ in range(one.mutation.associated_cell_count):
                        next(cells)
                continue
            for one in action.action:
                taken = [next(cells) for _ in range(one.mutation.associated_cell_count)]
                found = result.resultOrException.add(index=one.index)
                try:
                    self.cluster.before(self.server, "row", one.mutation.row)
                    self._mutate(self.cluster.tables[table], one.mutation, taken)
                except Thrown as thrown:
                    found.exception.name, found.exception.value = thrown.name, thrown.text.encode()
        return answer, b""

    def _mutate(self, table: FakeTable, mutation: pb.MutationProto, cells) -> None:
        row = mutation.row
        if mutation.mutate_type == pb.MutationProto.PUT:
            assert {key for key, _, _ in cells} == {row}
            table.rows.setdefault(row, {}).update({name: bytes(value) for _, name, value in cells})
        elif not mutation.column_value:
            table.rows.pop(row, None)
        else:
            for value in mutation.column_value:
                for one in value.qualifier_value:
                    table.rows.get(row, {}).pop((value.family, one.qualifier), None)
            if row in table.rows and not table.rows[row]:
                del table.rows[row]

    def Mutate(self, request, cells):
        table, _ = self._region(request.region)
        found = self.cluster.tables[table]
        wanted = pb.BinaryComparator.FromString(request.condition.comparator.serialized_comparator).comparable.value
        there = found.rows.get(request.condition.row, {})
        value = there.get((request.condition.family, request.condition.qualifier), b"")
        if value == wanted:
            self._mutate(found, request.mutation, cells)
        return pb.MutateResponse(processed=value == wanted), b""

    def GetClusterStatus(self, request, cells):
        status = pb.ClusterStatus(servers_name=[server.name() for server in self.cluster.servers])
        return pb.GetClusterStatusResponse(cluster_status=status), b""

    # -- tables ------------------------------------------------------------------------------------------------------

    def GetTableDescriptors(self, request, cells):
        names = {_full_name(name) for name in request.table_names}
        found = [
            table.schema
            for name, table in self.cluster.tables.items()
            if (not names or name in names)
            and (not request.namespace or table.schema.table_name.namespace.decode() == request.namespace)
        ]
        return pb.GetTableDescriptorsResponse(table_schema=found), b""

    def CreateTable(self, request, cells):
        name = _full_name(request.table_schema.table_name)
        if name in self.cluster.tables:
            raise Thrown("TableExistsException", name, final=True)
        servers = self.cluster.servers
        points = [b"", *request.split_keys, b""]
        regions = [
            Region(start, stop, next(self.cluster.numbers), servers[number % len(servers)])
            for number, (start, stop) in enumerate(pairwise(points))
        ]
        self.cluster.tables[name] = FakeTable(request.table_schema, {}, regions)
        return pb.ProcedureResponse(proc_id=1), b""

    def GetTableState(self, request, cells):
        if _full_name(request.table_name) not in self.cluster.tables:
            raise Thrown("TableNotFoundException", _full_name(request.table_name), final=True)
        return pb.GetTableStateResponse(table_state=pb.TableState(state=pb.TableState.ENABLED)), b""

    def DisableTable(self, request, cells):
        return pb.ProcedureResponse(proc_id=1), b""

    def DeleteTable(self, request, cells):
        del self.cluster.tables[_full_name(request.table_name)]
        return pb.ProcedureResponse(proc_id=1), b""

    def getProcedureResult(self, request, cells):
        return pb.GetProcedureResultResponse(state=pb.GetProcedureResultResponse.FINISHED), b""

    # -- files -------------------------------------------------------------------------------------------------------

    def GetRegionLoad(self, request, cells):
        answer = pb.GetRegionLoadResponse()
        table = _full_name(request.table_name)
        for region in self.cluster.tables[table].regions:
            if region.server is self.server:
                specifier = pb.RegionSpecifier(type=pb.RegionSpecifier.REGION_NAME, value=region.name(table))
                answer.region_loads.add(region_specifier=specifier, stores=4, storefiles=0)
        return answer, b""

    def FlushRegion(self, request, cells):
        self._region(request.region)
        return pb.FlushRegionResponse(last_flush_time=1, flushed=True), b""

    def ClearRegionBlockCache(self, request, cells):
        for region in request.region:
            self._region(region)
        stats = pb.CacheEvictionStats(evicted_blocks=5 * len(request.region))
        return pb.ClearRegionBlockCacheResponse(stats=stats), b""

    def CompactRegion(self, request, cells):
        self._region(request.region)
        return pb.CompactRegionResponse(), b""


REQUESTS: dict[str, Any] = {
    name: getattr(pb, f"{name}Request") for name in dir(Methods) if hasattr(pb, f"{name}Request")
} | {"getProcedureResult": pb.GetProcedureResultRequest}


def _meta_key(row: bytes) -> tuple[bytes, bytes, bytes]:
    """What hbase:meta is sorted by: table, start key, id."""
    table, _, rest = row.partition(b",")
    start, _, number = rest.rpartition(b",")
    return table, start, number


def _full_name(name: pb.TableName) -> str:
    namespace = name.namespace.decode()
    return name.qualifier.decode() if namespace == "default" else f"{namespace}:{name.qualifier.decode()}"


def _length(stream: Any) -> int:
    four = stream.read(4)
    if len(four) < 4:
        raise EOFError
    return struct.unpack(">I", four)[0]


def _varint(text: memoryview) -> tuple[int, int]:
    value = place = 0
    while True:
        byte = text[place]
        value |= (byte & 127) << 7 * place
        place += 1
        if byte < 128:
            return value, place


def _delimited(text: memoryview, kind: Any) -> tuple[Any, memoryview]:
    length, start = _varint(text)
    return kind.FromString(bytes(text[start : start + length])), text[start + length :]


def _prefixed(message: Any) -> bytes:
    text = message.SerializeToString()
    length, prefix = len(text), bytearray()
    while length > 127:
        prefix.append(length & 127 | 128)
        length >>= 7
    return bytes(prefix) + bytes([length]) + text


def _key_value(row: bytes, name: tuple[bytes, bytes], value: bytes) -> bytes:
    key = struct.pack(">H", len(row)) + row + bytes([len(name[0])]) + name[0] + name[1] + _STAMP
    return struct.pack(">III", 8 + len(key) + len(value), len(key), len(value)) + key + value


def _cells(block: memoryview) -> Iterator[tuple[bytes, tuple[bytes, bytes], memoryview]]:
    while block:
        whole, key_bytes, value_bytes, row_bytes = struct.unpack_from(">IIIH", block)
        row = bytes(block[14 : 14 + row_bytes])
        family = 15 + row_bytes
        qualifier = family + block[family - 1]
        name = bytes(block[family:qualifier]), bytes(block[qualifier : 12 + key_bytes - 9])
        yield row, name, block[12 + key_bytes : 12 + key_bytes + value_bytes]
        block = block[4 + whole :]


@contextmanager
def fake_cluster(servers: int = 2, tls: Any = None) -> Iterator[FakeCluster]:
    """Have a cluster of so many servers; they are killed at the end."""
    cluster = FakeCluster()
    for _ in range(servers):
        FakeServer(cluster, tls)
    try:
        yield cluster
    finally:
        for server in cluster.servers:
            server.kill()
