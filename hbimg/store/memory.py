"""A store in memory: the contract in its shortest form, for tests and for trying things out."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Collection, Iterable, Iterator, Sequence
from threading import RLock

from hbimg.errors import TableExistsError, TableNotFoundError
from hbimg.rowkeys import KeyRange
from hbimg.store.contract import (
    Buffer,
    Cells,
    Put,
    Row,
    SimulatedServer,
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
from hbimg.store.simulated import PlacedTable


class MemoryTable(PlacedTable):
    """A table in memory: rows in a sorted list of keys and a dict."""

    def __init__(self, name: str, settings: TableSettings, servers: Sequence[SimulatedServer] = ()) -> None:
        super().__init__(name, settings, servers)
        self._layout: bytes | None = None
        self._families = {family.name for family in settings.families}
        self._keys: list[bytes] = []
        self._rows: dict[bytes, dict[bytes, bytes]] = {}
        self._lock = RLock()

    def get(self, row: bytes) -> dict[bytes, bytes]:
        with self._lock:
            return dict(sorted(self._rows.get(row, {}).items()))

    def scan(self, key_range: KeyRange, families: Collection[str] | None = None) -> Iterator[Row]:
        chosen = check_families(families, self._families)
        return self._scan(key_range, tuple(f"{family}:".encode() for family in chosen))

    def _scan(self, key_range: KeyRange, prefixes: tuple[bytes, ...]) -> Iterator[Row]:
        position = key_range.start
        while True:
            with self._lock:
                index = bisect_left(self._keys, position)
                if index == len(self._keys) or self._keys[index] not in key_range:
                    return
                key = self._keys[index]
                found = self.get(key)
            cells: dict[bytes, Buffer] = {c: v for c, v in found.items() if c.startswith(prefixes)}
            if cells:
                yield Row(key, cells)
            position = key + b"\0"

    def put_many(self, puts: Iterable[Put]) -> None:
        for put in puts:
            check_put(put.row, put.cells, self._families)
            with self._lock:
                if put.row not in self._rows:
                    insort(self._keys, put.row)
                    self._rows[put.row] = {}
                self._rows[put.row].update({column: bytes(cell) for column, cell in put.cells.items()})

    def check_and_put(
        self, row: bytes, column: bytes, expected: bytes | None, cells: Cells, *, alone: bool = False
    ) -> bool:
        del alone  # nothing survives
        check_guard(row, column, expected, cells, self._families)
        with self._lock:
            if self._rows.get(row, {}).get(column) != expected:
                return False
            self.put_many([Put(row, cells)])
            return True

    def check_and_delete(self, row: bytes, column: bytes, expected: bytes) -> bool:
        check_row(row)
        split_column(column, self._families)
        with self._lock:
            if self._rows.get(row, {}).get(column) != expected:
                return False
            self.delete_many([row])
            return True

    def delete_many(self, rows: Iterable[bytes]) -> None:
        for row in rows:
            check_row(row)
            with self._lock:
                if self._rows.pop(row, None) is not None:
                    del self._keys[bisect_left(self._keys, row)]

    def delete_cells(self, row: bytes, columns: Collection[bytes]) -> None:
        check_row(row)
        for column in columns:
            split_column(column, self._families)
        with self._lock:
            cells = self._rows.get(row, {})
            for column in columns:
                cells.pop(column, None)
            if not cells:
                self.delete_many([row])

    def load_layout(self) -> bytes | None:
        return self._layout

    def save_layout(self, layout: bytes) -> None:
        self._layout = layout

    def purge(self) -> None:
        """Do nothing: memory keeps no old copies."""


class MemoryStore(Store):
    """A store that lives as long as its object."""

    def __init__(self, url: str = "memory:", servers: Sequence[SimulatedServer] = ()) -> None:
        super().__init__(url)
        self.servers = tuple(servers)
        self._tables: dict[str, MemoryTable] = {}

    def tables(self) -> list[str]:
        return sorted(self._tables)

    def create_table(self, name: str, settings: TableSettings) -> Table:
        check_table_name(name)
        if name in self._tables:
            raise TableExistsError(f"table {name!r} exists in {self.url}")
        self._tables[name] = MemoryTable(name, settings, self.servers)
        return self._tables[name]

    def table(self, name: str) -> Table:
        check_table_name(name)
        if name not in self._tables:
            raise TableNotFoundError(f"there is no table {name!r} in {self.url}")
        return self._tables[name]

    def drop_table(self, name: str) -> None:
        self.table(name)
        del self._tables[name]

    def close(self) -> None:
        """Keep the tables: who holds the object may open it again."""
