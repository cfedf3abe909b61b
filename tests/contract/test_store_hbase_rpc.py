"""The store on HBase's own RPC keeps the contract, and goes on exactly where it was whatever happens to the servers."""

from __future__ import annotations

import gc
import threading
import time

import pytest

from hbimg.errors import (
    CellTooLargeError,
    StoreBusyError,
    StoreError,
    StorePermissionError,
    StoreUnavailableError,
    TableExistsError,
    TableFormatError,
    TableNotFoundError,
)
from hbimg.rowkeys import KeyRange
from hbimg.store import Put, TableSettings, open_store
from hbimg.store.rpc import hbase_pb2 as pb
from hbimg.testing.store_contract import StoreContract
from hbimg.testing.store_hooks import StoreHooks
from hbimg.testing.store_scans import ScanContract
from tests.contract.fake_rpc import HangUp, Thrown, fake_cluster

ROWS = [b"%04d" % number for number in range(200)]
ANSWER_BYTES = 3000


def url_of(cluster, **options):
    ports = ",".join(str(server.port) for server in cluster.servers)
    more = "".join(f"&{name}={value}" for name, value in options.items())
    return f"hbase://127.0.0.1?client=rpc&rpc_ports={ports}{more}"


def value_of(row):
    return row * (int(row) % 7 * 100 + 1)


@pytest.fixture
def hbase():
    with fake_cluster() as cluster:
        yield cluster


@pytest.fixture
def store(hbase):
    with open_store(url_of(hbase, wait_s=5, timeout_s=1)) as store:
        yield store


@pytest.fixture
def table(hbase, store):
    """A table of three regions on two servers, answered in pieces of some rows."""
    table = store.create_table("t", TableSettings(split_points=(b"0050", b"0120")))
    table.put_many(Put(row, {b"i:0000": value_of(row), b"i:0001": row, b"m:q": row}) for row in ROWS)
    hbase.answer_bytes = ANSWER_BYTES
    return table


class OnTheWire(StoreHooks):
    """How the fake servers' store is opened, and looked at from underneath."""

    @pytest.fixture(autouse=True)
    def _fake(self, hbase):
        self.hbase = hbase

    def make_store(self):
        return open_store(url_of(self.hbase))

    def raw_get(self, table_name, row, column):
        family, _, qualifier = column.partition(b":")
        return self.hbase.tables[table_name].rows.get(row, {}).get((family, qualifier))

    def raw_put(self, table_name, row, column, value):
        family, _, qualifier = column.partition(b":")
        self.hbase.tables[table_name].rows.setdefault(row, {})[family, qualifier] = value


class TestRpcStoreOnTheWire(OnTheWire, StoreContract):
    """The whole contract."""


class TestRpcScansInSmallPieces(OnTheWire, ScanContract):
    """Scans with answers of a cell or two, so that most rows come in parts."""

    @pytest.fixture(autouse=True)
    def _fake(self, hbase):
        self.hbase = hbase
        hbase.answer_bytes = 10


def scanned(table, at, trouble):
    """All rows with their cells, with a trouble made when row `at` was given."""
    found = {}
    for row in table.scan(KeyRange(), ["i"]):
        assert row.key not in found, "given twice"
        found[row.key] = {column: bytes(cell) for column, cell in row.cells.items()}
        if row.key == at:
            trouble()
    return found


def received(table, at, trouble):
    """The same, received into an array."""
    target = memoryview(bytearray(sum(len(value_of(row)) + len(row) for row in ROWS)))
    keys = []
    for row in table.receive(KeyRange(), "i", target):
        keys.append(row.key)
        if row.key == at:
            trouble()
    assert keys == ROWS
    found, position = {}, 0
    for row in ROWS:
        middle, end = position + len(value_of(row)), position + len(value_of(row)) + len(row)
        found[row] = {b"i:0000": bytes(target[position:middle]), b"i:0001": bytes(target[middle:end])}
        position = end
    return found


EXPECTED = {row: {b"i:0000": value_of(row), b"i:0001": row} for row in ROWS}


def kill_and_move(hbase):
    """A server dies; its regions are opened on another one."""
    dead = hbase.servers[1]
    hbase.servers.remove(dead)
    dead.kill()
    for table in hbase.tables.values():
        for region in table.regions:
            if region.server is dead:
                region.server = hbase.servers[0]


