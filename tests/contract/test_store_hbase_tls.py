"""TLS of HBase's own RPC, and what is refused: no TLS, an unknown authority, a certificate of another name."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
from fake_rpc import fake_cluster

from hbimg.errors import ConfigError, StoreUnavailableError
from hbimg.rowkeys import KeyRange
from hbimg.store import Put, TableSettings, open_store

CERTIFICATES = Path(__file__).parents[1] / "unit" / "store" / "certificates"


def serving(name):
    if name is None:
        return fake_cluster()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATES / f"{name}.pem")
    return fake_cluster(tls=context)


def url_of(cluster, options):
    ports = ",".join(str(server.port) for server in cluster.servers)
    return f"hbase://127.0.0.1?client=rpc&rpc_ports={ports}&timeout_s=2&wait_s=1&{options}"


def test_a_table_is_written_and_read_within_tls():
    with serving("server") as hbase, open_store(url_of(hbase, f"tls=yes&tls_ca={CERTIFICATES}/ca.pem")) as store:
        table = store.create_table("t", TableSettings(split_points=(b"5",)))
        rows = {b"%d" % number: b"%d" % number * 200_000 for number in range(10)}
        table.put_many(Put(row, {b"i:0": value}) for row, value in rows.items())
        assert {row.key: bytes(row.cells[b"i:0"]) for row in table.scan(KeyRange())} == rows
        target = memoryview(bytearray(2_000_000))
        assert len(list(table.receive(KeyRange(), "i", target))) == 10
        assert bytes(target) == b"".join(rows.values())


@pytest.mark.parametrize(
    ("certificate", "options", "match"),
    [
        (None, "tls=yes&tls_ca={}/ca.pem", "TLS failed|the connection broke|no answer in time"),
        ("server", "tls=no", "the connection broke|none of HBase's RPC|no answer in time"),
        ("server", "tls=yes&tls_ca={}/other-ca.pem", "certificate is not believed"),
        ("server", "tls=yes", "certificate is not believed"),
        ("elsewhere", "tls=yes&tls_ca={}/ca.pem", "certificate is not believed.*127.0.0.1"),
    ],
    ids=["plain server", "plain client", "unknown authority", "the system's authorities", "another name"],
)
def test_what_is_refused(certificate, options, match):
    with serving(certificate) as hbase:
        with pytest.raises(StoreUnavailableError, match=match) as caught:
            open_store(url_of(hbase, options.format(CERTIFICATES)))
        assert "\n" not in str(caught.value)
        assert hbase.calls == []


@pytest.mark.parametrize(
    ("url", "match"),
    [
        ("hbase://h?tls=yes&tls_ca=/nowhere.pem", "tls_ca=/nowhere.pem"),
        ("hbase://h?tls_ca=/ca.pem", "tls=yes"),
        ("hbase://h?tls=perhaps", "yes, no"),
        ("hbase://h:9090?tls=yes", "this is Thrift"),
        ("hbase://h?client=thrift&durability=skip_wal", "this is Thrift"),
        ("hbase://h?durability=none", "durability is one of"),
        ("hbase://h:1?client=rpc", "rpc_ports"),
        ("hbase://h?rpc_ports=0", "rpc_ports"),
    ],
)
def test_wrong_options_are_named(url, match):
    with pytest.raises(ConfigError, match=match):
        open_store(url)
