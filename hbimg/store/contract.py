"""The contract of a store: ordered rows of cells in families, as HBase has them, and nothing that HBase cannot do.

A table is a sorted map from row key to cells; a cell is named by a column ``family:qualifier``. What holds for every
implementation (`hbimg.testing.store_contract` proves it on each):

- One row's puts happen at once or not at all; across rows nothing is atomic, whatever the batch.
- When `put_many` returns, the data survives the end of the process; when a `check_and_put` that wrote returns, then
  its data and all that was written before survive the end of the machine too, so it is what makes a volume complete
  (unless it says that it stands `alone`, as a claim does).
- A scan gives rows in byte order. It is no snapshot: rows written or deleted meanwhile may or may not be seen, but a
  row that stood unchanged through the whole scan is seen exactly once.
- A cell that a scan gives is a buffer that is valid until the scan goes on or ends: `bytes(cell)` keeps it.
- Timestamps are the store's; a cell has one version.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from types import TracebackType
from typing import Self

from hbimg.errors import CellTooLargeError, ConfigError, StoreError
from hbimg.rowkeys import MAX_ROW_BYTES, KeyRange
from hbimg.store.receiving import ReceivedRow, copied_rows

#: What a cell's value may be where it is handed over: anything with the buffer protocol, without a copy.
Buffer = bytes | bytearray | memoryview
Cells = Mapping[bytes, Buffer]

#: Largest value that hbimg puts into one cell; HBase refuses 10 MiB by default, and slices are mostly below 1 MiB.
CHUNK_BYTES = 1 << 20
#: Longest qualifier, so that row, separator and qualifier fit LMDB's 511 bytes.
MAX_QUALIFIER_BYTES = 64
#: LMDB's limit on databases; HBase advises far fewer.
MAX_FAMILIES = 16
#: Largest cell that a table takes: HBase's hbase.server.keyvalue.maxsize less the key.
MAX_CELL_BYTES = 10_000_000
#: Gigabit Ethernet, less what its headers take.
LINK_BYTES_PER_S = 117e6


@dataclass(frozen=True, slots=True)
class Family:
    """A column family and how its blocks are kept on disk, where the store has a choice."""

    name: str
    compression: str = "none"
    data_block_encoding: str = "none"
    about: str = ""

    def __post_init__(self) -> None:
        if not re.fullmatch("[A-Za-z0-9_]{1,32}", self.name):
            raise ConfigError(f"{self.name!r} is no family name: 1 to 32 of the characters A-Z a-z 0-9 _")


#: The families of every table of hbimg.
FAMILIES: tuple[Family, ...] = (
    Family("m", "gz", "fast_diff", "records and manifests: small, read by listings"),
    Family("h", "gz", "none", "bytes of the source files that are not pixels"),
    Family("i", "none", "none", "frames: pixel bytes as they were stored"),
    Family("r", "none", "none", "pieces of results"),
)


@dataclass(frozen=True, slots=True)
class TableSettings:
    """What is fixed when a table is made.

    Attributes
    ----------
    families : tuple of Family
    split_points : tuple of bytes
        Row keys at which regions begin, sorted, without the empty key of the first.
    attributes : mapping of str to str
        Table attributes in HBase's names; a store that has no use for one keeps it and gives it back.
    """

    families: tuple[Family, ...] = FAMILIES
    split_points: tuple[bytes, ...] = ()
    attributes: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        names = {family.name for family in self.families}
        if not 0 < len(self.families) <= MAX_FAMILIES or len(names) != len(self.families):
            raise ConfigError(f"a table has 1 to {MAX_FAMILIES} families of different names")
        for point in self.split_points:
            if len(point) > MAX_ROW_BYTES or b"\0" in point:
                raise ConfigError(f"split point {point!r}: at most {MAX_ROW_BYTES} bytes without NUL are allowed")
        if list(self.split_points) != sorted(set(self.split_points)) or b"" in self.split_points:
            raise ConfigError("split points must be sorted, different and not empty")


@dataclass(frozen=True, slots=True)
class Region:
    """A region: a range of rows on one server.

    `size_bytes` is None where the store does not tell it.
    """

    range: KeyRange
    server: str
    size_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class SimulatedServer:
    """A server of a store on one machine: as many tasks at once as it has slots, behind a link of its own."""

    name: str
    slots: int
    link_bytes_per_s: float = LINK_BYTES_PER_S


@dataclass(frozen=True, slots=True)
class Put:
    """Cells to write into one row, at once."""

    row: bytes
    cells: Cells

    @property
    def size_bytes(self) -> int:
        """Bytes of the row key, once, and of all cells."""
        return len(self.row) + sum(len(column) + memoryview(cell).nbytes for column, cell in self.cells.items())


@dataclass(frozen=True, slots=True)
class Row:
    """A row that a scan gave; the cells are sorted by column."""

    key: bytes
    cells: dict[bytes, Buffer]


class Table(ABC):
    """An open table."""

    #: How many bytes to gather before `put_many` is worth a call.
    batch_bytes: int = 4 << 20
    #: How many bytes to write before the first `check_and_put` that completes some, since that is dear; 0: it is not.
    gathered_bytes: int = 0
    #: Whether `purge` can be done from here; where not, it raises a StoreError that says how else.
    can_purge: bool = True

    def __init__(self, name: str, settings: TableSettings) -> None:
        self.name = name
        self.settings = settings

    @abstractmethod
    def get(self, row: bytes) -> dict[bytes, bytes]:
        """Give the cells of one row, copied and sorted by column; empty if there is no such row."""

    @abstractmethod
    def scan(self, key_range: KeyRange, families: Collection[str] | None = None) -> Iterator[Row]:
        """Give the rows of a range in order, with the cells of the chosen families only.

        Rows that have no cell in a chosen family do not appear, and their other families are not read; None chooses
        all families. A cell's buffer is valid until the iterator goes on.

        Raises
        ------
        StoreError
            At once, if the table has no such family.
        """

    @abstractmethod
    def put_many(self, puts: Iterable[Put]) -> None:
        """Write rows, each at once; where a row or a cell comes twice, the later stands.

        Raises
        ------
        StoreError
            Any of the rows may have been written: it is safe to write all of them again.
        """

    @abstractmethod
    def check_and_put(
        self, row: bytes, column: bytes, expected: bytes | None, cells: Cells, *, alone: bool = False
    ) -> bool:
        """Write cells of a row if `column` has the value `expected` there (None: is absent), and tell whether.

        With `alone`, only this row has to survive the machine, not what was written before.

        Raises
        ------
        StoreError
            If `expected`, or the new value of `column`, is empty: HBase takes an empty value for an absent one.
        """

    @abstractmethod
    def check_and_delete(self, row: bytes, column: bytes, expected: bytes) -> bool:
        """Delete a row with all its cells if `column` has the value `expected` there, at once, and tell whether."""

    @abstractmethod
    def delete_many(self, rows: Iterable[bytes]) -> None:
        """Delete rows with all their cells; rows that are absent are no error."""

    @abstractmethod
    def delete_cells(self, row: bytes, columns: Collection[bytes]) -> None:
        """Delete cells of one row, at once."""

    @abstractmethod
    def regions(self) -> list[Region]:
        """Give the regions in order; together they hold every possible row."""

    @abstractmethod
    def purge(self) -> None:
        """Rewrite the table's files so that what was deleted is gone from the disk.

        Raises
        ------
        StoreBusyError
            If that needs the table for itself and others use it.
        StoreError
            If the store cannot do it (`can_purge`): the message says how it is done.
        """

    def read_ahead(self, key_range: KeyRange, families: Collection[str]) -> bool:  # noqa: ARG002 - for subclasses
        """Bring the rows of a range near, so that a scan that follows soon does not wait, and tell whether it can.

        A store that sends rows over a network, once for each scan, cannot: it does nothing and gives False.
        """
        return False

    @property
    def gateway(self) -> str:
        """The host through which this thread's last call reached the data; '' where nobody stands between."""
        return ""

    def receive(
        self, key_range: KeyRange, family: str, target: memoryview, tail_bytes: int = 0
    ) -> Iterator[ReceivedRow]:
        """Read the cells of one family of a range into an array, one behind the other, without their last bytes.

        A store that can do so receives them there from its server, with no copy on the way.

        Parameters
        ----------
        key_range : KeyRange
        family : str
        target : memoryview
            Writable, of single bytes, with room for all payloads and one tail.
        tail_bytes : int
            How many bytes at the end of each cell are not for the array: they are given beside it.

        Raises
        ------
        StoreError
            At once, if the table has no such family.
        CellTooLargeError
            If the cells do not fit the array.
        CorruptCellError
            If a cell is shorter than its tail.
        """
        return copied_rows(self.scan(key_range, [family]), target, tail_bytes)

    def put(self, row: bytes, cells: Cells) -> None:
        """Write one row at once."""
        self.put_many([Put(row, cells)])

    def delete_range(self, key_range: KeyRange) -> int:
        """Delete all rows of a range and tell how many there were."""
        deleted = 0
        while rows := [row.key for row in islice(self.scan(key_range), 1000)]:
            self.delete_many(rows)
            deleted += len(rows)
            # Not from the start again: HBase would walk over all the tombstones so far.
            key_range = KeyRange(rows[-1] + b"\0", key_range.stop)
        return deleted


