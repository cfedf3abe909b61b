"""The store in HBase through its Thrift 2 servers, where HBase's own RPC is out of reach.

Every call is complete in itself: a scan asks for some rows at a time and goes on behind the last key it has seen, so
that a server may die between any two calls and nothing is missed or doubled (docs/decisions/0041).
"""

from __future__ import annotations

import socket
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from hbimg.errors import StoreError, TableNotFoundError
from hbimg.rowkeys import KeyRange
from hbimg.store.contract import Buffer, Cells, Put, Region, Row, Table, TableSettings, check_families
from hbimg.store.hbase import HBaseStore, HBaseTable
from hbimg.store.hbase_address import HBaseAddress
from hbimg.store.hbase_batches import RowCount, put_batches
from hbimg.store.hbase_limits import Limits
from hbimg.store.hbase_servers import Servers
from hbimg.store.thrift import api, connect
from hbimg.store.thrift_tables import describe, full_name_of, is_ours, kept_settings, name_of, refuse_unlike


class ThriftTable(HBaseTable):
    """A table in HBase, spoken to through Thrift 2. For any number of threads."""

    can_purge = False

    def __init__(self, name: str, settings: TableSettings, full_name: str, servers: Servers, limits: Limits) -> None:
        super().__init__(name, settings, full_name)
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

    @property
    def gateway(self) -> str:
        return self._servers.last_host

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

    def _keys(self, key_range: KeyRange, most: int) -> list[bytes]:
        found = self._results(key_range, most, filterString=b"FirstKeyOnlyFilter() AND KeyOnlyFilter()")
        return [result.row for result in found]

    def put_many(self, puts: Iterable[Put]) -> None:
        self._limits.check()
        for rows in put_batches(self._checked(puts)):
            self._call("putMultiple", "writing to", [_put_of(row, cells) for row, cells in rows.items()])

    def _change_if(self, row: bytes, column: bytes, expected: bytes | None, cells: Cells | None) -> bool:
        synced = api.TDurability.FSYNC_WAL
        if cells is None:
            delete = api.TDelete(row=row, durability=synced)
            return bool(self._call("checkAndDelete", "deleting from", row, *_parts(column), expected, delete))
        put = _put_of(row, cells, synced)
        return bool(self._call("checkAndPut", "writing to", row, *_parts(column), expected, put))

    def _delete_rows(self, rows: Sequence[bytes]) -> None:
        self._call("deleteMultiple", "deleting from", [api.TDelete(row=row) for row in rows])

    def _delete_columns(self, row: bytes, columns: Sequence[bytes]) -> None:
        doomed = [api.TColumn(*_parts(column)) for column in columns]
        delete = api.TDelete(row=row, columns=doomed, deleteType=api.TDeleteType.DELETE_COLUMNS)
        self._call("deleteMultiple", "deleting from", [delete])

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
            f"table {self.name!r} cannot be rewritten through Thrift: reach HBase's own RPC (docs/stores.md), or have "
            f"it done in HBase's shell, with flush '{self._full_name}' and then major_compact '{self._full_name}'"
        )


class ThriftStore(HBaseStore):
    """Tables in HBase, spoken to through Thrift 2.

    Raises
    ------
    StoreUnavailableError
        If no Thrift 2 server answers at the address.
    """

    def __init__(self, address: HBaseAddress) -> None:
        super().__init__(address)
        self._servers = Servers(address, connect, socket.gethostname())
        self._limits = self._servers.limits()
        self.through = f"Thrift 2 at {self._servers.servers[0]}"

    def _list(self) -> list[str]:
        if self._namespace is None:
            found = self._servers.call("getTableDescriptorsByPattern", ".*", False, doing="listing tables")
        else:
            found = self._servers.call("getTableDescriptorsByNamespace", self._namespace, doing="listing tables")
        return [full_name_of(descriptor.tableName) for descriptor in found if is_ours(descriptor)]

    def _exists(self, full_name: str) -> bool:
        return bool(self._servers.call("tableExists", name_of(full_name), doing="looking for a table"))

    def _is_ours(self, full_name: str) -> bool:
        return is_ours(self._descriptor(full_name))

    def _create(self, full_name: str, settings: TableSettings) -> None:
        self._limits.check()
        asked = describe(full_name, settings)
        self._admin("createTable", "making", full_name, asked, list(settings.split_points) or None)
        try:
            table = self._open(full_name, full_name)
            starts = [region.range.start for region in table.regions()][1:]
            refuse_unlike(asked, self._descriptor(full_name), settings.split_points, starts)
        except StoreError:
            self._drop(full_name)
            raise

    def _open(self, name: str, full_name: str) -> Table:
        settings = kept_settings(self._descriptor(full_name), f"table {name!r} in {self.url}")
        return ThriftTable(name, settings, full_name, self._servers, self._limits)

    def attributes(self, name: str) -> dict[str, str]:
        found = self._descriptor(self._full_name(name)).attributes or {}
        return {key.decode(errors="replace"): value.decode(errors="replace") for key, value in found.items()}

    def _drop(self, full_name: str) -> None:
        identifier = name_of(full_name)
        if not self._admin("isTableDisabled", "looking at", full_name, identifier):
            self._admin("disableTable", "closing", full_name, identifier)
        self._admin("deleteTable", "deleting", full_name, identifier)

    def _descriptor(self, full_name: str) -> Any:
        try:
            return self._admin("getTableDescriptor", "opening", full_name, name_of(full_name))
        except StoreError as error:
            if isinstance(error, TableNotFoundError) or not self._exists(full_name):
                raise TableNotFoundError(f"there is no table {full_name!r} in {self.url}") from error
            raise

    def _admin(self, method: str, doing: str, full_name: str, *arguments: Any) -> Any:
        return self._servers.call(method, *arguments, doing=f"{doing} table {full_name!r}", table=full_name)

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
