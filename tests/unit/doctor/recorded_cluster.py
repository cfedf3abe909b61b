"""The mini-cluster's recorded answers, served by a small web server, and a way to alter them."""

from __future__ import annotations

import copy
import json
import threading
from dataclasses import replace
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from time import time
from urllib.parse import urlsplit

from hbimg.doctor import diagnose
from hbimg.doctor.cluster import TableSeen
from hbimg.doctor.network import Network, Switches
from hbimg.doctor.places import Places
from hbimg.doctor.survey import survey
from hbimg.errors import StoreUnavailableError
from hbimg.store.hbase_address import HBaseAddress, Server
from hbimg.store.thrift import Packing

ANSWERS = json.loads(Path(__file__).with_name("answers.json").read_text())
ADDRESSES = {"head": "10.0.0.1", "worker1.hbimg": "10.0.0.2", "worker2.hbimg": "10.0.0.3", "worker3.hbimg": "10.0.0.4"}


class Recorded:
    """A cluster as it was recorded; tests alter it before they let the doctor look."""

    def __init__(self):
        self.answers = copy.deepcopy(ANSWERS)
        self.addresses = dict(ADDRESSES)
        self.names = {address: host for host, address in ADDRESSES.items()}
        info = self.bean("head:9870", "service=NameNode,name=NameNodeInfo")
        live = json.loads(info["LiveNodes"])
        for name, node in live.items():
            node["xferaddr"] = ADDRESSES[name.partition(":")[0]] + ":9866"
        info["LiveNodes"] = json.dumps(live)
        self.thrift = {str(Server(host, 9090)): Packing("buffered", "binary") for host in ADDRESSES}
        self.zookeepers = {"head:2181": ""}
        self.clock_ahead_s = dict.fromkeys(ADDRESSES, 0.0)
        self.rpc = "head"
        self.hbase_version = None
        self.switches = Switches(balancer=True, normalizer=True, splits=True)
        self.tables = ()
        self.commands = {}
        self.url = "hbase://head"
        self.xml = False

    def bean(self, place, name):
        return self.answers[place]["beans"][name if name.startswith("java.lang") else f"Hadoop:{name}"]

    def settings(self, place):
        return self.answers[place]["settings"]

    def set(self, port, name, value, hosts=("worker1.hbimg", "worker2.hbimg", "worker3.hbimg")):
        """Give daemons with a web page at `port` another setting."""
        for host in hosts:
            self.settings(f"{host}:{port}")[name] = value

    def gone(self, *places):
        for place in places:
            del self.answers[place]

    def look(self, told=None, via=None):
        """What the doctor finds: its findings by name, those that are as they should be left out."""
        found = self.findings(told, via)
        return {finding.name: finding for finding in found if finding.severity != "ok"}

    def findings(self, told=None, via=None):
        with Served(self) as server:
            network = FakeNetwork(self, server.port)
            cluster = replace(survey(network, told or Places(), via), tables=tuple(self.tables))
        return [finding for findings in diagnose(cluster).values() for finding in findings]


class Server128(ThreadingHTTPServer):
    """Takes many connections at once: one that waits for a place is tried again after a second."""

    request_queue_size = 128


class Served:
    """A web server for all daemons: the first part of the path is the daemon's host and port."""

    def __init__(self, recorded):
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                place, _, path = self.path.lstrip("/").partition("/")
                body = answer_of(recorded, place, "/" + path)
                self.send_response_only(200 if body is not None else 404)
                ahead = recorded.clock_ahead_s.get(place.partition(":")[0], 0.0)
                self.send_header("Date", formatdate(time() + ahead, usegmt=True))
                self.end_headers()
                self.wfile.write(body or b"")

            def log_message(self, *_):
                pass

        self.server = Server128(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


def answer_of(recorded, place, target):
    """The body that a daemon gives in its servlets' own form."""
    daemon, parts = recorded.answers[place], urlsplit(target)
    if parts.path == "/jmx":
        prefix = parts.query.removeprefix("qry=").removesuffix("*")
        return json.dumps({"beans": [b for n, b in daemon["beans"].items() if n.startswith(prefix)]}).encode()
    if parts.path == "/conf" and recorded.xml:
        items = daemon["settings"].items()
        inside = "".join(f"<property><name>{n}</name><value>{v}</value></property>" for n, v in items)
        return f'<?xml version="1.0"?><configuration>{inside}</configuration>'.encode()
    if parts.path == "/conf":
        return json.dumps({"properties": [{"key": n, "value": v} for n, v in daemon["settings"].items()]}).encode()
    found = daemon.get(parts.path)
    return None if found is None else json.dumps(found).encode()


class FakeNetwork(Network):
    """The way to the recorded cluster: the web is real, and on this machine; the rest is told by `Recorded`."""

    def __init__(self, recorded, port):
        super().__init__(HBaseAddress.parse(recorded.url), 5.0)
        self.recorded, self.port = recorded, port

    def get(self, url):
        parts = urlsplit(url)
        if parts.netloc not in self.recorded.answers:
            raise StoreUnavailableError("Connection refused")
        return super().get(f"http://127.0.0.1:{self.port}/{parts.netloc}{parts.path}?{parts.query}")

    def packing(self, server):
        found = self.recorded.thrift.get(str(server))
        if found is None:
            raise StoreUnavailableError(f"connecting at {server}: nothing listens there")
        return found

    def zookeeper(self, server):
        if self.recorded.zookeepers.get(str(server), "absent"):
            raise StoreUnavailableError("Connection refused")
        return "3.6.3"

    def master(self):
        if self.recorded.rpc is None:
            raise StoreUnavailableError("connecting at head:16000: nothing listens there")
        return Server(self.recorded.rpc, 16000)

    def switches(self, master):
        if self.recorded.switches is None:
            raise StoreUnavailableError(f"{master}: this server asks for Kerberos")
        return self.recorded.switches

    def hbase_version(self, master):
        if self.recorded.hbase_version is None:
            raise StoreUnavailableError(f"{master}: this server asks for Kerberos")
        return self.recorded.hbase_version

    def address_of(self, host):
        return self.recorded.addresses.get(host, "")

    def name_of(self, address):
        return self.recorded.names.get(address, "")

    def run(self, template, host, command, script):
        found = self.recorded.commands.get(host)
        if found is None:
            raise StoreUnavailableError(f"{template} ended with 255: no route to host")
        return found


def table(name="t1", largest=0, trouble="", **attributes):
    return TableSeen(name, attributes, largest, trouble)
