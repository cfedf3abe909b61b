"""The store in HBase: the same rows and cells, in tables that a whole cluster serves.

What holds however HBase is spoken to stands here: what is refused before it is sent, which tables are hbimg's, and
how a conditional write whose answer was lost is told from one that was refused. Every call can be repeated
(docs/decisions/0041).
"""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import islice

from hbimg.errors import (
    ConfigError,
    StoreError,
    StorePermissionError,
    StoreUnavailableError,
    TableExistsError,
    TableFormatError,
    TableNotFoundError,
)
from hbimg.rowkeys import KeyRange
from hbimg.store.contract import (
    Cells,
    Put,
    Store,
    Table,
    TableSettings,
    check_guard,
    check_put,
    check_row,
    check_table_name,
    split_column,
)
from hbimg.store.hbase_address import HBaseAddress
from hbimg.store.hbase_batches import BATCH_BYTES

#: HBase orders a deletion and a later put by milliseconds: within one, the deletion would hide the put.
_TICK_S = 0.002
_DELETES = 1000
#: How long HBase's own RPC is knocked at, in seconds, where Thrift would do as well.
_PROBE_S = 2.0


class HBaseTable(Table):
    """A table in HBase. For any number of threads."""

    batch_bytes = BATCH_BYTES

    def __init__(self, name: str, settings: TableSettings, full_name: str) -> None:
        super().__init__(name, settings)
        self._families = {family.name for family in settings.families}
        self._full_name = full_name

    # -- how HBase is spoken to --------------------------------------------------------------------------------------

    @abstractmethod
    def _cell(self, row: bytes, column: bytes) -> bytes | None:
        """Read one cell."""

    @abstractmethod
    def _keys(self, key_range: KeyRange, most: int) -> list[bytes]:
        """Give the first keys of a range; values are not read."""

    @abstractmethod
    def _change_if(self, row: bytes, column: bytes, expected: bytes | None, cells: Cells | None) -> bool:
        """Write cells, or delete the row, if a column has a value; synced to the disks of all replicas."""

    @abstractmethod
    def _delete_rows(self, rows: Sequence[bytes]) -> None:
        """Delete rows, all different."""

    @abstractmethod
    def _delete_columns(self, row: bytes, columns: Sequence[bytes]) -> None:
        """Delete cells of a row, all different and at least one."""

    # -- the contract ------------------------------------------------------------------------------------------------

    def _checked(self, puts: Iterable[Put]) -> Iterator[Put]:
        for put in puts:
            check_put(put.row, put.cells, self._families)
            yield put

    def _make_durable(self) -> None:
        """Have all that was written before on the disks; StoreError if that cannot be proved."""

    def check_and_put(
        self, row: bytes, column: bytes, expected: bytes | None, cells: Cells, *, alone: bool = False
    ) -> bool:
        check_guard(row, column, expected, cells, self._families)
        # Looked at first: then "no" to the write itself means that the value changed in between, by another writer or
        # by us, in a call whose answer was lost on its way.
        if self._cell(row, column) != expected:
            return False
        if not alone:
            self._make_durable()
        if self._change_if(row, column, expected, cells):
            return True
        found = self.get(row)
        return column in cells and all(found.get(name) == bytes(cell) for name, cell in cells.items())

    def check_and_delete(self, row: bytes, column: bytes, expected: bytes) -> bool:
        check_row(row)
        split_column(column, self._families)
        if not expected or self._cell(row, column) != expected:
            return False
        done = self._change_if(row, column, expected, None)
        time.sleep(_TICK_S)
        return done or not self.get(row)

    def delete_many(self, rows: Iterable[bytes]) -> None:
        pending = iter([check_row(row) for row in rows])
        while doomed := list(islice(pending, _DELETES)):
            self._delete_rows(list(dict.fromkeys(doomed)))
            time.sleep(_TICK_S)

    def delete_cells(self, row: bytes, columns: Collection[bytes]) -> None:
        check_row(row)
        for column in columns:
            split_column(column, self._families)
        if columns:  # a deletion without columns is one of the whole row
            self._delete_columns(row, list(dict.fromkeys(columns)))
            time.sleep(_TICK_S)

    def delete_range(self, key_range: KeyRange) -> int:
        """Delete all rows of a range and tell how many there were; their values are not read."""
        deleted = 0
        while not key_range.is_empty:
            found = self._keys(key_range, _DELETES)
            if not found:
                break
            self.delete_many(found)
            deleted += len(found)
            key_range = KeyRange(found[-1] + b"\0", key_range.stop)
        return deleted


