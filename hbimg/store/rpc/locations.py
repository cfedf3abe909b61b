"""Which server has which region: read from hbase:meta, kept, and forgotten when a server says that it moved."""

from __future__ import annotations

import threading
from bisect import bisect_right, insort
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from google.protobuf.message import DecodeError

from hbimg.errors import StoreUnavailableError, TableNotFoundError
from hbimg.rowkeys import KeyRange
from hbimg.store.hbase_address import Server
from hbimg.store.rpc import hbase_pb2 as pb
from hbimg.store.rpc.cellblock import block_buffer, cells_in
from hbimg.store.rpc.cluster import CLIENT, Cluster, Persistence
from hbimg.store.rpc.remote import RemoteError, told

_META_REGION = b"hbase:meta,,1"
_MAGIC = b"PBUF"
#: Behind every region id of a start key.
_LAST_ID = b"99999999999999"
#: Rows of meta asked for at once; each has about a kilobyte.
_ROWS = 500
#: How many rows of meta are looked at to find the region of a row: parents of split regions stand there for a while.
_LOOKED_AT = 8


class ServerName(NamedTuple):
    """A running RegionServer or master: a server that was started again has another start code."""

    host: str
    port: int
    start_code: int

    @property
    def server(self) -> Server:
        """Where it listens."""
        return Server(self.host, self.port)

    def __str__(self) -> str:
        return f"{self.host},{self.port},{self.start_code}"


@dataclass(frozen=True, slots=True)
class RegionPlace:
    """A region as hbase:meta has it.

    Attributes
    ----------
    name : bytes
        HBase's full name: table, start key, id, and the encoded name between dots.
    table : str
        The table's name in HBase, ``namespace:name`` or ``name``.
    range : KeyRange
    server : ServerName or None
        None: on no server at the moment.
    state : str
        ``OPEN``, or what HBase is doing: ``OPENING``, ``CLOSED``, ``SPLITTING``, ``FAILED_OPEN``, ...
    opened_at_sequence : int
        Its sequence number when it was opened: it grows each time the region is opened anew.
    region_id : int
    is_split : bool
        Whether it is only kept as the parent of regions that it was split into.
    """

    name: bytes
    table: str
    range: KeyRange
    server: ServerName | None
    state: str
    opened_at_sequence: int
    region_id: int
    is_split: bool = False

    @property
    def encoded(self) -> str:
        """HBase's short name of the region: 32 hex digits."""
        return self.name[:-1].rpartition(b".")[2].decode()

    @property
    def specifier(self) -> pb.RegionSpecifier:
        """The region as requests name it."""
        return pb.RegionSpecifier(type=pb.RegionSpecifier.REGION_NAME, value=self.name)

    def require_server(self) -> ServerName:
        """Give its server; StoreUnavailableError if it has none at the moment."""
        if self.server is None or self.is_split:
            raise StoreUnavailableError(
                f"region {self.encoded} of table {self.table!r} is on no server at the moment (state {self.state}): "
                "see HBase's master page for what holds it up, and run again"
            )
        return self.server