def restart(hbase):
    """A server is started again: scanners are lost, connections too."""
    for server in hbase.servers:
        server.scanners.clear()
        for connection in server._open:
            connection.close()


def hang(hbase):
    """A server does not answer any more; after a while its regions are elsewhere."""
    sick = hbase.servers[1]
    hbase.servers.remove(sick)

    def before(server, method, request):
        if server is sick:
            time.sleep(2)
            raise HangUp

    hbase.before = before
    for region in hbase.tables["t"].regions:
        region.server = hbase.servers[0]


TROUBLES = {
    "split": lambda hbase: hbase.split("t", b"0070"),
    "split before": lambda hbase: hbase.split("t", b"0053"),
    "merge": lambda hbase: hbase.merge("t"),
    "split and merge": lambda hbase: [hbase.split("t", b"0070"), hbase.merge("t")],
    "move": lambda hbase: hbase.move("t", b"0060"),
    "lease": lambda hbase: [server.scanners.clear() for server in hbase.servers],
    "killed server": kill_and_move,
    "restarted servers": restart,
    "hanging server": hang,
    "heartbeats": lambda hbase: setattr(hbase, "heartbeats", 5),
}


@pytest.mark.parametrize("read", [scanned, received])
@pytest.mark.parametrize("trouble", TROUBLES)
@pytest.mark.parametrize("answer_bytes", [50, ANSWER_BYTES])
def test_a_scan_goes_on_exactly_where_it_was(hbase, table, trouble, read, answer_bytes):
    hbase.answer_bytes = answer_bytes
    assert read(table, b"0055", lambda: TROUBLES[trouble](hbase)) == EXPECTED


@pytest.mark.parametrize("read", [scanned, received])
@pytest.mark.parametrize("kept", [0, 2, 10, 60, 100, 1500])
def test_an_answer_that_is_cut_is_read_again(hbase, table, kept, read):
    """The server dies in the middle of a length, a header, a key, a value."""
    left = [3]

    def cut(method, frame):
        if method != "Scan" or len(frame) < 2000 or not left[0]:
            return frame
        left[0] -= 1
        return frame[:kept]

    hbase.garble = cut
    assert read(table, b"none", lambda: None) == EXPECTED
    assert left == [0]


def test_a_row_that_comes_again_is_not_given_twice(hbase, table):
    """A server that answers with rows from before is not believed."""
    hbase.answer_bytes = 1 << 20
    scan = table.scan(KeyRange(b"0010"))
    next(scan)
    for server in hbase.servers:
        for scanner in server.scanners.values():
            scanner.left.insert(0, (b"0001", [((b"i", b"0"), b"x")]))
    assert [row.key for row in scan] == ROWS[11:]


def test_the_first_row_alone_does_not_make_the_server_gather_more(hbase, table):
    hbase.calls.clear()
    scan = table.scan(KeyRange(b"0003"))
    assert next(scan).key == b"0003"
    time.sleep(0.05)
    assert hbase.calls.count("Scan") == 1


def test_servers_that_are_gone_for_good_end_a_scan_with_one_line(hbase):
    table = open_store(url_of(hbase, wait_s=0.5)).create_table("t", TableSettings())
    table.put(b"row", {b"m:q": b"v"})
    for server in hbase.servers:
        server.kill()
    with pytest.raises(StoreUnavailableError, match="nothing listens there") as caught:
        list(table.scan(KeyRange()))
    assert "\n" not in str(caught.value)


# -- writes ----------------------------------------------------------------------------------------------------------


def contents(table):
    return {row.key: {column: bytes(cell) for column, cell in row.cells.items()} for row in table.scan(KeyRange())}


def once(hbase, method, trouble, at=1):
    """Make a trouble before a call of a method, the at-th."""
    seen = [0]

    def before(server, name, request):
        if name == method:
            seen[0] += 1
            if seen[0] == at:
                trouble()

    hbase.before = before


WRITE_TROUBLES = {
    name: TROUBLES[name] for name in ("split", "merge", "split and merge", "move", "killed server", "restarted servers")
}


