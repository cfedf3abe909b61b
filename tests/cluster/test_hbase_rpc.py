"""HBase's own RPC on real HBase: regions are split, merged and moved in mid-scan and mid-write, and no byte differs."""

from __future__ import annotations

import time
import uuid

import pytest

from hbimg.errors import TableNotFoundError
from hbimg.model import VolumeKey
from hbimg.rowkeys import KeyRange, RowKeyScheme
from hbimg.store import Put, TableSettings, open_store
from hbimg.testing.store_model import contents
from hbimg.testing.volumes import nifti_content, smooth_voxels
from hbimg.volumes import VolumeReader, VolumeTable, write_content

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]

ROWS = [b"%04d" % number for number in range(300)]
CELLS = {row: {b"i:0000": row * 10_000, b"i:0001": row * (int(row) % 5 + 1)} for row in ROWS}
TOTAL = sum(len(cell) for cells in CELLS.values() for cell in cells.values())


@pytest.fixture
def store(cluster):
    with open_store(f"hbase://{cluster.head}?client=rpc") as store:
        balancer = store.admin.set_balancer(on=False)
        yield store
        store.admin.set_balancer(on=balancer)


@pytest.fixture
def table(store):
    name = f"rpc_{uuid.uuid4().hex[:10]}"
    table = store.create_table(name, TableSettings(split_points=(b"0100",)))
    table.put_many(Put(row, cells) for row, cells in CELLS.items())
    yield table
    store.drop_table(name)


def move_all(admin, name):
    """Every region goes to another server."""
    servers = admin.servers()
    for place in admin.regions(name):
        admin.move(place, servers[(servers.index(place.server) + 1) % len(servers)])


TROUBLES = {
    "split": lambda admin, name: admin.split(admin.regions(name)[1], b"0170"),
    "merge": lambda admin, name: admin.merge(admin.regions(name)),
    "move": move_all,
    "alter": lambda admin, name: admin.alter(name, {"MAX_FILESIZE": "20000000000"}),
    "compaction": lambda admin, name: [admin.flush(name), admin.major_compact(name)],
    "all at once": lambda admin, name: [TROUBLES[t](admin, name) for t in ("split", "move", "merge", "move")],
}


def until(rows, key):
    """Take rows up to this one."""
    for row in rows:
        yield row
        if row.key == key:
            return


def copied(row):
    return {column: bytes(cell) for column, cell in row.cells.items()}


@pytest.mark.parametrize("trouble", TROUBLES)
def test_who_reads_or_writes_goes_on_exactly_where_he_was(store, table, trouble):
    """A scan, an array being filled and a writer are all in the middle of the table when it happens."""
    scan, target = table.scan(KeyRange(), ["i"]), memoryview(bytearray(TOTAL))
    seen = [(row.key, copied(row)) for row in until(scan, b"0120")]
    receive = table.receive(KeyRange(), "i", target)
    received = [row.key for row in until(receive, b"0120")]

    def puts():
        for row in ROWS:
            if row == b"0150":
                TROUBLES[trouble](store.admin, table.name)
            yield Put(row, {b"r:0": row * 20_000})

    table.put_many(puts())
    seen += [(row.key, copied(row)) for row in scan]
    received += [row.key for row in receive]
    assert [key for key, _ in seen] == received == ROWS
    assert dict(seen) == CELLS
    assert bytes(target) == b"".join(cell for cells in CELLS.values() for cell in cells.values())
    assert contents(table, families=["r"]) == {row: {b"r:0": row * 20_000} for row in ROWS}
    assert contents(table, families=["i"]) == CELLS
    assert table.check_and_put(b"0150", b"m:c", None, {b"m:c": b"1"})
    move_all(store.admin, table.name)
    assert table.check_and_delete(b"0150", b"m:c", b"1")
    assert table.get(b"0150") == {}


