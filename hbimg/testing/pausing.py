"""A table whose writer is stopped before any of its writes, as a kill or a pause would stop it.

Every batch is split into single rows, since no store promises more than rows; so what happens between any two rows
can be looked at.
"""

from __future__ import annotations

import itertools
import socket
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager

from hbimg.rowkeys import KeyRange
from hbimg.store import Put, Region, Row, Table
from hbimg.store.contract import Cells
from hbimg.volumes import owners

_processes = itertools.count(1)


class WriterKilled(BaseException):
    """The writer is dead. Whatever it tries to clean up after this is not done either."""


class PausingTable(Table):
    """A table that calls `before_write` with 1, 2, 3, ... before each single write; if that raises, all later ones do.

    Parameters
    ----------
    table : Table
        Does the work.
    before_write : callable
        Looks at the table, lets somebody else write, waits, or raises WriterKilled.
    """

    batch_bytes = 1

    def __init__(self, table: Table, before_write: Callable[[int], None]) -> None:
        super().__init__(table.name, table.settings)
        self._table = table
        self._before_write = before_write
        self._killed: WriterKilled | None = None
        self.writes = 0

    def _step(self) -> None:
        self._alive()
        self.writes += 1
        try:
            self._before_write(self.writes)
        except WriterKilled as kill:
            self._killed = kill
            raise

    def _alive(self) -> None:
        if self._killed is not None:
            raise self._killed

    def get(self, row: bytes) -> dict[bytes, bytes]:
        self._alive()
        return self._table.get(row)

    def scan(self, key_range: KeyRange, families: Collection[str] | None = None) -> Iterator[Row]:
        self._alive()
        return self._table.scan(key_range, families)

    def put_many(self, puts: Iterable[Put]) -> None:
        for put in puts:
            self._step()
            self._table.put_many([put])

    def check_and_put(
        self, row: bytes, column: bytes, expected: bytes | None, cells: Cells, *, alone: bool = False
    ) -> bool:
        self._step()
        return self._table.check_and_put(row, column, expected, cells, alone=alone)

    def check_and_delete(self, row: bytes, column: bytes, expected: bytes) -> bool:
        self._step()
        return self._table.check_and_delete(row, column, expected)

    def delete_many(self, rows: Iterable[bytes]) -> None:
        for row in list(rows):
            self._step()
            self._table.delete_many([row])

    def delete_cells(self, row: bytes, columns: Collection[bytes]) -> None:
        self._step()
        self._table.delete_cells(row, columns)

    def regions(self) -> list[Region]:
        return self._table.regions()

    def purge(self) -> None:
        self._step()
        self._table.purge()


def kill_before(number: int) -> Callable[[int], None]:
    """Give a `before_write` that kills the writer before its write of that number."""

    def before_write(now: int) -> None:
        if now >= number:
            raise WriterKilled

    return before_write


@contextmanager
def dead_process() -> Iterator[None]:
    """Write as a process of its own that everybody knows to be dead, so that its claims may be taken over at once."""
    gone = owners.Owner(socket.gethostname(), 2**31 + next(_processes), "gone")
    before = owners.this_process
    owners.this_process = lambda: gone
    try:
        yield
    finally:
        owners.this_process = before