@pytest.mark.parametrize("trouble", WRITE_TROUBLES)
def test_a_write_goes_on(hbase, table, monkeypatch, trouble):
    monkeypatch.setattr("hbimg.store.hbase_batches.BATCH_BYTES", 5000)
    once(hbase, "Multi", lambda: WRITE_TROUBLES[trouble](hbase), at=4)
    table.put_many(Put(row, {b"i:0000": value_of(row) + b"new"}) for row in ROWS)
    assert {row: cells[b"i:0000"] for row, cells in contents(table).items()} == {
        row: value_of(row) + b"new" for row in ROWS
    }


@pytest.mark.parametrize("method", ["Multi", "Mutate", "Scan", "GetTableDescriptors"])
def test_an_answer_that_was_lost_is_asked_for_again(hbase, table, method):
    left = [1]

    def lose(server, name, request):
        if name == method and left[0]:
            left[0] -= 1
            raise HangUp

    hbase.after = lose
    table.put(b"0000", {b"m:new": b"v"})
    assert table.check_and_put(b"0000", b"m:new", b"v", {b"m:new": b"w"})
    assert table.get(b"0000")[b"m:new"] == b"w"
    table.delete_many([b"0001"])
    assert table.get(b"0001") == {}
    assert table.check_and_delete(b"0002", b"m:q", b"0002")
    assert sorted(contents(table)) == [b"0000", *ROWS[3:]]


@pytest.mark.parametrize(
    "name",
    ["RegionTooBusyException", "CallQueueTooBigException", "java.io.IOException", "exceptions.RegionOpeningException"],
)
def test_rows_that_are_refused_for_now_are_sent_again(hbase, table, name):
    """Some rows of a call are refused, some are written: only those that were refused are sent again."""
    refused, sent = set(ROWS[::7]), []

    def before(server, what, row):
        if what == "row":
            sent.append(row)
            if row in refused:
                refused.discard(row)
                raise Thrown(name, "not now")

    hbase.before = before
    table.put_many(Put(row, {b"m:q": b"new"}) for row in ROWS)
    assert {cells[b"m:q"] for cells in contents(table).values()} == {b"new"}
    assert len(sent) == len(ROWS) + len(ROWS[::7])


def test_a_server_that_stays_busy_is_told(hbase):
    def before(server, method, request):
        if method == "Multi":
            raise Thrown("CallQueueTooBigException", "Call queue is full", final=False)

    with open_store(url_of(hbase, wait_s=0.5)) as store:
        table = store.create_table("t", TableSettings())
        hbase.before = before
        with pytest.raises(StoreBusyError, match="--workers"):
            table.put(b"row", {b"m:q": b"v"})


@pytest.mark.parametrize(
    ("name", "text", "kind"),
    [
        ("DoNotRetryIOException", "Cell[row/m:q/...] with size 2000 exceeds limit of 1000 bytes", CellTooLargeError),
        ("security.AccessDeniedException", "Insufficient permissions", StorePermissionError),
        ("regionserver.NoSuchColumnFamilyException", "Column family i does not exist", StoreError),
    ],
)
def test_what_is_refused_for_good_is_told_at_once(hbase, table, name, text, kind):
    def before(server, method, request):
        if method in ("row", "Mutate"):
            raise Thrown(name, text, final=True)

    hbase.before = before
    began = time.monotonic()
    for write in (
        lambda: table.put(b"row", {b"m:q": b"v"}),
        lambda: table.check_and_put(b"row", b"m:q", None, {b"m:q": b"v"}),
    ):
        with pytest.raises(kind) as caught:
            write()
        assert "\n" not in str(caught.value)
        assert "org.apache.Foo" not in str(caught.value)
    assert time.monotonic() - began < 4, "it was tried again"


def test_later_batches_wait_for_earlier_ones_of_the_same_row(hbase, table, monkeypatch):
    """Batches are under way at once, but a row's later value must not be overtaken by its earlier one."""
    monkeypatch.setattr("hbimg.store.hbase_batches.BATCH_BYTES", 1000)
    slow = [True]

    def before(server, method, request):
        if method == "Multi" and slow[0]:
            slow[0] = False
            time.sleep(0.2)

    hbase.before = before
    table.put_many(Put(b"row%d" % (number % 2), {b"i:0": b"%d" % number * 900}) for number in range(10))
    assert table.get(b"row0") == {b"i:0": b"8" * 900}
    assert table.get(b"row1") == {b"i:0": b"9" * 900}


# -- tables ----------------------------------------------------------------------------------------------------------


