"""Scans over any number of regions that go on exactly where they were, whatever happens to regions and servers.

One request is always ahead: the server gathers the next rows while this side takes the last ones off the wire. A scan
that breaks is opened anew behind the last whole row; a row of which only a part had come is read again from its start.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

from hbimg.errors import StoreUnavailableError
from hbimg.rowkeys import KeyRange
from hbimg.store.contract import Buffer, Row
from hbimg.store.receiving import ReceivedRow, received_view
from hbimg.store.rpc import hbase_pb2 as pb
from hbimg.store.rpc.cellblock import CellHead, block_buffer, cells_in, next_head
from hbimg.store.rpc.cluster import CLIENT, Cluster, Persistence
from hbimg.store.rpc.locations import Locations, RegionPlace
from hbimg.store.rpc.remote import Reaction, RemoteError, told

RowT = TypeVar("RowT", Row, ReceivedRow)
_FirstKey, _KeyOnly = (f"org.apache.hadoop.hbase.filter.{name}" for name in ("FirstKeyOnlyFilter", "KeyOnlyFilter"))
_FILTERS = "org.apache.hadoop.hbase.filter.FilterList"

#: What one answer should hold: enough to hide the round trip, little enough for the servers' memory.
ANSWER_BYTES = 4 << 20
#: Rows asked for at first, since many callers want the first one only; later ones are bounded by bytes alone.
_FIRST_ROWS = 8
_ROWS = (1 << 31) - 1
#: A server that searches for long says every some seconds that it lives; so many of these are no search.
_EMPTY_ANSWERS = 1000


@dataclass(frozen=True, slots=True)
class ScanPlan:
    """What a scan reads.

    Attributes
    ----------
    table : str
        The table's name in HBase.
    columns : sequence of (family, qualifier)
        An empty qualifier means the whole family.
    keys_only : bool
        Whether one cell of each row is enough, without its value.
    first_rows : int
        How many rows to ask for at first.
    """

    table: str
    columns: Sequence[tuple[bytes, bytes]]
    keys_only: bool = False
    first_rows: int = _FIRST_ROWS

    def message(self, key_range: KeyRange) -> pb.Scan:
        """Give HBase's structure for this scan of a range."""
        scan = pb.Scan(start_row=key_range.start, stop_row=key_range.stop, max_result_size=ANSWER_BYTES)
        for family, qualifier in self.columns:
            scan.column.add(family=family, qualifier=[qualifier] if qualifier else [])
        if self.keys_only:
            both = pb.FilterList(operator=pb.FilterList.MUST_PASS_ALL)
            both.filters.add(name=_FirstKey, serialized_filter=b"")
            both.filters.add(name=_KeyOnly, serialized_filter=pb.KeyOnlyFilter(len_as_val=False).SerializeToString())
            scan.filter.name, scan.filter.serialized_filter = _FILTERS, both.SerializeToString()
        return scan


