"""The embedded store: one LMDB environment per table, on a local disk.

A folder holds one subfolder per table; in a table's environment each column family is a database of its own, as
HBase keeps each in files of its own, so that a listing never touches pixels. Keys are ``row NUL qualifier``. Many
processes may read while one writes; a second writer waits for `wait_s` seconds, then it is told who writes.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from heapq import merge
from itertools import groupby
from pathlib import Path
from threading import get_ident
from typing import Any
from urllib.parse import quote, urlencode

import lmdb

from hbimg.errors import (
    StoreBusyError,
    StorePermissionError,
    TableExistsError,
    TableFormatError,
    TableNotFoundError,
)
from hbimg.rowkeys import MAX_ROW_BYTES, KeyRange
from hbimg.store.contract import (
    LINK_BYTES_PER_S,
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
from hbimg.store.environments import DATA, Environment, remove_environment
from hbimg.store.filesystem import refuse_network_file_system
from hbimg.store.local_errors import BATCH_BYTES, translated
from hbimg.store.locks import writing
from hbimg.store.settings_json import settings_from_json, settings_to_json
from hbimg.store.simulated import PlacedTable, servers_text

FORMAT = 1
#: How long a writer waits for another one unless told otherwise, in seconds.
WAIT_S = 60.0
_SETTINGS = b"!settings"
_LAYOUT = b"!layout"
_NUL = b"\0"


class LocalTable(PlacedTable):
    """A table in an LMDB environment."""

    batch_bytes = BATCH_BYTES

    def __init__(
        self, name: str, environment: Environment, wait_s: float, servers: Sequence[SimulatedServer] = ()
    ) -> None:
        self._environment = environment
        self._wait_s = wait_s
        super().__init__(name, self._read_settings(), servers)
        self._families = {family.name for family in self.settings.families}
        with translated(environment.path):
            environment.open_databases(self._families, wait_s)

    @property
    def path(self) -> Path:
        """The table's folder."""
        return self._environment.path

    def _read_settings(self) -> TableSettings:
        with translated(self.path), self._environment.reading(self._wait_s) as txn:
            text = txn.get(_SETTINGS)
        if text is None:
            raise TableFormatError(f"{self.path} is an LMDB environment, but no table of hbimg's: use another name")
        try:
            return settings_from_json(json.loads(text))
        except (ValueError, KeyError, TypeError) as error:
            raise TableFormatError(f"{self.path} has damaged settings: restore the table from a copy") from error

    def get(self, row: bytes) -> dict[bytes, bytes]:
        one = KeyRange(row, row + _NUL)
        with translated(self.path), self._environment.reading(self._wait_s) as txn:
            found = [cell for family in self._families for cell in self._cells(txn, family, one)]
        return {column: bytes(value) for (_, column), value in sorted(found)}

    def scan(self, key_range: KeyRange, families: Collection[str] | None = None) -> Iterator[Row]:
        return self._scan(key_range, check_families(families, self._families))

    def _scan(self, key_range: KeyRange, families: Collection[str]) -> Iterator[Row]:
        with translated(self.path), self._environment.reading(self._wait_s, buffers=True) as txn:
            streams = [self._cells(txn, family, key_range) for family in families]
            cells = streams[0] if len(streams) == 1 else merge(*streams, key=lambda cell: cell[0])
            for row, group in groupby(cells, key=lambda cell: cell[0][0]):
                yield Row(row, {column: value for (_, column), value in group})

    def _cells(
        self, txn: lmdb.Transaction, family: str, key_range: KeyRange
    ) -> Iterator[tuple[tuple[bytes, bytes], Buffer]]:
        """Give ((row, column), value) of one family in order."""
        prefix = f"{family}:".encode()
        cursor = txn.cursor(db=self._environment.database(family))
        first = _first_key(key_range.start)
        if key_range.is_empty or not (cursor.set_range(first) if first else cursor.first()):
            return
        stop = key_range.stop
        for key, value in cursor:
            row, _, qualifier = bytes(key).partition(_NUL)
            if stop and row >= stop:
                return
            yield (row, prefix + qualifier), value

    def read_ahead(self, key_range: KeyRange, families: Collection[str]) -> bool:
        with translated(self.path), self._environment.reading(self._wait_s, buffers=True) as txn:
            for family in check_families(families, self._families):
                for _ in self._cells(txn, family, key_range):  # py-lmdb touches every page of a value that it gives
                    pass
        return True

    def put_many(self, puts: Iterable[Put]) -> None:
        puts = list(puts)
        for put in puts:
            check_put(put.row, put.cells, self._families)
        with self._writing() as txn:
            self._environment.make_room(memoryview(cell).nbytes for put in puts for cell in put.cells.values())
            for put in puts:
                self._put(txn, put.row, put.cells)

    def _put(self, txn: lmdb.Transaction, row: bytes, cells: Cells) -> None:
        for column, value in cells.items():
            family, qualifier = split_column(column, self._families)
            txn.put(row + _NUL + qualifier, value, db=self._environment.database(family))

    def check_and_put(
        self, row: bytes, column: bytes, expected: bytes | None, cells: Cells, *, alone: bool = False
    ) -> bool:
        del alone  # what came before survives with it
        check_guard(row, column, expected, cells, self._families)
        family, qualifier = split_column(column, self._families)
        with self._writing() as txn:
            if txn.get(row + _NUL + qualifier, db=self._environment.database(family)) != expected:
                return False
            self._put(txn, row, cells)
        # Commits flush data but not LMDB's own page, which is cheaper and keeps the file sound; here, where volumes
        # and results become complete, that page is flushed too, so that they survive a power cut.
        with translated(self.path):
            self._environment.lmdb.sync(True)
        return True

    def check_and_delete(self, row: bytes, column: bytes, expected: bytes) -> bool:
        check_row(row)
        family, qualifier = split_column(column, self._families)
        with self._writing() as txn:
            if txn.get(row + _NUL + qualifier, db=self._environment.database(family)) != expected:
                return False
            self._delete(txn, row)
        return True

    def delete_many(self, rows: Iterable[bytes]) -> None:
        rows = [check_row(row) for row in rows]  # before the lock is taken: the caller may be reading them from here
        with self._writing() as txn:
            for row in rows:
                self._delete(txn, row)

    def _delete(self, txn: lmdb.Transaction, row: bytes) -> None:
        prefix = row + _NUL
        for family in self._families:
            cursor = txn.cursor(db=self._environment.database(family))
            found = cursor.set_range(prefix)
            while found and bytes(cursor.key()).startswith(prefix):
                found = cursor.delete()

    def delete_cells(self, row: bytes, columns: Collection[bytes]) -> None:
        check_row(row)
        cells = [split_column(column, self._families) for column in columns]
        with self._writing() as txn:
            for family, qualifier in cells:
                txn.delete(row + _NUL + qualifier, db=self._environment.database(family))

    def load_layout(self) -> bytes | None:
        with translated(self.path), self._environment.reading(self._wait_s) as txn:
            kept: bytes | None = txn.get(_LAYOUT)
            return kept

    def save_layout(self, layout: bytes) -> None:
        with self._writing() as txn:
            txn.put(_LAYOUT, layout)

    def purge(self) -> None:
        """Copy what is left into a new file and put it in the old one's place.

        It needs the table for itself, and for a while the room for that copy.
        """
        self._refuse_read_only()
        with translated(self.path), writing(self.path, self._wait_s):
            self._environment.compact(self._wait_s)

    @contextmanager
    def _writing(self) -> Iterator[lmdb.Transaction]:
        self._refuse_read_only()
        with translated(self.path), self._environment.writing(self._wait_s) as txn:
            yield txn

    def _refuse_read_only(self) -> None:
        if self._environment.read_only:
            raise StorePermissionError(
                f"{self.path} cannot be written by this user: ask its owner, or use another store"
            )