def test_block_caches_are_cleared_on_all_servers(hbase, store, table):
    assert store.admin.clear_block_cache("t") == 15
    assert hbase.calls.count("ClearRegionBlockCache") == 3


def test_two_make_one_table(hbase, store):
    store.create_table("t", TableSettings())
    with open_store(url_of(hbase)) as other, pytest.raises(TableExistsError):
        other.create_table("t", TableSettings())


def test_tables_of_others_are_neither_listed_nor_opened_nor_dropped(hbase, store, table):
    del hbase.tables["t"].schema.attributes[:]
    assert store.tables() == []
    for use in (store.table, store.drop_table):
        with pytest.raises(TableFormatError, match="not hbimg's"):
            use("t")
    with pytest.raises(TableExistsError):
        store.create_table("t", TableSettings())


def test_a_table_that_went_away_is_told(hbase, table):
    del hbase.tables["t"]
    for use in (lambda: list(table.scan(KeyRange())), lambda: table.put(b"a", {b"m:q": b"v"}), table.regions):
        with pytest.raises(TableNotFoundError, match="'t'"):
            use()


def test_master_and_meta_may_be_elsewhere_later(hbase, store, table):
    """The server with both dies: another one is found, by those that were learnt from it too."""
    dead = hbase.servers.pop(0)
    for region in hbase.tables["t"].regions:
        region.server = hbase.servers[0]
    dead.kill()
    assert sorted(contents(table)) == ROWS
    assert store.create_table("later", TableSettings()).get(b"row") == {}
    assert store.tables() == ["later", "t"]


def test_a_cluster_that_cannot_be_opened_leaves_no_connection(hbase):
    def starting(server, method, request):
        if method == "GetMetaRegionLocations":
            raise Thrown("ipc.ServerNotRunningYetException", "Server is not running yet")

    hbase.before = starting
    with pytest.raises(StoreUnavailableError, match="not running yet"):
        open_store(url_of(hbase, wait_s=0.1))
    opened = [connection for server in hbase.servers for connection in server._open]
    assert opened
    deadline = time.monotonic() + 5
    while any(connection.fileno() != -1 for connection in opened):  # a server closes its end when ours is closed
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_any_node_of_the_url_will_do(hbase, store, table):
    port = hbase.servers[1].port
    with open_store(f"hbase://127.0.0.1?client=rpc&rpc_ports=1,{port}&wait_s=5") as other:
        assert sorted(contents(other.table("t"))) == ROWS


def test_namespaces(hbase, store):
    with open_store(url_of(hbase, namespace="lab")) as lab:
        lab.create_table("t", TableSettings()).put(b"row", {b"m:q": b"v"})
        assert lab.tables() == ["t"]
        assert store.tables() == ["lab:t"]
        assert store.table("lab:t").get(b"row") == {b"m:q": b"v"}


def test_many_threads_use_one_table(hbase, table):
    faults = []

    def work(number):
        try:
            for _ in range(5):
                table.put(b"thread%d" % number, {b"m:q": b"%d" % number * 500})
                assert [row.key for row in table.scan(KeyRange(b"0", b"1"))] == ROWS
                assert table.get(b"thread%d" % number) == {b"m:q": b"%d" % number * 500}
        except Exception as error:  # noqa: BLE001 - told below
            faults.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not faults


def test_nothing_is_left_open(hbase, store, table):
    """Scanners and connections: a scan that is left, one that ends, one that fails."""
    next(table.scan(KeyRange()))
    assert len(list(table.scan(KeyRange()))) == len(ROWS)
    time.sleep(0.1)
    assert sum(len(server.scanners) for server in hbase.servers) == 0


# -- which way -------------------------------------------------------------------------------------------------


def test_the_stores_way_is_told(hbase, store):
    assert store.through == "HBase's own RPC"


def test_where_no_region_server_is_reached_thrift_is_asked(hbase, monkeypatch):
    """Its refusal names both ways."""
    for server in hbase.servers:
        server.kill()
    monkeypatch.setattr("hbimg.store.hbase_address.PORT", 1)
    url = url_of(hbase, wait_s="0.2").replace("client=rpc&", "")
    with pytest.raises(StoreUnavailableError, match=r"nothing listens there.*nor by HBase's own RPC.*nothing listens"):
        open_store(url)


# -- bulk mode -------------------------------------------------------------------------------------------------------


