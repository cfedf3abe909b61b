"""The HBase store keeps the contract on real HBase; looked at from underneath through happybase and Thrift 1."""

from __future__ import annotations

import json
import re
import socket
import time
import uuid

import pytest

from hbimg.errors import (
    CellTooLargeError,
    StoreError,
    StoreUnavailableError,
    TableExistsError,
    TableFormatError,
    TableNotFoundError,
)
from hbimg.rowkeys import KeyRange
from hbimg.store import Put, TableSettings, open_store
from hbimg.store.contract import Family
from hbimg.testing.store_contract import StoreContract
from hbimg.volumes import VolumeTable

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def emptied(cluster):
    """A table that tests share: HBase makes and drops one in some seconds, and empties it in milliseconds."""
    name = f"contract_{uuid.uuid4().hex[:12]}"
    with open_store(f"hbase://{cluster.head}") as store:
        store.create_table(name, TableSettings())
    yield name
    with open_store(f"hbase://{cluster.head}") as store:
        store.drop_table(name)


class TestHBaseStore(StoreContract):
    @pytest.fixture(autouse=True)
    def _cluster(self, cluster, thrift, emptied):
        self.cluster = cluster
        self.thrift = thrift
        self.shared_table = emptied

    def make_store(self):
        return open_store(f"hbase://{self.cluster.head}?client=thrift")

    @property
    def raw(self):
        if not hasattr(self, "connection"):
            self.connection = self.thrift(self.cluster.workers[0])
        return self.connection

    def raw_get(self, table_name, row, column):
        return self.raw.table(table_name).row(row, columns=[column]).get(column)

    def raw_put(self, table_name, row, column, value):
        self.raw.table(table_name).put(row, {column: value})


class TestHBaseStoreByItsOwnRpc(TestHBaseStore):
    def make_store(self):
        store = open_store(f"hbase://{self.cluster.head}")
        assert store.through == "HBase's own RPC"
        return store


@pytest.fixture
def store(cluster):
    with open_store(f"hbase://{cluster.head}?client=thrift") as store:
        yield store


def test_every_servers_own_thrift_server_serves_every_row(cluster, store, table_name):
    """A table with a region for each worker is filled over one Thrift server and read over all of them."""
    points = tuple(b"%d" % number for number in range(1, len(cluster.workers)))
    table = store.create_table(table_name, TableSettings(split_points=points))
    rows = [b"%d-%02d" % (number, n) for number in range(len(cluster.workers)) for n in range(20)]
    table.put_many(Put(row, {b"i:0": row * 20_000, b"m:q": row}) for row in rows)
    assert {region.server.partition(".")[0] for region in table.regions()} <= set(cluster.workers)
    for worker in cluster.workers:
        with open_store(f"hbase://{worker}?own_host=no&client=thrift") as other:
            found = other.table(table_name)
            assert [row.key for row in found.scan(KeyRange(), ["m"])] == rows
            assert {row.key: bytes(row.cells[b"i:0"]) for row in found.scan(KeyRange(), ["i"])} == {
                row: row * 20_000 for row in rows
            }


def test_families_and_attributes_are_as_hbase_itself_says(cluster, store, table_name, thrift):
    attributes = {
        "hbase.regionserver.region.split_restriction.type": "DelimitedKeyPrefix",
        "hbase.regionserver.region.split_restriction.delimiter": "!",
    }
    store.create_table(table_name, TableSettings(attributes=attributes))
    families = thrift(cluster.workers[0]).table(table_name).families()
    assert families[b"m"]["compression"].upper() == b"GZ"
    assert families[b"i"]["compression"].upper() == b"NONE"
    assert {family["max_versions"] for family in families.values()} == {1}
    folder = f"/hbase/data/default/{table_name}/.tabledesc"
    (entry,) = json.loads(cluster.webhdfs(folder, "LISTSTATUS"))["FileStatuses"]["FileStatus"]
    description = cluster.webhdfs(f"{folder}/{entry['pathSuffix']}", "OPEN").decode(errors="replace")
    for text in (*attributes, "DelimitedKeyPrefix", "FAST_DIFF"):
        assert text in description


def test_an_unknown_compression_of_the_server_is_one_line_and_leaves_no_table(store, table_name):
    with pytest.raises(StoreError) as caught:
        store.create_table(table_name, TableSettings((Family("m", compression="lzo"),)))
    assert "\n" not in str(caught.value)
    assert table_name not in store.tables()


def test_two_make_one_table(cluster, store, table_name):
    store.create_table(table_name, TableSettings())
    with (
        open_store(f"hbase://{cluster.workers[0]}?client=thrift") as other,
        pytest.raises(TableExistsError, match=table_name),
    ):
        other.create_table(table_name, TableSettings())


def test_an_absent_namespace_is_told(cluster, table_name):
    lab = open_store(f"hbase://{cluster.head}?namespace=nowhere")
    with lab, pytest.raises(TableNotFoundError, match="create_namespace"):
        lab.create_table(table_name, TableSettings())


def test_tables_of_others_are_left_alone(cluster, store, table_name, thrift):
    thrift(cluster.workers[0]).create_table(table_name, {"i": {}})
    assert table_name not in store.tables()
    for use in (store.table, store.drop_table, lambda name: VolumeTable.open(store, name)):
        with pytest.raises(TableFormatError, match="not hbimg's"):
            use(table_name)
    with pytest.raises(TableExistsError):
        store.create_table(table_name, TableSettings())
    assert table_name.encode() in thrift(cluster.workers[0]).tables()