class RegionScanner:
    """A scanner on one region, with one request ahead. To be closed."""

    def __init__(self, cluster: Cluster, place: RegionPlace, scan: pb.Scan, first_rows: int) -> None:
        self._cluster = cluster
        self._id: int | None = None
        self._calls = 0
        self._empty = 0
        self._more = True
        self._asked = False
        self.connection = cluster.take(place.require_server().server, CLIENT)
        try:
            self._ask(pb.ScanRequest(region=place.specifier, scan=scan, number_of_rows=first_rows))
        except BaseException:
            cluster.give_back(self.connection)
            raise

    def _ask(self, request: pb.ScanRequest) -> None:
        request.client_handles_partials = request.client_handles_heartbeats = True
        self.connection.ask("Scan", request)
        self._asked = True

    def ask_ahead(self) -> None:
        """Ask for the next rows if there are more and that was not done yet."""
        if self._more and not self._asked:
            request = pb.ScanRequest(number_of_rows=_ROWS, next_call_seq=self._calls)
            if self._id is not None:
                request.scanner_id = self._id
            self._calls += 1
            self._ask(request)

    def answer(self, *, ask_ahead: bool = True) -> tuple[pb.ScanResponse, int] | None:
        """Give the next answer with the bytes of its cells, which have to be received next; None: that was all."""
        if not self._more:
            return None
        self.ask_ahead()
        answer, size_bytes = self.connection.answer(pb.ScanResponse)
        self._asked = False
        self._more = answer.more_results_in_region and answer.more_results
        self._empty = 0 if size_bytes else self._empty + 1
        if self._empty > _EMPTY_ANSWERS:
            raise StoreUnavailableError(f"{self.connection.server} gives answers without rows, and no end: run again")
        self._id = answer.scanner_id if answer.HasField("scanner_id") else self._id
        if ask_ahead:
            self.ask_ahead()
        return answer, size_bytes

    def close(self) -> None:
        """Let go of the scanner and of the connection."""
        connection = self.connection
        try:
            if self._more and self._id is not None and not connection.pending and not connection.broken:
                request = pb.ScanRequest(scanner_id=self._id, number_of_rows=0, close_scanner=True)
                connection.call("Scan", request, pb.ScanResponse)
        except (RemoteError, StoreUnavailableError):
            pass  # its lease ends by itself
        finally:
            self._cluster.give_back(connection)


class Scanning:
    """Scans of one HBase's tables. For any number of threads."""

    def __init__(self, cluster: Cluster, locations: Locations) -> None:
        self._cluster = cluster
        self._locations = locations

    def rows(self, plan: ScanPlan, key_range: KeyRange) -> Iterator[Row]:
        """Give the rows of a range in order; a cell is a view that is valid until the iterator goes on; StoreError."""
        reader = RowReader(several_families=len({family for family, _ in plan.columns}) > 1)
        return self._resumed(plan, key_range, reader.rows)

    def received(
        self, plan: ScanPlan, key_range: KeyRange, target: memoryview, tail_bytes: int
    ) -> Iterator[ReceivedRow]:
        """Receive values straight into an array: `hbimg.store.contract.Table.receive` says how."""
        return self._resumed(plan, key_range, ValueReceiver(target, tail_bytes).rows)

    def _resumed(
        self, plan: ScanPlan, key_range: KeyRange, read: Callable[[RegionScanner], Iterator[RowT]]
    ) -> Iterator[RowT]:
        doing = f"reading rows of table {plan.table!r}"
        persistence = Persistence(self._cluster.wait_s)
        while not key_range.is_empty:
            place: RegionPlace | None = None
            try:
                place = self._locations.find(plan.table, key_range.start)
                for row in self._region_rows(plan, place, key_range, read):
                    yield row
                    key_range = KeyRange(row.key + b"\0", key_range.stop)
                    persistence.restart()
            except (RemoteError, StoreUnavailableError) as error:
                ours, reaction = told(error, doing, plan.table)
                if reaction is Reaction.FAIL:
                    raise ours from error
                if reaction is Reaction.ELSEWHERE and place is not None:
                    self._locations.forget(place)
                persistence.pause(ours)
            else:
                if not place.range.stop:
                    return
                key_range = KeyRange(max(place.range.stop, key_range.start), key_range.stop)

    def _region_rows(
        self, plan: ScanPlan, place: RegionPlace, key_range: KeyRange, read: Callable[[RegionScanner], Iterator[RowT]]
    ) -> Iterator[RowT]:
        scanner = RegionScanner(self._cluster, place, plan.message(key_range), plan.first_rows)
        inside = key_range.intersect(place.range)
        try:
            for row in read(scanner):
                if row.key not in inside:
                    raise StoreUnavailableError(f"{place.server} sent a row that was not asked for: run again")
                yield row
                inside = KeyRange(row.key + b"\0", inside.stop)
        finally:
            scanner.close()


