"""The embedded store: one LMDB environment per table, on a local disk. The only file that imports lmdb.

A folder holds one subfolder per table; in a table's environment each column family is a database of its own, as
HBase keeps each in files of its own, so that a listing never touches pixels. Keys are ``row NUL qualifier``. Many
processes may read while one writes; a second writer waits for `wait_s` seconds, then it is told who writes.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from heapq import merge
from itertools import groupby
from pathlib import Path
from typing import Any

import lmdb

from hbimg.errors import (
    StoreBusyError,
    StoreError,
    StoreFullError,
    StorePermissionError,
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
    check_put,
    check_row,
    check_table_name,
    settings_from_json,
    settings_to_json,
    split_column,
)
from hbimg.store.environments import Environment, table_in_use
from hbimg.store.filesystem import refuse_network_file_system
from hbimg.store.locks import writing
from hbimg.store.memory import check_cell_sizes, local_regions

FORMAT = 1
_SETTINGS = b"!settings"
_NUL = b"\0"


class LocalTable(Table):
    """A table in an LMDB environment."""

    #: Each batch costs one flush to disk, so they are large; a writer holds one in memory.
    batch_bytes = 32 << 20

    def __init__(self, name: str, environment: Environment, wait_s: float) -> None:
        self._environment = environment
        self._wait_s = wait_s
        super().__init__(name, self._read_settings())
        self._families = {family.name for family in self.settings.families}
        with _translated(environment.path):
            environment.open_databases(self._families)

    @property
    def path(self) -> Path:
        """The table's folder."""
        return self._environment.path

    def _read_settings(self) -> TableSettings:
        with _translated(self.path), self._environment.lmdb.begin() as txn:
            text = txn.get(_SETTINGS)
        if text is None:
            raise TableFormatError(f"{self.path} is an LMDB environment, but no table of hbimg's")
        return settings_from_json(json.loads(text))

    def get(self, row: bytes) -> dict[bytes, bytes]:
        cells: dict[bytes, bytes] = {}
        with _translated(self.path), self._environment.lmdb.begin() as txn:
            for family in sorted(self._families):
                for key, value in self._cells(txn, family, KeyRange(row, row + _NUL)):
                    cells[key[1]] = bytes(value)
        return cells

    def scan(self, key_range: KeyRange, families: Collection[str] | None = None) -> Iterator[Row]:
        chosen = sorted(self._families if families is None else families)
        with _translated(self.path), self._environment.lmdb.begin(buffers=True) as txn:
            streams = [self._cells(txn, family, key_range) for family in chosen]
            cells = streams[0] if len(streams) == 1 else merge(*streams, key=lambda cell: cell[0])
            for row, group in groupby(cells, key=lambda cell: cell[0][0]):
                yield Row(row, {column: value for (_, column), value in group})

    def _cells(
        self, txn: lmdb.Transaction, family: str, key_range: KeyRange
    ) -> Iterator[tuple[tuple[bytes, bytes], Buffer]]:
        """Give ((row, column), value) of one family in order."""
        prefix = f"{family}:".encode()
        cursor = txn.cursor(db=self._environment.database(family))
        if key_range.is_empty or not (cursor.set_range(key_range.start) if key_range.start else cursor.first()):
            return
        for key, value in cursor:
            row, _, qualifier = bytes(key).partition(_NUL)
            if row not in key_range:
                return
            yield (row, prefix + qualifier), value

    def put_many(self, puts: Iterable[Put]) -> None:
        puts = list(puts)
        for put in puts:
            check_put(put.row, put.cells, self._families)
            check_cell_sizes(put.cells)
        with self._writing() as txn:
            for put in puts:
                self._put(txn, put.row, put.cells)

    def _put(self, txn: lmdb.Transaction, row: bytes, cells: Cells) -> None:
        for column, value in cells.items():
            family, qualifier = split_column(column, self._families)
            txn.put(row + _NUL + qualifier, value, db=self._environment.database(family))

    def check_and_put(self, row: bytes, column: bytes, expected: bytes | None, cells: Cells) -> bool:
        check_put(row, cells, self._families)
        check_cell_sizes(cells)
        family, qualifier = split_column(column, self._families)
        with self._writing() as txn:
            if txn.get(row + _NUL + qualifier, db=self._environment.database(family)) != expected:
                return False
            self._put(txn, row, cells)
        # Commits flush data but not LMDB's own page, which is cheaper and keeps the file sound; here, where volumes
        # and results become complete, that page is flushed too, so that they survive a power cut.
        with _translated(self.path):
            self._environment.lmdb.sync(True)
        return True

    def delete_many(self, rows: Iterable[bytes]) -> None:
        with self._writing() as txn:
            for row in rows:
                check_row(row)
                for family in self._families:
                    cursor = txn.cursor(db=self._environment.database(family))
                    prefix = row + _NUL
                    found = cursor.set_range(prefix)
                    while found and bytes(cursor.key()).startswith(prefix):
                        found = cursor.delete()

    def delete_cells(self, row: bytes, columns: Collection[bytes]) -> None:
        with self._writing() as txn:
            for column in columns:
                family, qualifier = split_column(column, self._families)
                txn.delete(row + _NUL + qualifier, db=self._environment.database(family))

    def regions(self) -> list[Region]:
        return local_regions(self.settings)

    def purge(self) -> None:
        """Copy what is left into a new file and put it in the old one's place; needs the table for itself."""
        with writing(self.path, self._wait_s), _translated(self.path):
            self._environment.compact(self._wait_s)

    @contextmanager
    def _writing(self) -> Iterator[lmdb.Transaction]:
        if self._environment.read_only:
            raise StorePermissionError(
                f"{self.path} cannot be written by this user: ask its owner, or use another store"
            )
        with writing(self.path, self._wait_s), _translated(self.path), self._environment.lmdb.begin(write=True) as txn:
            yield txn