@pytest.fixture
def unlogged(hbase, table):
    with open_store(url_of(hbase, wait_s=5, timeout_s=1, durability="skip_wal")) as store:
        yield store.table("t")


def test_without_a_log_a_volume_is_complete_when_its_regions_are_flushed(hbase, unlogged):
    mutations = []

    def before(server, method, request):
        if method == "Multi":
            mutations.extend(one.mutation for action in request.regionAction for one in action.action)

    hbase.before = before
    unlogged.put_many(Put(row, {b"i:0000": b"new"}) for row in ROWS)
    assert {mutation.durability for mutation in mutations} == {pb.MutationProto.SKIP_WAL}
    hbase.calls.clear()
    assert unlogged.check_and_put(b"0000", b"m:done", None, {b"m:done": b"1"})
    assert hbase.calls.count("FlushRegion") == 3
    assert hbase.calls.index("Mutate") > hbase.calls.index("FlushRegion")
    hbase.calls.clear()
    assert unlogged.check_and_put(b"0001", b"m:done", None, {b"m:done": b"1"})
    assert "FlushRegion" not in hbase.calls, "nothing was written since"


@pytest.mark.parametrize("trouble", ["split", "merge", "split and merge", "move"])
def test_without_a_log_regions_may_be_split_and_moved(hbase, unlogged, trouble):
    """HBase flushes a region before it gives it up; what was written to where it is now is flushed there."""
    unlogged.put_many(Put(row, {b"i:0000": b"new"}) for row in ROWS)
    TROUBLES[trouble](hbase)
    unlogged.put_many(Put(row, {b"i:0001": b"newer"}) for row in ROWS)
    flushed = []
    hbase.before = lambda server, method, request: (
        flushed.append(request.region.value) if method[:5] == "Flush" else None
    )
    assert unlogged.check_and_put(b"0000", b"m:done", None, {b"m:done": b"1"})
    assert set(flushed) >= {region.name("t") for region in hbase.tables["t"].regions}


@pytest.mark.parametrize("trouble", ["split", "merge", "split and merge", "move"])
def test_without_a_log_a_region_that_is_split_at_its_flush_is_flushed_as_what_it_became(hbase, unlogged, trouble):
    unlogged.put_many(Put(row, {b"i:0000": b"new"}) for row in ROWS)
    flushed = []

    def after(server, method, request):
        if method == "FlushRegion":
            flushed.append(request.region.value)

    once(hbase, "FlushRegion", lambda: TROUBLES[trouble](hbase))
    hbase.after = after
    began = time.monotonic()
    assert unlogged.check_and_put(b"0000", b"m:done", None, {b"m:done": b"1"})
    assert time.monotonic() - began < 4
    assert set(flushed) >= {region.name("t") for region in hbase.tables["t"].regions}


def start_again(hbase):
    """A server's process ends, and another one listens at its place."""
    hbase.servers[1].start_code = next(hbase.numbers)


@pytest.mark.parametrize("trouble", [kill_and_move, start_again])
def test_without_a_log_a_server_that_ended_is_told(hbase, unlogged, trouble):
    unlogged.put_many(Put(row, {b"i:0000": b"new"}) for row in ROWS)
    trouble(hbase)
    for _ in range(2):
        with pytest.raises(StoreError, match=r"ended while.*run the same command again"):
            unlogged.check_and_put(b"0000", b"m:done", None, {b"m:done": b"1"})
    with pytest.raises(StoreError, match="ended while"):
        unlogged.put(b"0000", {b"i:0000": b"newer"})
    assert b"m:done" not in unlogged.get(b"0000")
    assert unlogged.check_and_put(b"0000", b"m:claim", None, {b"m:claim": b"1"}, alone=True)


def test_a_store_that_cannot_be_opened_leaves_no_connection_open(hbase):
    """The master answers, and no server has hbase:meta yet."""

    def before(server, method, request):
        if method == "GetMetaRegionLocations":
            raise Thrown("ServerNotRunningYetException", "starting")

    hbase.before = before
    for _ in range(3):
        with pytest.raises(StoreUnavailableError):
            open_store(url_of(hbase, wait_s=1))
    gc.collect()  # an unclosed socket is a warning, and so an error
    hbase.before = lambda *_: None
    with open_store(url_of(hbase)) as store:
        assert store.tables() == []
