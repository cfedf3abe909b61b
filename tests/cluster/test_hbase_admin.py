"""Tables and regions of real HBase, administered by its own RPC; looked at through other doors where there is one."""

from __future__ import annotations

import uuid

import pytest

from hbimg.errors import StoreError, StoreUnavailableError, TableExistsError, TableNotFoundError
from hbimg.rowkeys import KeyRange
from hbimg.store import Put, TableSettings, open_store
from hbimg.store.rpc.admin import open_admin
from hbimg.store.rpc.schema import TableDescription

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]

FAMILIES = {
    "i": {"VERSIONS": "1", "COMPRESSION": "NONE", "DATA_BLOCK_ENCODING": "NONE"},
    "m": {"VERSIONS": "1", "COMPRESSION": "GZ", "DATA_BLOCK_ENCODING": "FAST_DIFF"},
}


@pytest.fixture
def admin(cluster):
    with open_admin(f"hbase://{cluster.head}") as admin:
        yield admin


@pytest.fixture
def table(admin):
    """A table of two regions."""
    name = f"rpc_{uuid.uuid4().hex[:10]}"
    admin.create(TableDescription(name, FAMILIES, {"hbimg.note": "ä"}), [b"m"])
    yield name
    admin.delete(name)


def test_a_table_is_made_as_asked_and_read_back(cluster, admin, table, thrift):
    found = admin.describe(table)
    assert found.attributes["hbimg.note"] == "ä"
    for family, attributes in FAMILIES.items():
        assert found.families[family].items() >= attributes.items()
    assert table in [other.name for other in admin.tables()]
    regions = thrift(cluster.workers[0]).table(table).regions()
    assert [region["start_key"] for region in regions] == [b"", b"m"]
    assert [place.range for place in admin.regions(table)] == [KeyRange(b"", b"m"), KeyRange(b"m", b"")]
    with pytest.raises(TableExistsError):
        admin.create(TableDescription(table, FAMILIES))


def test_the_block_cache_is_cleared(cluster, admin, table):
    with open_store(f"hbase://{cluster.head}?client=rpc") as store:
        made = store.create_table(f"{table}_cached", TableSettings(split_points=(b"b",)))
        try:
            made.put_many(Put(row, {b"i:0": row * 300_000}) for row in (b"a", b"b", b"c"))
            admin.flush(made.name)
            admin.clear_block_cache(made.name)
            assert admin.clear_block_cache(made.name) == 0
            assert len(list(made.scan(KeyRange()))) == 3
            assert admin.clear_block_cache(made.name) >= 3
            assert [bytes(row.cells[b"i:0"]) for row in made.scan(KeyRange())] == [
                b"a" * 300_000,
                b"b" * 300_000,
                b"c" * 300_000,
            ]
        finally:
            store.drop_table(made.name)


def test_what_hbase_refuses_is_one_line(admin, table):
    region = admin.regions(table)[0]
    nowhere = admin.servers()[0]._replace(start_code=1)
    for use in (
        lambda: admin.create(TableDescription(f"{table}x", {"i": {"COMPRESSION": "LZO"}})),
        lambda: admin.split(region, b"z"),
        lambda: admin.move(region, nowhere),
        lambda: admin.snapshots.delete(f"{table}_none"),
        lambda: admin.enable(table),
    ):
        with pytest.raises(StoreError) as caught:
            use()
        assert "\n" not in str(caught.value)
    for use in (admin.describe, admin.delete, admin.regions, admin.flush, admin.is_enabled):
        with pytest.raises(TableNotFoundError, match=f"{table}x"):
            use(f"{table}x")


def test_a_region_moves_to_every_server(cluster, admin, table, thrift):
    balancer = admin.set_balancer(on=False)
    try:
        region = admin.regions(table)[1]
        assert len(admin.servers()) == len(cluster.workers)
        for server in admin.servers():
            region = admin.move(region, server)
            assert (region.server, region.state) == (server, "OPEN")
            seen = thrift(cluster.workers[0]).table(table).regions()[1]
            assert seen["server_name"].decode() == server.host
    finally:
        admin.set_balancer(on=balancer)


