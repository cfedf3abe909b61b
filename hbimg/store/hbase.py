"""The store in HBase, through its Thrift 2 servers: the same rows and cells, in tables that a whole cluster serves.

Every call is complete in itself: a scan asks for some rows at a time and goes on behind the last key it has seen, so
that a server may die between any two calls and nothing is missed or doubled (docs/decisions/0041).
"""

from __future__ import annotations

import socket
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import islice
from typing import Any

from hbimg.errors import (
    ConfigError,
    StoreError,
    TableExistsError,
    TableFormatError,
    TableNotFoundError,
)
from hbimg.rowkeys import KeyRange
from hbimg.store.contract import (
    Buffer,
    Cells,
    Put,
    Region,
    Row,
    Store,
    Table,
    TableSettings,
    check_families,
    check_guard,
    check_put,
    check_row,
    check_table_name,
    split_column,
)
from hbimg.store.hbase_address import HBaseAddress
from hbimg.store.hbase_batches import BATCH_BYTES, RowCount, put_batches
from hbimg.store.hbase_limits import Limits
from hbimg.store.hbase_servers import Servers
from hbimg.store.hbase_tables import describe, full_name_of, is_ours, name_of, refuse_unlike, settings_of
from hbimg.store.thrift import api, connect

#: HBase orders a deletion and a later put by milliseconds: within one, the deletion would hide the put.
_TICK_S = 0.002
_DELETES = 1000