class Store(ABC):
    """An open store: a set of tables. A context manager that closes it."""

    #: Servers that a store on one machine simulates; empty where there are none, or real ones.
    servers: tuple[SimulatedServer, ...] = ()
    #: How it is reached, in words, where there is more than one way; else empty.
    through: str = ""

    def __init__(self, url: str) -> None:
        self.url = url

    @abstractmethod
    def tables(self) -> list[str]:
        """Give the names of all tables, sorted."""

    @abstractmethod
    def create_table(self, name: str, settings: TableSettings) -> Table:
        """Make a table.

        Raises
        ------
        TableExistsError
            If there is one of that name.
        """

    @abstractmethod
    def table(self, name: str) -> Table:
        """Open a table.

        Raises
        ------
        TableNotFoundError
            If there is none of that name.
        """

    @abstractmethod
    def drop_table(self, name: str) -> None:
        """Delete a table with all it holds."""

    @abstractmethod
    def close(self) -> None:
        """Let go of files and connections."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.close()


_NAME_START = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_"


def check_table_name(name: str) -> str:
    """Give the name back if HBase takes it for a table, ``name`` or ``namespace:name``; ConfigError else."""
    parts = name.split(":")
    for part in parts:
        ok = part and part[0] in _NAME_START and all(c in _NAME_START + ".-" for c in part)
        if not ok or len(parts) > 2 or len(name) > 100:
            raise ConfigError(
                f"{name!r} is no table name: letters, digits, '_', '-' and '.', not first '-' or '.', at most 100, "
                "with an optional 'namespace:' before"
            )
    return name


def check_put(row: bytes, cells: Cells, families: Collection[str]) -> None:
    """Refuse what one of the stores could not keep.

    Raises
    ------
    StoreError
        If the row key or a column is too long, malformed or of an unknown family, or there is no cell at all.
    CellTooLargeError
        If a value has more than `MAX_CELL_BYTES`.
    """
    check_row(row)
    if not cells:
        raise StoreError(f"row {row!r}: a put without cells would leave no trace")
    for column, cell in cells.items():
        split_column(column, families)
        size_bytes = memoryview(cell).nbytes
        if size_bytes > MAX_CELL_BYTES:
            raise CellTooLargeError(
                f"cell {column!r} has {size_bytes:,} bytes: a cell takes at most {MAX_CELL_BYTES:,}; cut it into chunks"
            )


def check_guard(row: bytes, column: bytes, expected: bytes | None, cells: Cells, families: Collection[str]) -> None:
    """Refuse a check-and-put that one of the stores could not do; StoreError as `check_put` and `Table` say."""
    check_put(row, cells, families)
    split_column(column, families)
    if expected == b"" or (column in cells and not memoryview(cells[column]).nbytes):
        raise StoreError(f"column {column!r}: an empty value cannot be checked, since HBase takes it for an absent one")


def check_row(row: bytes) -> bytes:
    """Give a row key back; StoreError if it is empty, too long or holds a NUL byte."""
    if not 0 < len(row) <= MAX_ROW_BYTES or b"\0" in row:
        raise StoreError(f"row key {row!r}: 1 to {MAX_ROW_BYTES} bytes without NUL are allowed")
    return row


def check_families(chosen: Collection[str] | None, families: Collection[str]) -> list[str]:
    """Give the chosen families, sorted and once each (None: all); StoreError if the table has not all of them."""
    if isinstance(chosen, str):
        raise TypeError(f"families must be a collection of names, not the text {chosen!r}")
    names = sorted(families if chosen is None else set(chosen))
    unknown = [name for name in names if name not in families]
    if unknown:
        raise StoreError(f"the table has no family {unknown[0]!r}, it has {', '.join(sorted(families))}")
    return names


def split_column(column: bytes, families: Collection[str]) -> tuple[str, bytes]:
    """Give family and qualifier of a column; StoreError if it is malformed or the family is unknown."""
    family, colon, qualifier = column.partition(b":")
    name = family.decode("ascii", "replace")
    if not colon or name not in families:
        raise StoreError(f"column {column!r}: the table has the families {', '.join(sorted(families))}")
    if not 0 < len(qualifier) <= MAX_QUALIFIER_BYTES or b"\0" in qualifier:
        raise StoreError(f"column {column!r}: a qualifier has 1 to {MAX_QUALIFIER_BYTES} bytes and no NUL")
    return name, qualifier
