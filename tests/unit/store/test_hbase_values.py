"""The HBase store's pure parts: addresses, sizes of batches, tables described and read back."""

from __future__ import annotations

import pytest

from hbimg.errors import ConfigError
from hbimg.store import CHUNK_BYTES, Family, Put, TableSettings, open_store
from hbimg.store.hbase_address import HBaseAddress, Server
from hbimg.store.hbase_batches import BATCH_BYTES, RowCount, put_batches
from hbimg.store.thrift_tables import describe, full_name_of, kept_settings, name_of


@pytest.mark.parametrize(
    ("url", "servers"),
    [
        ("hbase://head", [("head", 9090)]),
        ("hbase://head/", [("head", 9090)]),
        ("hbase://head:9191", [("head", 9191)]),
        ("hbase://head,worker1:9191,worker2", [("head", 9191), ("worker1", 9191), ("worker2", 9090)]),
        ("hbase://10.0.0.1:1", [("10.0.0.1", 1)]),
        ("hbase://[::1]:9191", [("::1", 9191)]),
    ],
)
def test_servers_of_an_address(url, servers):
    assert list(HBaseAddress.parse(url).servers) == [Server(*server) for server in servers]
    assert HBaseAddress.parse(url).url == url


def test_options_of_an_address():
    url = "hbase://h?namespace=lab&transport=framed&protocol=compact&timeout_s=5&wait_s=0.5&own_host=no"
    found = HBaseAddress.parse(url)
    assert (found.namespace, found.transport, found.protocol) == ("lab", "framed", "compact")
    assert (found.timeout_s, found.wait_s, found.own_host) == (5.0, 0.5, False)
    plain = HBaseAddress.parse("hbase://h?transport=auto&namespace=default")
    assert (plain.namespace, plain.transport, plain.own_host) == (None, None, True)


@pytest.mark.parametrize(
    "url",
    [
        "hbase:",
        "hbase://",
        "hbase:head",
        "hbase:///head",
        "hbase://head/table",
        "hbase://head#x",
        "hbase://me@head",
        "hbase://head,",
        "hbase://he ad",
        "hbase://head:",
        "hbase://head:http",
        "hbase://head:0",
        "hbase://head:65536",
        "hbase://[::1",
        "hbase://head?namespace=a-b",
        "hbase://head?namespace=",
        "hbase://head?transport=udp",
        "hbase://head?protocol=json",
        "hbase://head?own_host=maybe",
        "hbase://head?wait_s=soon",
        "hbase://head?wait_s=nan",
        "hbase://head?timeout_s=0",
        "hbase://head?timeout_s=1e9",
        "hbase://head?waits=1",
    ],
)
def test_addresses_that_are_wrong(url):
    with pytest.raises(ConfigError) as caught:
        open_store(url)
    assert "\n" not in str(caught.value)
    assert repr(url) in str(caught.value)


@pytest.mark.parametrize(
    ("row_bytes", "asked"), [(100, 64), (128 << 10, 32), (512 << 10, 8), (1 << 20, 4), (9 << 20, 1)]
)
def test_rows_asked_for_fit_a_batch(row_bytes, asked):
    count = RowCount()
    for _ in range(5):
        count.saw(count.rows, count.rows * row_bytes)
    assert count.rows == asked


def test_rows_asked_for_stay_bounded_when_large_rows_follow_small_ones():
    count = RowCount()
    assert count.rows * CHUNK_BYTES <= 16 << 20
    count.saw(8, 10)
    assert count.rows <= 32
    count.saw(0, 0)
    assert count.rows <= 32


def test_batches_hold_each_row_once_and_the_later_value():
    puts = [Put(b"a", {b"m:1": b"1", b"m:2": b"2"}), Put(b"b", {b"m:1": b"3"}), Put(b"a", {b"m:1": b"4"})]
    assert list(put_batches(puts)) == [{b"a": {b"m:1": b"4", b"m:2": b"2"}, b"b": {b"m:1": b"3"}}]
    assert list(put_batches([])) == []


def test_batches_end_at_their_bytes():
    puts = [Put(b"%02d" % n, {b"i:0": bytes(BATCH_BYTES // 4)}) for n in range(8)]
    batches = list(put_batches(iter(puts)))
    assert [len(batch) for batch in batches] == [3, 3, 2]
    assert [row for batch in batches for row in batch] == [put.row for put in puts]
    assert [len(b) for b in put_batches([Put(b"a", {b"i:0": bytes(3 * BATCH_BYTES)}), puts[0]])] == [1, 1]


def test_settings_come_back_from_a_description():
    given = TableSettings((Family("m", "gz", "fast_diff", "about"), Family("i")), (b"\xff",), {"a.b": "ü"})
    assert kept_settings(describe("ns:t", given), "table") == given


@pytest.mark.parametrize("family", [Family("m", compression="rar"), Family("m", data_block_encoding="morse")])
def test_a_family_as_hbase_has_none(family):
    with pytest.raises(ConfigError, match=r"'rar'.*gz|'morse'.*fast_diff"):
        describe("t", TableSettings((family,)))


@pytest.mark.parametrize("name", ["t", "ns:t", "a.b-c"])
def test_names_of_tables(name):
    assert full_name_of(name_of(name)) == name
