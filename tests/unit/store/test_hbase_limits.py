"""Limits of HBase's servers are told before the first write, by the setting's name."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from hbimg.errors import ConfigError, StoreError
from hbimg.store.hbase_address import HBaseAddress, Server
from hbimg.store.hbase_limits import Limits, refuse_small, settings_in, size_of

GOOD = {"hbase.client.keyvalue.maxsize": "10485760", "hbase.server.keyvalue.maxsize": "0"}


@pytest.fixture
def page():
    """A Thrift server's web page; a test sets what it gives."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.server.asked += 1
            self.send_response(200)
            self.end_headers()
            self.wfile.write(self.server.body)

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    server.asked = 0
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def as_json(settings):
    return json.dumps({"properties": [{"key": key, "value": value} for key, value in settings.items()]}).encode()


def limits(page, framed=False):
    return Limits(Server("127.0.0.1", 9090), page.server_address[1], framed=framed)


def test_good_limits_are_looked_at_once(page):
    page.body = as_json(GOOD)
    looked = limits(page)
    looked.check()
    looked.check()
    assert page.asked == 1


@pytest.mark.parametrize("setting", list(GOOD))
def test_a_limit_on_cells_is_named_each_time(page, setting):
    page.body = as_json({**GOOD, setting: "1m"})
    looked = limits(page)
    for _ in range(2):
        with pytest.raises(StoreError, match=rf"{setting} = 1,048,576 bytes.*10485760"):
            looked.check()


def test_a_limit_on_frames_counts_with_frames_only(page):
    page.body = as_json({**GOOD, "hbase.regionserver.thrift.framed.max_frame_size_in_mb": "2"})
    limits(page).check()
    with pytest.raises(StoreError, match="max_frame_size_in_mb = 2"):
        limits(page, framed=True).check()
    with pytest.raises(StoreError, match="max_frame_size_in_mb = 2"):
        refuse_small({}, "a server", framed=True)  # HBase's default


@pytest.mark.parametrize("body", [b"", b"<html>login</html", b"[]", b"{}", b'{"properties": 1}', b"\xff"])
def test_a_page_that_tells_nothing_refuses_nothing(page, body):
    page.body = body
    limits(page).check()


def test_no_page_refuses_nothing():
    Limits(Server("127.0.0.1", 9090), 1, framed=False).check()
    Limits(Server("nowhere.invalid", 9090), 0, framed=True).check()


def test_settings_and_sizes_are_read_in_both_forms():
    xml = b"<?xml version='1.0'?><configuration><property><name>a</name><value>1</value></property></configuration>"
    assert settings_in(xml) == settings_in(as_json({"a": "1"})) == {"a": "1"}
    assert [size_of(text, 7) for text in ("", "12", "0.4", "64m", "1 GB", "-1", "many")] == [
        7,
        12,
        0.4,
        64 << 20,
        1 << 30,
        -1,
        7,
    ]


def test_the_port_of_the_page_is_part_of_the_address():
    assert HBaseAddress.parse("hbase://head").info_port == 9095
    assert HBaseAddress.parse("hbase://head?info_port=0").info_port == 0
    for text in ("x", "-1", "65536", ""):
        with pytest.raises(ConfigError, match="info_port"):
            HBaseAddress.parse(f"hbase://head?info_port={text}")