class HBaseTable(Table):
    """A table in HBase. For any number of threads."""

    batch_bytes = BATCH_BYTES
    can_purge = False

    def __init__(self, name: str, settings: TableSettings, full_name: str, servers: Servers, limits: Limits) -> None:
        super().__init__(name, settings)
        self._families = {family.name for family in settings.families}
        self._full_name = full_name
        self._servers = servers
        self._limits = limits

    def _call(self, method: str, doing: str, *arguments: Any) -> Any:
        return self._servers.call(
            method,
            self._full_name.encode(),
            *arguments,
            doing=f"{doing} table {self.name!r}",
            table=self._full_name,
        )

    def get(self, row: bytes) -> dict[bytes, bytes]:
        if not row or b"\0" in row:
            return {}  # no such row can be; HBase would complain of an empty one
        return _cells_of(self._call("get", "reading a row of", api.TGet(row=row)))

    def _cell(self, row: bytes, column: bytes) -> bytes | None:
        wanted = api.TGet(row=row, columns=[api.TColumn(*_parts(column))])
        return _cells_of(self._call("get", "reading a cell of", wanted)).get(column)

    def scan(self, key_range: KeyRange, families: Collection[str] | None = None) -> Iterator[Row]:
        chosen = check_families(families, self._families)
        return self._scan(key_range, [api.TColumn(family=family.encode()) for family in chosen])

    def _scan(self, key_range: KeyRange, columns: list[Any]) -> Iterator[Row]:
        count = RowCount()
        while columns and not key_range.is_empty:
            asked = count.rows
            results = self._results(key_range, asked, columns=columns)
            # Told before they are given out: what the caller does with them takes a while, and they go one by one.
            count.saw(len(results), sum(len(cell.value) for result in results for cell in result.columnValues))
            last = results[-1].row if results else b""
            for number, result in enumerate(results):
                results[number] = None
                cells: dict[bytes, Buffer] = dict(_cells_of(result))
                yield Row(result.row, cells)
            if len(results) < asked:
                return
            key_range = KeyRange(last + b"\0", key_range.stop)

    def _results(self, key_range: KeyRange, rows: int, **more: Any) -> list[Any]:
        scan = api.TScan(startRow=key_range.start, stopRow=key_range.stop, caching=rows, limit=rows, **more)
        found: list[Any] = self._call("getScannerResults", "reading rows of", scan, rows)
        return found

    def put_many(self, puts: Iterable[Put]) -> None:
        self._limits.check()
        for rows in put_batches(self._checked(puts)):
            self._call("putMultiple", "writing to", [_put_of(row, cells) for row, cells in rows.items()])

    def _checked(self, puts: Iterable[Put]) -> Iterator[Put]:
        for put in puts:
            check_put(put.row, put.cells, self._families)
            yield put

    def check_and_put(self, row: bytes, column: bytes, expected: bytes | None, cells: Cells) -> bool:
        check_guard(row, column, expected, cells, self._families)
        # Looked at first: then "no" to the write itself means that the value changed in between, by another writer or
        # by us, in a call whose answer was lost on its way from RegionServer to Thrift server or from there to here.
        if self._cell(row, column) != expected:
            return False
        # Synced to the disks of all replicas, with all that went into the same log before.
        put = _put_of(row, cells, api.TDurability.FSYNC_WAL)
        if self._call("checkAndPut", "writing to", row, *_parts(column), expected, put):
            return True
        found = self.get(row)
        return column in cells and all(found.get(name) == bytes(cell) for name, cell in cells.items())

    def check_and_delete(self, row: bytes, column: bytes, expected: bytes) -> bool:
        check_row(row)
        split_column(column, self._families)
        if not expected or self._cell(row, column) != expected:
            return False
        delete = api.TDelete(row=row, durability=api.TDurability.FSYNC_WAL)
        done = bool(self._call("checkAndDelete", "deleting from", row, *_parts(column), expected, delete))
        time.sleep(_TICK_S)
        return done or not self.get(row)

    def delete_many(self, rows: Iterable[bytes]) -> None:
        pending = iter([check_row(row) for row in rows])
        while doomed := list(islice(pending, _DELETES)):
            self._delete([api.TDelete(row=row) for row in dict.fromkeys(doomed)])

    def delete_cells(self, row: bytes, columns: Collection[bytes]) -> None:
        check_row(row)
        for column in columns:
            split_column(column, self._families)
        if columns:  # a deletion without columns is one of the whole row
            doomed = [api.TColumn(*_parts(column)) for column in dict.fromkeys(columns)]
            self._delete([api.TDelete(row=row, columns=doomed, deleteType=api.TDeleteType.DELETE_COLUMNS)])

    def _delete(self, deletes: list[Any]) -> None:
        self._call("deleteMultiple", "deleting from", deletes)
        time.sleep(_TICK_S)

    def delete_range(self, key_range: KeyRange) -> int:
        """Delete all rows of a range and tell how many there were; their values are not read."""
        deleted = 0
        while not key_range.is_empty:
            found = self._results(key_range, _DELETES, filterString=b"FirstKeyOnlyFilter() AND KeyOnlyFilter()")
            if not found:
                break
            self.delete_many([result.row for result in found])
            deleted += len(found)
            key_range = KeyRange(found[-1].row + b"\0", key_range.stop)
        return deleted

    def regions(self) -> list[Region]:
        locations = self._call("getAllRegionLocations", "looking for the regions of")
        served = [place for place in locations if not place.regionInfo.replicaId and not place.regionInfo.split]
        served.sort(key=lambda place: place.regionInfo.startKey or b"")
        return [
            Region(
                KeyRange(place.regionInfo.startKey or b"", place.regionInfo.endKey or b""),
                _decoded(place.serverName.hostName),
            )
            for place in served
        ]

    def purge(self) -> None:
        """Refuse: HBase's Thrift interface can neither flush nor compact."""
        raise StoreError(
            f"table {self.name!r} cannot be rewritten through Thrift: have HBase do it, in its shell, with "
            f"flush '{self._full_name}' and then major_compact '{self._full_name}'"
        )