class LocalStore(Store):
    """Tables in subfolders of a folder on a local disk.

    Parameters
    ----------
    path : Path
        Made if absent.
    wait_s : float
        How long a writer waits for another one, in seconds.
    map_bytes : int or None
        Upper limit of a table's size; by default the size of the disk.

    Raises
    ------
    NetworkFileSystemError
        If the folder lies on NFS, Lustre or their like.
    StorePermissionError
        If the folder cannot be made or read.
    """

    def __init__(self, path: Path, *, wait_s: float = 60.0, map_bytes: int | None = None) -> None:
        self.path = path.expanduser().absolute()
        super().__init__(f"local://{self.path}")
        self._wait_s = wait_s
        self._map_bytes = map_bytes
        self._open: dict[str, tuple[Environment, LocalTable]] = {}
        refuse_network_file_system(self.path)
        with _translated(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
            self._check_format()

    def _check_format(self) -> None:
        marker = self.path / "hbimg-store.json"
        if not marker.exists():
            if os.access(self.path, os.W_OK):
                temporary = self.path / f".hbimg-store.{os.getpid()}"
                temporary.write_text(json.dumps({"format": FORMAT}) + "\n")
                temporary.replace(marker)
            return
        try:
            found = json.loads(marker.read_text())["format"]
        except (ValueError, KeyError, TypeError) as error:
            raise TableFormatError(f"{marker} is damaged: it should read {{'format': {FORMAT}}}") from error
        if found != FORMAT:
            raise TableFormatError(
                f"{self.path} has store format {found}; this hbimg reads format {FORMAT}: update hbimg"
            )

    def tables(self) -> list[str]:
        with _translated(self.path):
            return sorted(p.parent.name for p in self.path.glob("*/data.mdb") if not p.parent.name.startswith("."))

    def create_table(self, name: str, settings: TableSettings) -> Table:
        folder = self.path / check_table_name(name)
        if folder.exists():
            raise TableExistsError(f"table {name!r} exists in {self.url}")
        # Built beside and renamed, so that nobody ever opens half a table.
        draft = self.path / f".{name}.{os.getpid()}.new"
        shutil.rmtree(draft, ignore_errors=True)
        with _translated(self.path):
            draft.mkdir()
            environment = Environment.open(draft, self._map_bytes)
            with environment.lmdb.begin(write=True) as txn:
                txn.put(_SETTINGS, json.dumps(settings_to_json(settings)).encode())
            environment.open_databases([family.name for family in settings.families])
            environment.close()
            try:
                draft.rename(folder)
            except OSError as error:
                shutil.rmtree(draft, ignore_errors=True)
                raise TableExistsError(f"table {name!r} exists in {self.url}") from error
        return self.table(name)

    def table(self, name: str) -> Table:
        folder = self.path / check_table_name(name)
        if name not in self._open:
            if not (folder / "data.mdb").exists():
                known = ", ".join(self.tables()) or "none yet"
                raise TableNotFoundError(f"there is no table {name!r} in {self.url}; tables: {known}")
            with _translated(folder):
                environment = Environment.open(folder, self._map_bytes)
            try:
                self._open[name] = (environment, LocalTable(name, environment, self._wait_s))
            except StoreError:
                environment.close()
                raise
        return self._open[name][1]

    def drop_table(self, name: str) -> None:
        folder = self.path / check_table_name(name)
        if not (folder / "data.mdb").exists():
            raise TableNotFoundError(f"there is no table {name!r} in {self.url}")
        if name in self._open:
            self._open.pop(name)[0].close()
        if table_in_use(folder):
            raise StoreBusyError(f"table {name!r} is in use: end the other commands that use it, then drop it")
        grave = self.path / f".{name}.{os.getpid()}.dropped"
        with _translated(self.path):
            folder.rename(grave)
            shutil.rmtree(grave)

    def close(self) -> None:
        for environment, _ in self._open.values():
            environment.close()
        self._open.clear()


_ERRNO_WORDS = {
    "full": ("No space left", "File too large", "Disk quota", "MDB_MAP_FULL", "MapFull"),
    "denied": ("Permission denied", "Read-only file system", "Operation not permitted"),
}


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    """Turn LMDB's and the system's errors into ours."""
    try:
        yield
    except (lmdb.Error, OSError) as error:
        if isinstance(error, StoreError):
            raise
        raise _translate(error, path) from error


def _translate(error: Exception, path: Path) -> StoreError:
    text = str(error)
    if isinstance(error, lmdb.MapFullError) or any(word in text for word in _ERRNO_WORDS["full"]):
        return StoreFullError(f"no space left in {path}: nothing of this batch was written; free space and run again")
    if isinstance(error, lmdb.ReadonlyError | PermissionError) or any(w in text for w in _ERRNO_WORDS["denied"]):
        return StorePermissionError(f"{path} cannot be used by this user: {text}")
    if isinstance(error, lmdb.CorruptedError | lmdb.InvalidError | lmdb.VersionMismatchError | lmdb.PageNotFoundError):
        return TableFormatError(f"{path} is no sound LMDB environment: {text}; restore it from a copy")
    if isinstance(error, lmdb.ReadersFullError):
        return StoreBusyError(f"{path} has too many readers: end some of the commands that use it")
    return StoreError(f"{path}: {text}")


def open_local(path: Path, options: dict[str, Any]) -> LocalStore:
    """Open the embedded store in a folder; `options` are those of `LocalStore`."""
    return LocalStore(path, **options)