class RowReader:
    """Makes rows of the cells of a scanner's answers; the buffer they come into is used again."""

    def __init__(self, *, several_families: bool) -> None:
        self._block = memoryview(b"")
        self._sort = several_families

    def rows(self, scanner: RegionScanner) -> Iterator[Row]:
        """Give the rows of one region."""
        held: Row | None = None
        is_first = True
        while (found := scanner.answer(ask_ahead=not is_first)) is not None:
            for key, cells, is_partial in _results(found[0], self._received(scanner, found[1])):
                if held is not None and held.key != key:
                    yield self._sorted(held)
                    held = None
                row = _joined(held, key, cells) if held is not None or is_partial else Row(key, cells)
                held = row if is_partial else None
                if not is_partial:
                    yield self._sorted(row)
                if is_first:
                    # Who goes on wants more than the first row.
                    is_first = False
                    scanner.ask_ahead()
            is_first = False
        if held is not None:
            yield self._sorted(held)

    def _received(self, scanner: RegionScanner, size_bytes: int) -> memoryview:
        if len(self._block) < size_bytes:
            self._block = block_buffer(size_bytes)
        block = self._block[:size_bytes]
        if size_bytes:
            scanner.connection.receive(block)
        return block

    def _sorted(self, row: Row) -> Row:
        """Sort by column: HBase sorts by family, then by qualifier, which differs where one name begins another."""
        return Row(row.key, dict(sorted(row.cells.items()))) if self._sort else row


def _joined(held: Row | None, key: bytes, cells: dict[bytes, Buffer]) -> Row:
    """Give a row with more of its cells, copied: what is still to come is received into the same buffer."""
    copied = {column: bytes(cell) for column, cell in cells.items()}
    return Row(key, {**held.cells, **copied} if held is not None else dict(copied))


def _results(answer: pb.ScanResponse, block: memoryview) -> Iterator[tuple[bytes, dict[bytes, Buffer], bool]]:
    """Give key, cells and whether it may be only a part, of each of an answer's results."""
    cells = cells_in(block)
    for count, is_partial in _counts(answer):
        key: bytes | None = None
        found: dict[bytes, Buffer] = {}
        for row, column, value in islice(cells, count):
            if row != (key or row):
                raise _mixed_up()
            key, found[column] = row, value
        if key is not None:
            yield key, found, is_partial
    if next(cells, None) is not None:
        raise _mixed_up()


class ValueReceiver:
    """Receives the values of a scanner's cells one behind the other into an array."""

    def __init__(self, target: memoryview, tail_bytes: int) -> None:
        self._target = target
        self._tail_bytes = tail_bytes
        self._position = 0
        self._row_start = 0

    def rows(self, scanner: RegionScanner) -> Iterator[ReceivedRow]:
        """Give the rows of one region."""
        self._position = self._row_start  # of a row that had come in part only when the last scanner broke
        held: ReceivedRow | None = None
        while (found := scanner.answer()) is not None:
            for count, is_partial in _counts(found[0]):
                for _ in range(count):
                    head = next_head(scanner.connection)
                    if held is not None and held.key != head.row:
                        yield self._whole(held)
                        held = None
                    held = held or ReceivedRow(head.row, {})
                    held.cells[head.column] = self._receive(scanner, head)
                if held is not None and not is_partial:
                    yield self._whole(held)
                    held = None
        if held is not None:
            yield self._whole(held)

    def _whole(self, row: ReceivedRow) -> ReceivedRow:
        self._row_start = self._position
        return row

    def _receive(self, scanner: RegionScanner, head: CellHead) -> tuple[memoryview, bytes]:
        payload = received_view(
            head.row, head.column, head.value_bytes, self._target[self._position :], self._tail_bytes
        )
        start, stop = self._position, self._position + head.value_bytes
        scanner.connection.receive(self._target[start:stop])
        self._position += len(payload)
        return payload, bytes(self._target[self._position : stop])


def _counts(answer: pb.ScanResponse) -> Iterator[tuple[int, bool]]:
    """Give the number of cells of each of an answer's results, and whether it may be only a part of its row."""
    flags = list(answer.partial_flag_per_result)
    counts = answer.cells_per_result
    return zip(counts, flags + [False] * (len(counts) - len(flags)), strict=False)


def _mixed_up() -> StoreUnavailableError:
    return StoreUnavailableError("a server of HBase sent cells that are not those it announced: run again")