@pytest.mark.parametrize("trouble", ["merge", "all at once"])
def test_without_a_log_all_is_in_files_when_a_volume_is_complete(cluster, store, table, trouble):
    """Whatever HBase does with regions between two halves of the writes; it flushes what it closes."""
    with open_store(f"hbase://{cluster.head}?client=rpc&durability=skip_wal") as bulk:
        unlogged = bulk.table(table.name)
        unlogged.put_many(Put(row, {b"r:0": row * 5_000}) for row in ROWS)
        TROUBLES[trouble](store.admin, table.name)
        unlogged.put_many(Put(row, {b"r:1": row * 5_000}) for row in ROWS)
        assert unlogged.check_and_put(b"0000", b"m:c", None, {b"m:c": b"1"})
        # Nothing but the row that completes it is left in memory; HBase tells that in whole MiB.
        assert sum(load.memory_bytes for load in store.admin.loads(table.name).values()) <= 1 << 20
    assert contents(table, families=["r"]) == {row: {b"r:0": row * 5_000, b"r:1": row * 5_000} for row in ROWS}


def test_volumes_share_a_flush(cluster, store):
    """One file for each region and family, however many volumes; none is seen before."""
    name = f"rpc_{uuid.uuid4().hex[:10]}"
    keys = [VolumeKey("t", f"s{number}", "-", "T1w") for number in range(6)]
    voxels = [smooth_voxels((40, 30, 20), seed=number) for number in range(len(keys))]
    made = [nifti_content(key, array) for key, array in zip(keys, voxels, strict=True)]
    volumes = VolumeTable.create(store, name, splits=(RowKeyScheme().range_of("t", "s3").start,))
    try:
        with open_store(f"hbase://{cluster.head}?client=rpc&durability=skip_wal") as bulk:
            unlogged = VolumeTable.open(bulk, name)
            written = [write_content(unlogged, content) for content in made]
            assert list(volumes.records()) == []
            before = {region: load.files for region, load in store.admin.loads(name).items()}
            assert set(before.values()) == {0}
            records = [one.commit() for one in written]
            after = {region: load.files for region, load in store.admin.loads(name).items()}
        # Family i, m with the claims, and h with what is no pixel.
        assert set(after.values()) == {3}
        assert list(volumes.records()) == records
        for record, array in zip(records, voxels, strict=True):
            assert b"".join(VolumeReader(volumes, record).frames()) == array.tobytes(order="F")
    finally:
        store.drop_table(name)


def test_rows_larger_than_an_answer_come_in_parts(store, table):
    """A row of 12 MB, small rows around it, and a reader that stops long in the middle: scanners end, and go on."""
    large = {b"i:%04d" % number: bytes([number]) * 1_000_000 for number in range(12)}
    table.put(b"0150", large)
    expected = {**CELLS, b"0150": {**CELLS[b"0150"], **large}}
    assert contents(table, families=["i"]) == expected
    assert table.get(b"0150") == expected[b"0150"]
    target = memoryview(bytearray(sum(len(cell) for cells in expected.values() for cell in cells.values())))
    assert [row.key for row in table.receive(KeyRange(), "i", target)] == ROWS
    assert bytes(target) == b"".join(cell for cells in expected.values() for _, cell in sorted(cells.items()))


@pytest.mark.slow
def test_a_reader_may_take_longer_than_a_scanners_lease(table):
    """A minute, by HBase's default."""
    seen = []
    for row in table.scan(KeyRange(), ["i"]):
        seen.append((row.key, {column: bytes(cell) for column, cell in row.cells.items()}))
        if row.key == b"0120":
            time.sleep(75)
    assert dict(seen) == CELLS
    assert len(seen) == len(ROWS)


def test_purge_takes_what_was_deleted_out_of_the_files(cluster, store, table):
    store.admin.flush(table.name)
    table.delete_many(ROWS[:200])
    before = sum(region.size_bytes for region in table.regions())
    table.purge()
    after = sum(region.size_bytes for region in table.regions())
    assert after < 0.5 * before
    assert after > 100 * 40_000
    assert sorted(contents(table, families=["i"])) == ROWS[200:]


def test_a_table_that_was_dropped_is_told(store, table):
    store.admin.disable(table.name)
    store.admin.delete(table.name)
    try:
        for use in (lambda: list(table.scan(KeyRange())), lambda: table.put(b"a", {b"m:q": b"v"}), table.regions):
            with pytest.raises(TableNotFoundError, match=table.name):
                use()
    finally:
        store.create_table(table.name, TableSettings())
