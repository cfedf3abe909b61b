"""The store in HBase, spoken to by its own RPC: cells go straight between the RegionServers and the caller's arrays."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence

from hbimg.errors import ConfigError, TableNotFoundError
from hbimg.rowkeys import KeyRange
from hbimg.store.contract import Buffer, Cells, Family, Put, Region, Row, Table, TableSettings, check_families
from hbimg.store.hbase import HBaseStore, HBaseTable
from hbimg.store.hbase_address import HBaseAddress
from hbimg.store.hbase_batches import put_batches
from hbimg.store.hbase_settings import SETTINGS, settings_of, settings_text
from hbimg.store.receiving import ReceivedRow
from hbimg.store.rpc import hbase_pb2 as pb
from hbimg.store.rpc.admin import Admin
from hbimg.store.rpc.cluster import open_cluster
from hbimg.store.rpc.scanning import Scanning, ScanPlan
from hbimg.store.rpc.schema import TableDescription
from hbimg.store.rpc.unlogged import UnloggedWrites
from hbimg.store.rpc.wire import CONNECT_S
from hbimg.store.rpc.writing import RowChange, Writing

COMPRESSIONS = ("none", "gz", "snappy", "lz4", "lzo", "zstd", "bzip2", "lzma", "brotli")
DURABILITIES = {
    "default": pb.MutationProto.USE_DEFAULT,
    "skip_wal": pb.MutationProto.SKIP_WAL,
    "async_wal": pb.MutationProto.ASYNC_WAL,
    "sync_wal": pb.MutationProto.SYNC_WAL,
    "fsync_wal": pb.MutationProto.FSYNC_WAL,
}
#: What is flushed at once in bulk mode. HBase itself flushes meanwhile, a region at 128 MB by default, which bounds its
#: memory; what a flush costs beside the bytes is spread over a gigabyte, and no more than that has to be done again.
GATHERED_BYTES = 1 << 30
ENCODINGS = ("none", "prefix", "diff", "fast_diff", "row_index_v1")


class RpcTable(HBaseTable):
    """A table in HBase, spoken to by its own RPC. For any number of threads."""

    #: `put_many` keeps three calls of 4 MiB under way.
    batch_bytes = 16 << 20

    def __init__(
        self, name: str, settings: TableSettings, full_name: str, admin: Admin, durability: str = "default"
    ) -> None:
        super().__init__(name, settings, full_name)
        self._admin = admin
        self._scanning = Scanning(admin.cluster, admin.locations)
        self._unlogged = UnloggedWrites(full_name, admin.region_calls)
        self._writing = Writing(admin.cluster, admin.locations, self._unlogged.record)
        self._durability = DURABILITIES[durability]
        if durability == "skip_wal":
            self.gathered_bytes = GATHERED_BYTES

    # -- reading -----------------------------------------------------------------------------------------------------

    def get(self, row: bytes) -> dict[bytes, bytes]:
        if not row or b"\0" in row:
            return {}  # no such row can be
        return self._row(row, [(family.encode(), b"") for family in sorted(self._families)])

    def _row(self, row: bytes, columns: Sequence[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
        plan = ScanPlan(self._full_name, columns, first_rows=1)
        for found in self._scanning.rows(plan, KeyRange(row, row + b"\0")):
            return {column: bytes(cell) for column, cell in found.cells.items()}
        return {}

    def _cell(self, row: bytes, column: bytes) -> bytes | None:
        family, _, qualifier = column.partition(b":")
        return self._row(row, [(family, qualifier)]).get(column)

    def scan(self, key_range: KeyRange, families: Collection[str] | None = None) -> Iterator[Row]:
        chosen = check_families(families, self._families)
        if not chosen:
            return iter(())
        return self._scanning.rows(self._plan(chosen), key_range)

    def receive(
        self, key_range: KeyRange, family: str, target: memoryview, tail_bytes: int = 0
    ) -> Iterator[ReceivedRow]:
        plan = self._plan(check_families([family], self._families))
        return self._scanning.received(plan, key_range, target, tail_bytes)

    def _plan(self, families: Sequence[str]) -> ScanPlan:
        return ScanPlan(self._full_name, [(family.encode(), b"") for family in families])

    def _keys(self, key_range: KeyRange, most: int) -> list[bytes]:
        columns = [(family.encode(), b"") for family in sorted(self._families)]
        plan = ScanPlan(self._full_name, columns, keys_only=True, first_rows=most)
        keys = []
        for row in self._scanning.rows(plan, key_range):
            keys.append(row.key)
            if len(keys) == most:
                break
        return keys

    # -- writing -----------------------------------------------------------------------------------------------------

    def put_many(self, puts: Iterable[Put]) -> None:
        self._unlogged.refuse_lost()
        batches = put_batches(self._checked(puts))
        self._writing.write_batches(self._full_name, map(_changes, batches), self._durability)

    def _make_durable(self) -> None:
        self._unlogged.prove()

    def _change_if(self, row: bytes, column: bytes, expected: bytes | None, cells: Cells | None) -> bool:
        change = RowChange(row, cells)
        return self._writing.mutate_if(self._full_name, change, column, expected, pb.MutationProto.FSYNC_WAL)

    def _delete_rows(self, rows: Sequence[bytes]) -> None:
        self._writing.write(self._full_name, [RowChange(row) for row in rows])

    def _delete_columns(self, row: bytes, columns: Sequence[bytes]) -> None:
        self._writing.write(self._full_name, [RowChange(row, columns=columns)])

    # -- regions and files -------------------------------------------------------------------------------------------

    def regions(self) -> list[Region]:
        places = self._admin.regions(self._full_name)
        loads = self._admin.loads(self._full_name)
        return [
            Region(
                place.range,
                place.require_server().host,
                loads[place.encoded].size_bytes if place.encoded in loads else None,
            )
            for place in places
        ]

    def purge(self) -> None:
        """Flush, and have all files written anew; HBase deletes the old ones from the disk some minutes later."""
        self._admin.flush(self._full_name)
        self._admin.major_compact(self._full_name)


class RpcStore(HBaseStore):
    """Tables in HBase, spoken to by its own RPC.

    Parameters
    ----------
    address : HBaseAddress
    connect_s : float
        How long a server may take to accept a connection.

    Raises
    ------
    StoreUnavailableError
        If neither a master nor a RegionServer answers on the address's hosts, or no RegionServer can be reached.
    """

    def __init__(self, address: HBaseAddress, connect_s: float = CONNECT_S) -> None:
        super().__init__(address)
        self.admin = Admin(open_cluster(address, connect_s))
        self._durability = address.durability
        self.through = "HBase's own RPC"

    def _list(self) -> list[str]:
        return [table.name for table in self.admin.tables(self._namespace) if SETTINGS in table.attributes]

    def _exists(self, full_name: str) -> bool:
        try:
            self.admin.describe(full_name)
        except TableNotFoundError:
            return False
        return True

    def _is_ours(self, full_name: str) -> bool:
        return SETTINGS in self.admin.describe(full_name).attributes

    def _create(self, full_name: str, settings: TableSettings) -> None:
        attributes = {**settings.attributes, SETTINGS: settings_text(settings)}
        families = {family.name: _family_attributes(family) for family in settings.families}
        self.admin.create(TableDescription(full_name, families, attributes), settings.split_points)

    def _open(self, name: str, full_name: str) -> Table:
        found = self.admin.describe(full_name)
        settings = settings_of(found.attributes.get(SETTINGS), list(found.families), f"table {name!r} in {self.url}")
        return RpcTable(name, settings, full_name, self.admin, self._durability)

    def attributes(self, name: str) -> dict[str, str]:
        return dict(self.admin.describe(self._full_name(name)).attributes)

    def _drop(self, full_name: str) -> None:
        self.admin.delete(full_name)

    def close(self) -> None:
        self.admin.close()


def _changes(rows: dict[bytes, dict[bytes, Buffer]]) -> list[RowChange]:
    return [RowChange(row, cells) for row, cells in rows.items()]


def _family_attributes(family: Family) -> dict[str, str]:
    for what, name, known in (
        ("compression", family.compression, COMPRESSIONS),
        ("data block encoding", family.data_block_encoding, ENCODINGS),
    ):
        if name.lower() not in known:
            raise ConfigError(
                f"family {family.name!r}: HBase has no {what} {name!r}; it has {', '.join(sorted(known))}"
            )
    return {
        "VERSIONS": "1",
        "COMPRESSION": family.compression.upper(),
        "DATA_BLOCK_ENCODING": family.data_block_encoding.upper(),
    }
