"""The HBase store keeps the contract on the wire, and takes trouble there: servers that die, hang up, are none."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import contextmanager

import pytest
from fake_hbase import FakeHBase, FakeServer, serving

from hbimg.errors import (
    CellTooLargeError,
    HbimgError,
    StoreError,
    StorePermissionError,
    StoreUnavailableError,
    TableExistsError,
    TableFormatError,
    TableNotFoundError,
)
from hbimg.rowkeys import KeyRange
from hbimg.store import Put, TableSettings, open_store
from hbimg.store.thrift import api
from hbimg.testing.store_contract import StoreContract


def url_of(*servers, **options):
    options = {"own_host": "no", "wait_s": 5, **options}
    hosts = ",".join(f"127.0.0.1:{server.port}" for server in servers)
    return f"hbase://{hosts}?" + "&".join(f"{name}={value}" for name, value in options.items())


@pytest.fixture
def hbase():
    return FakeHBase()


@pytest.fixture
def server(hbase):
    with serving(hbase) as server:
        yield server


@pytest.fixture
def table(server):
    with open_store(url_of(server)) as store:
        yield store.create_table("t", TableSettings())


class TestHBaseStoreOnTheWire(StoreContract):
    @pytest.fixture(autouse=True)
    def _fake(self, hbase, server):
        self.hbase, self.server = hbase, server

    def make_store(self):
        return open_store(url_of(self.server))

    def raw_get(self, table_name, row, column):
        return self.hbase.tables[table_name.encode()][2].get(row, {}).get(tuple(column.split(b":", 1)))

    def raw_put(self, table_name, row, column, value):
        self.hbase.tables[table_name.encode()][2].setdefault(row, {})[tuple(column.split(b":", 1))] = value


@pytest.mark.parametrize("transport", ["buffered", "framed"])
@pytest.mark.parametrize("protocol", ["binary", "compact"])
def test_every_packing_is_found(hbase, transport, protocol):
    with serving(hbase, transport=transport, protocol=protocol) as server:
        with open_store(url_of(server)) as store:
            table = store.create_table("t", TableSettings())
            table.put(b"row", {b"i:0": bytes(range(256)) * 300})
            assert table.get(b"row") == {b"i:0": bytes(range(256)) * 300}
        with open_store(url_of(server, transport=transport, protocol=protocol)) as store:
            assert store.tables() == ["t"]


def test_a_packing_that_was_chosen_wrongly_is_named(server):
    with pytest.raises(StoreUnavailableError, match="framed/compact"):
        open_store(url_of(server, transport="framed", protocol="compact", timeout_s=0.3))


def test_a_scan_goes_on_after_its_server_died(hbase, server, table):
    rows = {b"%03d" % number: {b"i:0": b"x" * 100} for number in range(100)}
    table.put_many(Put(row, cells) for row, cells in rows.items())
    with serving(hbase) as other, open_store(url_of(server, other)) as store:
        seen = []
        for row in store.table("t").scan(KeyRange()):
            seen.append(row.key)
            if len(seen) == 20:
                server.stop()
        assert seen == list(rows)


def test_a_scan_goes_on_when_its_server_comes_back(hbase, server, table):
    rows = {b"%03d" % number: {b"i:0": b"x" * 100} for number in range(100)}
    table.put_many(Put(row, cells) for row, cells in rows.items())
    back = []

    def return_later():
        time.sleep(0.5)
        back.append(FakeServer(hbase, port=server.port))

    seen = []
    for row in table.scan(KeyRange()):
        seen.append(row.key)
        if len(seen) == 20:
            server.stop()
            threading.Thread(target=return_later).start()
    back[0].stop()
    assert seen == list(rows)


def test_a_scan_whose_servers_are_gone_for_good_ends_with_one_line(server, hbase, table):
    table.put_many(Put(b"%03d" % number, {b"i:0": b"x"}) for number in range(100))
    with open_store(url_of(server, wait_s=0.3)) as store:
        rows = iter(store.table("t").scan(KeyRange()))
        next(rows)
        server.stop()
        with pytest.raises(StoreUnavailableError, match="nothing listens") as caught:
            list(rows)
        assert "\n" not in str(caught.value)


def test_connections_that_the_server_dropped_are_replaced(server, table):
    table.put(b"row", {b"m:q": b"v"})
    for _ in range(3):
        server.drop_clients()
        assert table.get(b"row") == {b"m:q": b"v"}


def test_idle_connections_are_not_trusted(monkeypatch, server, hbase, table):
    monkeypatch.setattr("hbimg.store.hbase_servers.IDLE_S", 0.0)
    table.put(b"row", {b"m:q": b"v"})
    before = hbase.calls.count("getThriftServerType")
    table.get(b"row")
    assert hbase.calls.count("getThriftServerType") == before + 1


@contextmanager
def answers_lost(hbase, method, times=1):
    """The server does what was asked, and hangs up instead of answering."""
    left = [times]

    def lose(name):
        if name == method and left[0]:
            left[0] -= 1
            raise ConnectionAbortedError

    hbase.after = lose
    yield
    hbase.after = lambda name: None
    assert left == [0]


@pytest.mark.parametrize("expected", [None, b"old"])
def test_check_and_put_whose_answer_was_lost_knows_that_it_wrote(hbase, table, expected):
    if expected:
        table.put(b"row", {b"m:c": expected})
    with answers_lost(hbase, "checkAndPut"):
        assert table.check_and_put(b"row", b"m:c", expected, {b"m:c": b"mine", b"m:d": b"along"})
    assert table.get(b"row") == {b"m:c": b"mine", b"m:d": b"along"}


def test_check_and_put_whose_answer_was_lost_knows_that_another_wrote(hbase, table):
    def interfere(name):
        if name == "checkAndPut":
            hbase.before = lambda name: None
            hbase.tables[b"t"][2][b"row"] = {(b"m", b"c"): b"theirs"}
            raise ConnectionAbortedError

    hbase.before = interfere
    assert not table.check_and_put(b"row", b"m:c", None, {b"m:c": b"mine"})
    assert table.get(b"row") == {b"m:c": b"theirs"}


def test_check_and_delete_whose_answer_was_lost_knows_that_it_deleted(hbase, table):
    table.put(b"row", {b"m:c": b"mine", b"i:0": b"x"})
    with answers_lost(hbase, "checkAndDelete"):
        assert table.check_and_delete(b"row", b"m:c", b"mine")
    assert table.get(b"row") == {}


@pytest.mark.parametrize("method", ["putMultiple", "deleteMultiple", "getScannerResults", "get"])
def test_other_calls_are_simply_made_again(hbase, table, method):
    with answers_lost(hbase, method, times=2):
        table.put(b"row", {b"m:q": b"v"})
        assert table.get(b"row") == {b"m:q": b"v"}
        assert [row.key for row in table.scan(KeyRange())] == [b"row"]
        table.delete_many([b"row"])
    assert table.get(b"row") == {}


def test_a_table_whose_creation_was_not_answered_is_not_taken_for_new(hbase, server):
    with open_store(url_of(server)) as store, answers_lost(hbase, "createTable"), pytest.raises(TableExistsError):
        store.create_table("t", TableSettings())


def test_a_busy_server_is_asked_again(hbase, table):
    left = [2]

    def busy(name):
        if name == "putMultiple" and left[0]:
            left[0] -= 1
            raise api.TIOError(message="org.apache.hadoop.hbase.RegionTooBusyException: Over memstore limit=512.0 M")

    hbase.before = busy
    table.put(b"row", {b"m:q": b"v"})
    assert table.get(b"row") == {b"m:q": b"v"}


def refuse(hbase, method, text):
    def before(name):
        if name == method:
            raise api.TIOError(message=text)

    hbase.before = before


def test_the_servers_limit_on_cells_is_named(hbase, table):
    refuse(hbase, "putMultiple", "Cell[row/m:q/...] with size 2000 exceeds limit of 1000 bytes")
    with pytest.raises(CellTooLargeError, match=r"hbase\.server\.keyvalue\.maxsize"):
        table.put(b"row", {b"m:q": b"v"})


def test_a_user_without_permission_is_told(hbase, table):
    text = (
        "org.apache.hadoop.hbase.security.AccessDeniedException: Insufficient permissions\n\tat org.apache.Foo(Foo:1)"
    )
    refuse(hbase, "getScannerResults", text)
    with pytest.raises(StorePermissionError, match="grant") as caught:
        list(table.scan(KeyRange()))
    assert "\n" not in str(caught.value)
    assert "Foo" not in str(caught.value)


def test_a_table_that_went_away_is_told(hbase, table):
    del hbase.tables[b"t"]
    with pytest.raises(TableNotFoundError, match="'t'"):
        table.get(b"row")


def test_tables_of_others_are_neither_listed_nor_opened_nor_dropped(hbase, server):
    foreign = api.TTableDescriptor(tableName=api.TTableName(ns=b"default", qualifier=b"foreign"), columns=[])
    hbase.tables[b"foreign"] = (foreign, [], {})
    with open_store(url_of(server)) as store:
        assert store.tables() == []
        for use in (store.table, store.drop_table):
            with pytest.raises(TableFormatError, match="not hbimg's"):
                use("foreign")
        with pytest.raises(TableExistsError):
            store.create_table("foreign", TableSettings())
    assert b"foreign" in hbase.tables


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        (b"{", "damaged"),
        (b"[]", "damaged"),
        (b'{"format": 1}', "damaged"),
        (b'{"format": 2, "settings": {}}', "table format 2"),
    ],
)
def test_settings_that_cannot_be_read_are_named(hbase, server, table, settings, match):
    hbase.tables[b"t"][0].attributes[b"hbimg.settings"] = settings
    with open_store(url_of(server)) as store, pytest.raises(TableFormatError, match=match):
        store.table("t")


def test_a_table_that_lost_a_family_is_named(hbase, server, table):
    hbase.tables[b"t"][0].columns.pop()
    with open_store(url_of(server)) as store, pytest.raises(TableFormatError, match="family 'r'"):
        store.table("t")


def test_a_table_that_was_made_otherwise_than_asked_is_refused(hbase, server):
    make = hbase.createTable

    def forgetful(desc, points):
        make(desc, [])

    hbase.createTable = forgetful
    with open_store(url_of(server)) as store:
        with pytest.raises(StoreError, match="1 split points differs"):
            store.create_table("t", TableSettings(split_points=(b"m",)))
        assert store.tables() == []


def test_namespaces(hbase, server):
    with open_store(url_of(server, namespace="lab")) as lab, open_store(url_of(server)) as all_of_it:
        lab.create_table("t", TableSettings()).put(b"row", {b"m:q": b"v"})
        assert lab.tables() == ["t"]
        assert all_of_it.tables() == ["lab:t"]
        assert all_of_it.table("lab:t").get(b"row") == {b"m:q": b"v"}
        with pytest.raises(HbimgError, match="namespace"):
            lab.table("lab:t")


def test_the_own_hosts_server_is_preferred_only_if_it_is_of_the_same_cluster(hbase):
    # 127.0.0.2 plays the head; the own host's server must have the same port.
    from hbimg.store.hbase_address import HBaseAddress, Server
    from hbimg.store.hbase_servers import Servers
    from hbimg.store.thrift import connect

    with serving(hbase) as server:
        address = HBaseAddress.parse(f"hbase://127.0.0.1:{server.port}")
        other = Server("localhost", server.port)
        servers = Servers(address, connect, "localhost")
        assert servers.servers == (other, *address.servers)
        # Not only first in the list: the connection on which the cluster was asked leads to the other host.
        servers.call("getClusterId", doing="asking")
        assert servers.last_host == "localhost"
        servers.close()
        names = iter(["one", "another"])
        hbase.getClusterId = lambda: next(names)
        servers = Servers(address, connect, "localhost")
        assert servers.servers == address.servers
        servers.close()


def test_thrift_1_is_told_from_thrift_2(hbase, server):
    hbase.kind = api.TThriftServerType.ONE
    with pytest.raises(StoreError, match="thrift2 start"):
        open_store(url_of(server))


def test_nothing_listens():
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(StoreUnavailableError, match=f"127.0.0.1:{port}.*nothing listens there"):
        open_store(f"hbase://127.0.0.1:{port}")
    with pytest.raises(StoreUnavailableError, match=r"no host 'no-such-host\.invalid'"):
        open_store("hbase://no-such-host.invalid")


@pytest.mark.parametrize(
    "answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"SSH-2.0-OpenSSH_9.2\r\n", b"\x00\x00\x00\x05hello", b""]
)
def test_something_else_listens(answer):
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve():
            while True:
                try:
                    client, _ = listener.accept()
                except OSError:
                    return
                with client:
                    client.recv(100)
                    client.sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        port = listener.getsockname()[1]
        with pytest.raises(StoreUnavailableError, match="does not speak HBase's Thrift 2") as caught:
            open_store(f"hbase://127.0.0.1:{port}?timeout_s=1")
        listener.shutdown(socket.SHUT_RDWR)
    assert "\n" not in str(caught.value)