def _first_key(start: bytes) -> bytes:
    """Give the LMDB key from which on all rows lie at or after `start`, and none before it.

    Rows have no NUL, which ends them in LMDB's keys. So after a row ``r`` that a start ``r NUL ...`` leaves out, the
    next possible one is ``r 01``.
    """
    row, nul, _ = start.partition(_NUL)
    return row[: MAX_ROW_BYTES + 1] + (b"\x01" if nul else b"")


class LocalStore(Store):
    """Tables in subfolders of a folder on a local disk.

    Parameters
    ----------
    path : Path
        Made with its first table.
    wait_s : float
        How long a writer waits for another one, in seconds.
    map_bytes : int or None
        Upper limit of a table's size; by default the size of the disk.
    servers : sequence of SimulatedServer
        Where regions are said to be, and tasks run.

    Raises
    ------
    NetworkFileSystemError
        If the folder lies on NFS, Lustre or their like.
    StorePermissionError
        If the folder cannot be read.
    """

    def __init__(
        self,
        path: Path,
        *,
        wait_s: float = WAIT_S,
        map_bytes: int | None = None,
        servers: Sequence[SimulatedServer] = (),
    ) -> None:
        self.path = path.expanduser().absolute()
        super().__init__(_url(self.path, wait_s, map_bytes, servers))
        self.servers = tuple(servers)
        self._wait_s = wait_s
        self._map_bytes = map_bytes
        self._open: dict[str, tuple[Environment, LocalTable]] = {}
        refuse_network_file_system(self.path)
        with translated(self.path):
            if self._is_there():
                self._check_format()

    def _is_there(self) -> bool:
        """Whether the folder is there; an error if something else is in its place."""
        try:
            os.scandir(self.path).close()
        except FileNotFoundError:
            return False
        return True

    def _make_folder(self) -> None:
        self.path.mkdir(parents=True, exist_ok=True)
        marker = self.path / "hbimg-store.json"
        if not marker.exists():
            temporary = self.path / f".hbimg-store.{os.getpid()}.{get_ident()}"
            temporary.write_text(json.dumps({"format": FORMAT}) + "\n")
            temporary.replace(marker)

    def _check_format(self) -> None:
        marker = self.path / "hbimg-store.json"
        if not marker.exists():
            return
        try:
            found = json.loads(marker.read_text())["format"]
        except (ValueError, KeyError, TypeError) as error:
            raise TableFormatError(f'{marker} is damaged: it should read {{"format": {FORMAT}}}') from error
        if found != FORMAT:
            raise TableFormatError(
                f"{self.path} has store format {found}; this hbimg reads format {FORMAT}: update hbimg"
            )

    def tables(self) -> list[str]:
        with translated(self.path):
            return sorted(p.parent.name for p in self.path.glob(f"*/{DATA}") if not p.parent.name.startswith("."))

    def create_table(self, name: str, settings: TableSettings) -> Table:
        folder = self.path / check_table_name(name)
        if folder.exists():
            raise TableExistsError(f"table {name!r} exists in {self.url}")
        # Built beside and renamed, so that nobody ever opens half a table.
        draft = self.path / f".{name}.{os.getpid()}.{get_ident()}.new"
        with translated(self.path):
            self._make_folder()
            try:
                draft.mkdir()
                self._fill(draft, settings)
                _rename_new(draft, folder, name, self.url)
            finally:
                shutil.rmtree(draft, ignore_errors=True)
        return self.table(name)

    def _fill(self, draft: Path, settings: TableSettings) -> None:
        environment = Environment.open(draft, self._map_bytes, self._wait_s)
        try:
            with environment.writing(self._wait_s) as txn:
                txn.put(_SETTINGS, json.dumps(settings_to_json(settings)).encode())
            environment.open_databases([family.name for family in settings.families], self._wait_s)
        finally:
            environment.close()

    def table(self, name: str) -> Table:
        folder = self.path / check_table_name(name)
        if name in self._open:
            return self._open[name][1]
        refuse_network_file_system(folder)  # a table's folder may be a link or a mount of its own
        try:
            with translated(folder):
                (folder / DATA).stat()
                environment = Environment.open(folder, self._map_bytes, self._wait_s)
        except TableNotFoundError:
            raise self._no_table(name) from None
        try:
            self._open[name] = (environment, LocalTable(name, environment, self._wait_s, self.servers))
        except BaseException:
            environment.close()
            raise
        return self._open[name][1]

    def _no_table(self, name: str) -> TableNotFoundError:
        if not self._is_there():
            return TableNotFoundError(
                f"there is no table {name!r}: there is no folder {self.path}; check the path (`hbimg ingest` makes it)"
            )
        known = ", ".join(self.tables()) or "none yet"
        return TableNotFoundError(f"there is no table {name!r} in {self.url}; tables: {known}")

    def drop_table(self, name: str) -> None:
        folder = self.path / check_table_name(name)
        if not (folder / DATA).exists():
            raise self._no_table(name)
        if name in self._open:
            self._open.pop(name)[0].close()
        grave = self.path / f".{name}.{os.getpid()}.{get_ident()}.dropped"
        with translated(self.path):
            if not remove_environment(folder, grave):
                raise StoreBusyError(f"table {name!r} is in use: end the other commands that use it, then drop it")

    def close(self) -> None:
        for environment, _ in self._open.values():
            environment.close()
        self._open.clear()


def _url(path: Path, wait_s: float, map_bytes: int | None, servers: Sequence[SimulatedServer]) -> str:
    """Give the URL that opens a store with these settings again, in another process."""
    options = {"wait_s": f"{wait_s:g}"} if wait_s != WAIT_S else {}
    if map_bytes is not None:
        options["map_bytes"] = str(map_bytes)
    if servers:
        options["servers"] = servers_text(servers)
        if servers[0].link_bytes_per_s != LINK_BYTES_PER_S:
            options["link_bytes_per_s"] = f"{servers[0].link_bytes_per_s!r}"
    return f"local://{quote(os.fsencode(path))}" + (f"?{urlencode(options, safe=':,')}" if options else "")


def _rename_new(draft: Path, folder: Path, name: str, url: str) -> None:
    try:
        draft.rename(folder)
    except OSError as error:
        if error.errno in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR):
            raise TableExistsError(f"table {name!r} exists in {url}") from error
        raise


def open_local(path: Path, options: dict[str, Any]) -> LocalStore:
    """Open the embedded store in a folder; `options` are those of `LocalStore`."""
    return LocalStore(path, **options)