class HBaseStore(Store):
    """Tables in HBase, through its Thrift 2 servers.

    Only tables that hbimg made are seen: others in the same HBase are neither listed nor opened nor dropped.

    Raises
    ------
    StoreUnavailableError
        If no Thrift 2 server answers at the address.
    """

    def __init__(self, address: HBaseAddress) -> None:
        super().__init__(address.url)
        self._namespace = address.namespace
        self._servers = Servers(address, connect, socket.gethostname())
        self._limits = self._servers.limits()

    def _full_name(self, name: str) -> str:
        check_table_name(name)
        if self._namespace is None:
            return name.removeprefix("default:")
        if ":" in name:
            raise ConfigError(f"{name!r} names a namespace, and so does {self.url}: give one of them")
        return f"{self._namespace}:{name}"

    def tables(self) -> list[str]:
        if self._namespace is None:
            found = self._servers.call("getTableDescriptorsByPattern", ".*", False, doing="listing tables")
        else:
            found = self._servers.call("getTableDescriptorsByNamespace", self._namespace, doing="listing tables")
        names = [full_name_of(descriptor.tableName) for descriptor in found if is_ours(descriptor)]
        return sorted(name.removeprefix(f"{self._namespace}:") if self._namespace else name for name in names)

    def create_table(self, name: str, settings: TableSettings) -> Table:
        self._limits.check()
        full_name = self._full_name(name)
        descriptor = describe(full_name, settings)
        if self._exists(full_name):
            raise TableExistsError(f"table {name!r} exists in {self.url}")
        try:
            self._admin("createTable", "making", name, descriptor, list(settings.split_points) or None)
        except StoreError as error:
            # Somebody else may have made it in this moment, or we did, in a call whose answer was lost.
            if self._exists(full_name):
                raise TableExistsError(f"table {name!r} exists in {self.url}") from error
            raise
        table = self.table(name)
        try:
            starts = [region.range.start for region in table.regions()][1:]
            refuse_unlike(descriptor, self._descriptor(name), settings.split_points, starts)
        except StoreError:
            self.drop_table(name)
            raise
        return table

    def table(self, name: str) -> Table:
        settings = settings_of(self._descriptor(name), f"table {name!r} in {self.url}")
        return HBaseTable(name, settings, self._full_name(name), self._servers, self._limits)

    def attributes(self, name: str) -> dict[str, str]:
        """Give all of HBase's attributes of a table, hbimg's own among them; TableNotFoundError if there is none."""
        found = self._descriptor(name).attributes or {}
        return {key.decode(errors="replace"): value.decode(errors="replace") for key, value in found.items()}

    def drop_table(self, name: str) -> None:
        if not is_ours(self._descriptor(name)):
            raise TableFormatError(f"table {name!r} in {self.url} is not hbimg's, so hbimg does not delete it")
        identifier = name_of(self._full_name(name))
        if not self._admin("isTableDisabled", "looking at", name, identifier):
            self._admin("disableTable", "closing", name, identifier)
        with suppress(TableNotFoundError):  # a call whose answer was lost had done it
            self._admin("deleteTable", "deleting", name, identifier)

    def _exists(self, full_name: str) -> bool:
        return bool(self._servers.call("tableExists", name_of(full_name), doing="looking for a table"))

    def _descriptor(self, name: str) -> Any:
        full_name = self._full_name(name)
        try:
            return self._admin("getTableDescriptor", "opening", name, name_of(full_name))
        except StoreError as error:
            if isinstance(error, TableNotFoundError) or not self._exists(full_name):
                raise TableNotFoundError(
                    f"there is no table {name!r} in {self.url}; tables: {', '.join(self.tables()) or 'none yet'}"
                ) from error
            raise

    def _admin(self, method: str, doing: str, name: str, *arguments: Any) -> Any:
        return self._servers.call(method, *arguments, doing=f"{doing} table {name!r}", table=self._full_name(name))

    def close(self) -> None:
        self._servers.close()


def _cells_of(result: Any) -> dict[bytes, bytes]:
    """Give a result's cells by column, sorted as bytes: HBase sorts by family, then by qualifier."""
    cells = [(cell.family + b":" + cell.qualifier, cell.value) for cell in result.columnValues]
    return dict(sorted(cells, key=lambda cell: cell[0]))


def _put_of(row: bytes, cells: Mapping[bytes, Buffer], durability: int | None = None) -> Any:
    values = [api.TColumnValue(*_parts(column), bytes(cell)) for column, cell in cells.items()]
    return api.TPut(row=row, columnValues=values, durability=durability)


def _parts(column: bytes) -> tuple[bytes, bytes]:
    family, _, qualifier = column.partition(b":")
    return family, qualifier


def _decoded(text: str | bytes) -> str:
    return text.decode() if isinstance(text, bytes) else text


def open_hbase(url: str) -> HBaseStore:
    """Open the store that an ``hbase:`` URL names."""
    return HBaseStore(HBaseAddress.parse(url))
