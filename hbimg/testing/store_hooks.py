"""What a contract test needs of a store: how to open it and how to look underneath. And its rows and ranges."""

from __future__ import annotations

import secrets
from abc import ABC, abstractmethod
from collections.abc import Iterator

import pytest

from hbimg.rowkeys import MAX_ROW_BYTES, KeyRange
from hbimg.store.contract import (
    Store,
    Table,
    TableSettings,
)

ALL = KeyRange()
ROWS = [b"!own", b"a", b"a!", b"a,", b"a,1", b"ab", b"b\x01", b"b\xff", b"\xff"]
RANGES = [
    ALL,
    KeyRange(b"a", b"b"),
    KeyRange(b"a,", b"a-"),
    KeyRange(b"a", b"a\0"),
    KeyRange(b"a\0"),
    KeyRange(b"a\0", b"ab\0"),
    KeyRange(b"", b"a"),
    KeyRange(b"ab", b""),
    KeyRange(b"b\x01\0junk", b"\xff"),
    KeyRange(b"\xff\xff"),
    KeyRange(b"b", b"a"),
    KeyRange(b"a", b"a"),
    KeyRange(b"a" * 2 * MAX_ROW_BYTES, b"b" * 2 * MAX_ROW_BYTES),
]


class StoreHooks(ABC):
    """What the contract test needs to know of a store, and its fixtures."""

    #: Whether what was written is there after `reopen`.
    persistent = True
    #: Where making a table takes seconds: the name of one with the default settings that tests share, each beginning
    #: with it emptied, where what they test is not the making. None: each test makes its own.
    shared_table: str | None = None

    @abstractmethod
    def make_store(self) -> Store:
        """Open the store under test."""

    @abstractmethod
    def raw_get(self, table_name: str, row: bytes, column: bytes) -> bytes | None:
        """Read a cell without hbimg's store; None if it is absent."""

    @abstractmethod
    def raw_put(self, table_name: str, row: bytes, column: bytes, value: bytes) -> None:
        """Write a cell without hbimg's store."""

    def reopen(self, store: Store) -> Store:
        """Close a store and open it anew, as the next process would."""
        store.close()
        return self.make_store()

    def raw_files(self, table_name: str) -> bytes | None:  # noqa: ARG002 - subclasses use it
        """Give all bytes of the table's files, or None where they are out of reach."""
        return None

    def empty_table(self, store: Store, name: str) -> Table:
        """Give a table with the default settings and no rows: a new one of this name, or the shared one."""
        if self.shared_table is None:
            return store.create_table(name, TableSettings())
        table = store.table(self.shared_table)
        table.delete_range(ALL)
        return table

    def put_away(self, store: Store, table: Table) -> None:
        """Drop what `empty_table` gave, unless it is shared."""
        if self.shared_table is None:
            store.drop_table(table.name)

    # -- fixtures ----------------------------------------------------------------------------------------------------

    @pytest.fixture
    def store(self) -> Iterator[Store]:
        with self.make_store() as store:
            yield store

    @pytest.fixture
    def table_name(self, store: Store) -> Iterator[str]:
        name = f"contract_{secrets.token_hex(6)}"
        yield name
        with self.make_store() as fresh:
            store.close()
            if name in fresh.tables():
                fresh.drop_table(name)

    @pytest.fixture
    def table(self, store: Store, request: pytest.FixtureRequest) -> Table:
        # A name is asked for only where it is used: its fixture looks afterwards whether a table of it is left.
        return self.empty_table(store, "" if self.shared_table else request.getfixturevalue("table_name"))