def test_an_older_scheme_is_told(store, table_name):
    VolumeTable.create(store, table_name)
    table = store.table(table_name)
    (row,) = [row for row in table.scan(KeyRange(), ["m"]) if b"m:table" in row.cells]
    from hbimg.store.cells import seal_all, unseal

    older = bytes(unseal(row.key, b"m:table", row.cells[b"m:table"])).replace(b'"version": 1', b'"version": 0')
    table.put(row.key, seal_all(row.key, {b"m:table": older}))
    with pytest.raises(TableFormatError, match="reads"):
        VolumeTable.open(store, table_name)


def test_a_server_with_a_smaller_limit_on_cells_is_named(store, table_name):
    table = store.create_table(table_name, TableSettings(attributes={"hbase.server.keyvalue.maxsize": "100000"}))
    table.put(b"fits", {b"i:0": bytes(90_000)})
    with pytest.raises(CellTooLargeError, match=r"hbase\.server\.keyvalue\.maxsize"):
        table.put(b"too large", {b"i:0": bytes(110_000)})
    with pytest.raises(CellTooLargeError, match=r"hbase\.server\.keyvalue\.maxsize"):
        table.check_and_put(b"too large", b"m:c", None, {b"m:c": b"1", b"i:0": bytes(110_000)})
    assert [row.key for row in table.scan(KeyRange())] == [b"fits"]


@pytest.mark.parametrize("port", [16020, 9870, 2181], ids=["RegionServer", "NameNode's web page", "ZooKeeper"])
def test_another_services_port_is_told(cluster, port):
    host = cluster.workers[0] if port == 16020 else cluster.head
    with pytest.raises(StoreUnavailableError, match="does not speak HBase's Thrift 2"):
        open_store(f"hbase://{host}:{port}?timeout_s=5&client=thrift")


def test_thrift_1_is_told_from_thrift_2(cluster):
    with pytest.raises(StoreError, match="Thrift 1 server"):
        open_store(f"hbase://{cluster.workers[0]}:9190?own_host=no&client=thrift")


def test_no_thrift_server_and_no_host(cluster):
    with pytest.raises(StoreUnavailableError, match="nothing listens there"):
        open_store(f"hbase://{cluster.head}:9999?client=thrift")
    with pytest.raises(StoreUnavailableError, match="no host"):
        open_store("hbase://nowhere.invalid?client=thrift")


def test_idle_connections_are_replaced_when_the_server_dropped_them(store, table_name, own_server, conf_with):
    """HBase's Thrift servers drop a connection after a minute without a word; this one after two seconds."""
    store.create_table(table_name, TableSettings())
    own_server(9790, conf=conf_with({"hbase.thrift.server.socket.read.timeout": "2000"}))
    with open_store("hbase://localhost:9790?own_host=no&client=thrift") as brief:
        table = brief.table(table_name)
        table.put(b"row", {b"m:q": b"v"})
        scan = table.scan(KeyRange())
        time.sleep(4)
        assert next(scan).key == b"row"
        time.sleep(4)
        table.put(b"row2", {b"m:q": b"v"})
        assert set(table.get(b"row2")) == {b"m:q"}


def test_a_scan_goes_on_when_its_thrift_server_is_killed(cluster, store, table_name, own_server):
    table = store.create_table(table_name, TableSettings())
    rows = [b"%04d" % number for number in range(300)]
    table.put_many(Put(row, {b"i:0": row * 32_000}) for row in rows)
    server = own_server(9390)
    with open_store(f"hbase://localhost:9390,{cluster.head}:9090?own_host=no&client=thrift") as fragile:
        seen = []
        for row in fragile.table(table_name).scan(KeyRange()):
            seen.append(row.key)
            assert bytes(row.cells[b"i:0"]) == row.key * 32_000
            if len(seen) == 100:
                server.kill()
        assert seen == rows
        assert fragile.table(table_name).check_and_put(b"0000", b"m:c", None, {b"m:c": b"1"})


@pytest.mark.parametrize(
    ("options", "packing"),
    [(("-f", "-hsha"), ("framed", "binary")), (("-c",), ("buffered", "compact"))],
    ids=["framed", "compact"],
)
def test_servers_with_other_packings_are_found(store, table_name, own_server, options, packing):
    store.create_table(table_name, TableSettings())
    own_server(9490, *options)
    with open_store("hbase://localhost:9490?own_host=no&client=thrift") as packed:
        table = packed.table(table_name)
        table.put_many(Put(b"%03d" % n, {b"i:0": bytes(10_000)}) for n in range(100))
        assert len(list(table.scan(KeyRange()))) == 100
    options = f"transport={packing[0]}&protocol={packing[1]}"
    with open_store(f"hbase://localhost:9490?own_host=no&{options}&client=thrift") as packed:
        assert table_name in packed.tables()


def test_the_own_hosts_thrift_server_is_used_first(cluster, store, table_name, own_server):
    """Beside the head at the same port; it is told apart from one of another cluster by HBase's cluster id."""
    store.create_table(table_name, TableSettings())
    own_server(9090)
    with open_store(f"hbase://{cluster.head}?client=thrift") as near:
        near.table(table_name).put(b"row", {b"m:q": b"v"})
        assert re.match(socket.gethostname(), near._servers.servers[0].host)
        assert store.table(table_name).get(b"row") == {b"m:q": b"v"}