class HBaseStore(Store):
    """Tables in HBase. Only tables that hbimg made are seen: others are neither listed nor opened nor dropped."""

    def __init__(self, address: HBaseAddress) -> None:
        super().__init__(address.url)
        self._namespace = address.namespace

    # -- how HBase is spoken to --------------------------------------------------------------------------------------

    @abstractmethod
    def _list(self) -> list[str]:
        """Give the full names of hbimg's tables, of the store's namespace if it has one."""

    @abstractmethod
    def _exists(self, full_name: str) -> bool:
        """Whether there is a table, hbimg's or not."""

    @abstractmethod
    def _is_ours(self, full_name: str) -> bool:
        """Whether hbimg made a table; TableNotFoundError if there is none."""

    @abstractmethod
    def _create(self, full_name: str, settings: TableSettings) -> None:
        """Make a table, and make sure that it was made as asked."""

    @abstractmethod
    def _open(self, name: str, full_name: str) -> Table:
        """Open a table; TableNotFoundError if there is none."""

    @abstractmethod
    def attributes(self, name: str) -> dict[str, str]:
        """Give all of HBase's attributes of a table, hbimg's own among them; TableNotFoundError if there is none."""

    @abstractmethod
    def _drop(self, full_name: str) -> None:
        """Delete a table."""

    # -- the contract ------------------------------------------------------------------------------------------------

    def _full_name(self, name: str) -> str:
        check_table_name(name)
        if self._namespace is None:
            return name.removeprefix("default:")
        if ":" in name:
            raise ConfigError(f"{name!r} names a namespace, and so does {self.url}: give one of them")
        return f"{self._namespace}:{name}"

    def tables(self) -> list[str]:
        return sorted(name.removeprefix(f"{self._namespace}:") if self._namespace else name for name in self._list())

    def create_table(self, name: str, settings: TableSettings) -> Table:
        full_name = self._full_name(name)
        if self._exists(full_name):
            raise TableExistsError(f"table {name!r} exists in {self.url}")
        try:
            self._create(full_name, settings)
        except StoreError as error:
            # Somebody else may have made it in this moment, or we did, in a call whose answer was lost.
            if self._exists(full_name):
                raise TableExistsError(f"table {name!r} exists in {self.url}") from error
            raise
        return self.table(name)

    def table(self, name: str) -> Table:
        full_name = self._full_name(name)
        try:
            return self._open(name, full_name)
        except TableNotFoundError as error:
            raise self._not_found(name) from error

    def drop_table(self, name: str) -> None:
        full_name = self._full_name(name)
        try:
            is_ours = self._is_ours(full_name)
        except TableNotFoundError as error:
            raise self._not_found(name) from error
        if not is_ours:
            raise TableFormatError(f"table {name!r} in {self.url} is not hbimg's, so hbimg does not delete it")
        with suppress(TableNotFoundError):  # a call whose answer was lost had done it
            self._drop(full_name)

    def _not_found(self, name: str) -> TableNotFoundError:
        there = ", ".join(self.tables()) or "none yet"
        return TableNotFoundError(f"there is no table {name!r} in {self.url}; tables: {there}")


def open_hbase(url: str) -> HBaseStore:
    """Open the store that an ``hbase:`` URL names: through HBase's own RPC where that is reached, else through Thrift.

    Raises
    ------
    ConfigError
        If the URL is malformed.
    StoreUnavailableError
        If nothing answers.
    """
    return open_address(HBaseAddress.parse(url))


def open_address(address: HBaseAddress) -> HBaseStore:
    """Open the store at an address; `open_hbase` says how, and what is raised."""
    if address.client == "thrift":
        return _open_thrift(address)
    from hbimg.store.rpc.store import RpcStore

    if address.client == "rpc":
        return RpcStore(address)
    try:
        return RpcStore(address, connect_s=_PROBE_S)
    except (StoreUnavailableError, StorePermissionError) as unreached:
        if address.durability != "default" or address.tls:
            raise  # what was asked for needs it
        try:
            return _open_thrift(address)
        except StoreUnavailableError as error:
            raise StoreUnavailableError(f"{error}; nor by HBase's own RPC: {unreached}") from error


def _open_thrift(address: HBaseAddress) -> HBaseStore:
    if address.durability != "default" or address.tls:
        option = "tls" if address.tls else "durability"
        raise ConfigError(f"{address.url!r}: {option} is for HBase's own RPC, and this is Thrift: leave it out")
    from hbimg.store.thrift_store import ThriftStore

    return ThriftStore(address)