def test_switches_are_set_and_told(admin):
    for told, switch in (
        (admin.balancer_is_on, admin.set_balancer),
        (admin.normalizer_is_on, admin.set_normalizer),
        (admin.splits_are_on, admin.set_splits),
    ):
        before = told()
        assert switch(on=not before) is before
        assert told() is not before
        assert switch(on=before) is not before


def test_flush_compaction_sizes_and_locality(cluster, admin, table, thrift):
    rows = thrift(cluster.workers[0]).table(table)
    for number in range(2):  # of three files in a family HBase itself might make one
        for row in (b"a%d" % number, b"z%d" % number):
            rows.put(row, {b"i:0": bytes(500_000), b"m:0": b"x"})
        admin.flush(table)
    before = admin.loads(table)
    assert {load.files for load in before.values()} == {4}
    steps = []
    admin.major_compact(table, told=lambda done, of: steps.append((done, of)))
    assert steps[-1] == (2, 2)
    # A region that HBase moved for its balance meanwhile tells 0 until it is open again.
    after = admin.loads(table)
    assert set(after) == {place.encoded for place in admin.regions(table)}
    for load in after.values():
        assert (load.stores, load.files, load.memory_bytes) == (2, 2, 0)
        assert 1_000_000 < load.size_bytes < 1_100_000
        assert load.locality == 1.0
        assert load.compacted_at_ms > 0


def test_split_merge_and_alter(admin, table):
    first = admin.regions(table)[0]
    assert [place.range.start for place in admin.split(first, b"d")] == [b"", b"d", b"m"]
    assert [place.range.start for place in admin.merge(admin.regions(table)[1:])] == [b"", b"d"]
    admin.alter(table, {"SPLIT_ENABLED": "false", "hbimg.note": None})
    assert "hbimg.note" not in admin.describe(table).attributes
    with pytest.raises(StoreError, match="SPLIT_ENABLED"):
        admin.split(admin.regions(table)[0], b"b")


def test_a_split_keeps_to_the_tables_restriction(admin, table):
    prefix = "hbase.regionserver.region.split_restriction"
    admin.alter(table, {f"{prefix}.type": "DelimitedKeyPrefix", f"{prefix}.delimiter": "!"})
    starts = [place.range.start for place in admin.split(admin.regions(table)[0], b"1,s2!x,000050")]
    assert starts == [b"", b"1,s2", b"m"]


def test_snapshots(cluster, admin, table, thrift):
    connection = thrift(cluster.workers[0])
    connection.table(table).put(b"row", {b"i:0": b"kept"})
    name = f"{table}_snap"
    admin.snapshots.take(table, name)
    try:
        assert admin.snapshots.all()[name] == table
        connection.table(table).put(b"row", {b"i:0": b"later"})
        admin.snapshots.clone(name, f"{table}_clone")
        assert connection.table(f"{table}_clone").row(b"row") == {b"i:0": b"kept"}
        admin.delete(f"{table}_clone")
    finally:
        admin.snapshots.delete(name)
    assert name not in admin.snapshots.all()


def test_a_disabled_table(admin, table):
    admin.disable(table)
    assert not admin.is_enabled(table)
    assert {place.state for place in admin.regions(table)} == {"CLOSED"}
    admin.enable(table)
    assert {admin.assign(place).state for place in admin.regions(table)} == {"OPEN"}


def test_any_server_can_be_asked_and_no_other_service(cluster):
    with open_admin(f"hbase://{cluster.workers[1]}") as admin:
        assert admin.version().startswith("2.")
        assert len(admin.servers()) == len(cluster.workers)
    with pytest.raises(StoreUnavailableError, match="nothing listens there"):
        open_admin("hbase://127.0.0.1")
