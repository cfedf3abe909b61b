"""HBase's own RPC on real HBase: regions are split, merged and moved in mid-scan and mid-write, and no byte differs."""

from __future__ import annotations

import time
import uuid

import pytest

from hbimg.errors import StoreError, TableNotFoundError
from hbimg.rowkeys import KeyRange
from hbimg.store import Put, TableSettings, open_store
from hbimg.testing.store_model import contents

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


def test_without_a_log_a_volume_is_durable_or_refused(cluster, store, table):
    """Flushed when its last row says that it is complete; refused if a region was opened anew on the way."""
    with open_store(f"hbase://{cluster.head}?client=rpc&durability=skip_wal") as bulk:
        unlogged = bulk.table(table.name)
        unlogged.put_many(Put(row, {b"r:0": row * 5_000}) for row in ROWS)
        before = {name: load.files for name, load in store.admin.loads(table.name).items()}
        assert unlogged.check_and_put(b"0000", b"m:c", None, {b"m:c": b"1"})
        after = {name: load.files for name, load in store.admin.loads(table.name).items()}
        assert all(after[name] > before[name] for name in before)
        unlogged.put_many(Put(row, {b"r:0": row * 6_000}) for row in ROWS)
        move_all(store.admin, table.name)
        with pytest.raises(StoreError, match="opened anew"):
            unlogged.check_and_put(b"0001", b"m:c", None, {b"m:c": b"1"})
    assert table.get(b"0001").get(b"m:c") is None


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