class Locations:
    """Where regions are. For any number of threads."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._lock = threading.Lock()
        self._known: dict[str, list[tuple[bytes, RegionPlace]]] = defaultdict(list)

    def find(self, table: str, row: bytes) -> RegionPlace:
        """Give the region that has a row, as it was last seen.

        Raises
        ------
        RemoteError, StoreUnavailableError
            If hbase:meta cannot be read at the moment, or the region is on no server.
        TableNotFoundError
        """
        with self._lock:
            known = self._known[table]
            index = bisect_right(known, row, key=lambda entry: entry[0]) - 1
            if index >= 0 and row in known[index][1].range:
                return known[index][1]
        found = self._look_up(table, row)
        found.require_server()
        with self._lock:
            known = self._known[table]
            self._known[table] = known = [entry for entry in known if not _overlap(entry[1].range, found.range)]
            insort(known, (found.range.start, found), key=lambda entry: entry[0])
        return found

    def forget(self, place: RegionPlace) -> None:
        """Look a region up again next time."""
        with self._lock:
            self._known[place.table] = [entry for entry in self._known[place.table] if entry[1] != place]

    def forget_table(self, table: str) -> None:
        """Look all regions of a table up again next time."""
        with self._lock:
            self._known.pop(table, None)

    def regions(self, table: str) -> list[RegionPlace]:
        """Give all regions of a table in order, from hbase:meta as it is now, without parents of split ones.

        Raises
        ------
        RemoteError, StoreUnavailableError
            If hbase:meta cannot be read at the moment.
        TableNotFoundError
        """
        prefix = meta_name(table)
        places = self._places(pb.Scan(start_row=prefix + b",,", stop_row=prefix + b" ,,"))
        current = [place for place in places if not place.is_split]
        if not current:
            raise _no_table(table)
        return sorted(current, key=lambda place: place.range.start)

    def _look_up(self, table: str, row: bytes) -> RegionPlace:
        prefix = meta_name(table)
        scan = pb.Scan(start_row=b"%b,%b,%b" % (prefix, row, _LAST_ID), stop_row=prefix + b",,", reversed=True)
        scan.include_stop_row = True
        for place in self._places(scan, limit=_LOOKED_AT):
            if place.is_split:
                continue  # its daughters took its rows, and may have been merged with a region before it
            if place.table == table and row in place.range:
                return place
            if place.table == table:
                raise StoreUnavailableError(f"hbase:meta has no region of table {table!r} for a row at the moment")
        raise _no_table(table)

    def _places(self, scan: pb.Scan, limit: int = 0) -> Iterator[RegionPlace]:
        scan.column.add(family=b"info")
        for row, cells in self._meta_rows(scan, limit):
            place = _place_of(row, cells)
            if place is not None:
                yield place

    def _meta_rows(self, scan: pb.Scan, limit: int) -> Iterator[tuple[bytes, dict[bytes, bytes]]]:
        """Give rows of hbase:meta with their cells."""
        request = pb.ScanRequest(scan=scan, number_of_rows=limit or _ROWS, limit_of_rows=limit)
        request.region.type, request.region.value = pb.RegionSpecifier.REGION_NAME, _META_REGION
        try:
            connection = self._cluster.take(self._cluster.meta(), CLIENT)
        except StoreUnavailableError:
            self._cluster.forget_meta()
            raise
        try:
            more = True
            while more:
                connection.ask("Scan", request)
                answer, size_bytes = connection.answer(pb.ScanResponse)
                block = block_buffer(size_bytes)
                if size_bytes:
                    connection.receive(block)
                rows: dict[bytes, dict[bytes, bytes]] = {}
                for row, column, value in cells_in(block):
                    rows.setdefault(row, {})[column] = bytes(value)
                yield from rows.items()
                more = answer.more_results_in_region and answer.more_results and not limit
                request = pb.ScanRequest(scanner_id=answer.scanner_id, number_of_rows=_ROWS)
        except (RemoteError, StoreUnavailableError):
            self._cluster.forget_meta()
            raise
        finally:
            self._cluster.give_back(connection)

    def all_regions(self, table: str) -> list[RegionPlace]:
        """Give `regions`, tried again while hbase:meta cannot be read; StoreError."""
        persistence = Persistence(self._cluster.wait_s)
        while True:
            try:
                return self.regions(table)
            except (RemoteError, StoreUnavailableError) as found:
                persistence.pause(told(found, f"looking for the regions of table {table!r}", table)[0])


def _place_of(row: bytes, cells: dict[bytes, bytes]) -> RegionPlace | None:
    """Read a row of hbase:meta; None for rows that are no regions, and for replicas."""
    text = cells.get(b"info:regioninfo", b"")
    if not text.startswith(_MAGIC):
        return None
    try:
        info = pb.RegionInfo.FromString(text[len(_MAGIC) :])
    except DecodeError as error:
        raise StoreUnavailableError(f"hbase:meta has a row that is no region ({error}): run `hbase hbck`") from error
    if info.replica_id:
        return None
    return RegionPlace(
        row,
        table_of(info.table_name),
        KeyRange(info.start_key, info.end_key),
        _server_in(cells),
        cells.get(b"info:state", b"OPEN").decode(errors="replace"),
        int.from_bytes(cells.get(b"info:seqnumDuringOpen", b""), "big"),
        info.region_id,
        is_split=info.split,
    )


def _server_in(cells: dict[bytes, bytes]) -> ServerName | None:
    host, _, port = cells.get(b"info:server", b"").decode(errors="replace").rpartition(":")
    if not host or not port.isdigit():
        return None
    return ServerName(host, int(port), int.from_bytes(cells.get(b"info:serverstartcode", b""), "big"))


def _overlap(one: KeyRange, other: KeyRange) -> bool:
    return not one.intersect(other).is_empty


def _no_table(table: str) -> TableNotFoundError:
    return TableNotFoundError(f"HBase has no table {table!r}; `hbimg tables` lists what is there")


def meta_name(table: str) -> bytes:
    """Give a table's name as hbase:meta's rows begin: without the namespace ``default``."""
    return table.removeprefix("default:").encode()


def table_of(name: pb.TableName) -> str:
    """Give the full name that a structure of HBase's holds; the namespace ``default`` is left out."""
    namespace, qualifier = name.namespace.decode(), name.qualifier.decode()
    return f"{namespace}:{qualifier}" if namespace not in ("", "default") else qualifier


def name_of(table: str) -> pb.TableName:
    """Give HBase's structure for a table's full name."""
    namespace, colon, name = table.rpartition(":")
    return pb.TableName(namespace=(namespace if colon else "default").encode(), qualifier=name.encode())
