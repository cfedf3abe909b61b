"""A worker of the mini-cluster is killed while hbimg reads and writes: nothing is lost, missed or doubled.

Run on the machine with the engine, since containers are killed from outside: ``docker/cluster up``, then
``just test-faults``, which puts the checkout's code on the nodes first.
"""

from __future__ import annotations

import secrets
import subprocess
import time

import pytest
from broken_cluster import CLIENT, VICTIM, docker, settled, wait_until_all_is_well

pytestmark = [pytest.mark.faults, pytest.mark.timeout(900)]

URLS = {
    "Thrift": "hbase://head?client=thrift&own_host=no&wait_s=300",
    "HBase's RPC": "hbase://head?client=rpc&wait_s=300&timeout_s=15",
}
ROWS = 400

FILL = """
from hbimg.store import Put, TableSettings, open_store
with open_store(URL) as store:
    table = store.create_table(NAME, TableSettings(split_points=tuple(b"%03d" % n for n in range(50, ROWS, 50))))
    table.put_many(Put(b"%03d" % n, {b"i:0": (b"%03d" % n) * 40_000}) for n in range(ROWS))
    for region in table.regions():
        print(region.server.partition(".")[0], region.range.start.decode() or "000", flush=True)
"""
SCAN = """
import sys
from hbimg.rowkeys import KeyRange
from hbimg.store import open_store
with open_store(URL) as store:
    for number, row in enumerate(store.table(NAME).scan(KeyRange())):
        assert bytes(row.cells[b"i:0"]) == row.key * 40_000, row.key
        print(row.key.decode(), flush=True)
        if number == 20:
            sys.stdin.readline()  # until the worker is dead
"""
WRITE = """
import sys
from hbimg.store import Put, open_store
with open_store(URL) as store:
    table = store.table(NAME)
    for n in range(ROWS):
        table.put(b"%03d" % n, {b"r:0": (b"new %03d" % n) * 10_000})
        assert table.check_and_put(b"%03d" % n, b"m:c", None, {b"m:c": b"claimed %03d" % n}), n
        if n == 20:
            print("written", flush=True)
            sys.stdin.readline()
    for n, row in enumerate(table.scan(__import__("hbimg.rowkeys").rowkeys.KeyRange())):
        assert row.key == b"%03d" % n
        assert bytes(row.cells[b"i:0"]) == row.key * 40_000
        assert bytes(row.cells[b"r:0"]) == (b"new %03d" % n) * 10_000
        assert bytes(row.cells[b"m:c"]) == b"claimed %03d" % n
    print("rows", n + 1, flush=True)
"""
DROP = """
from hbimg.store import open_store
with open_store(URL) as store:
    store.drop_table(NAME)
"""


class InClient:
    """A Python program in the client container, line by line."""

    def __init__(self, url, name, program):
        text = f"URL, NAME, ROWS = {url!r}, {name!r}, {ROWS}\n{program}"
        self.process = subprocess.Popen(
            [*CLIENT, "python", "-c", text],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def line(self):
        return self.process.stdout.readline().strip()

    def finish(self):
        """Let it go on, and give the rest of its lines."""
        out, err = self.process.communicate("\n", timeout=600)
        assert self.process.returncode == 0, err
        return out.splitlines()


@pytest.fixture(params=URLS)
def url(request):
    """Both ways to HBase."""
    return URLS[request.param]


@pytest.fixture
def table(url):
    name = f"faults_{secrets.token_hex(4)}"
    places = [line.split() for line in InClient(url, name, FILL).finish()]
    assert any(server == VICTIM and start > "100" for server, start in places), places
    yield name
    InClient(url, name, DROP).finish()


def test_a_scan_goes_on_when_its_region_server_is_killed(url, table, kill):
    """And the doctor tells who is gone."""
    scan = InClient(url, table, SCAN)
    seen = [scan.line() for _ in range(21)]
    kill(VICTIM)
    seen += scan.finish()
    assert seen == [f"{n:03d}" for n in range(ROWS)]
    for kind in ("DataNode", "NodeManager", "RegionServer"):
        found, code = settled("worker-gone", f"{kind} {VICTIM}")
        assert code == 1, found


def test_writes_go_on_when_a_worker_is_killed_and_all_is_there(url, table, kill):
    """What was written before is read from the other copies, or out of the dead server's log."""
    writer = InClient(url, table, WRITE)
    assert writer.line() == "written"
    kill(VICTIM)
    assert writer.finish()[-1] == f"rows {ROWS}"


@pytest.fixture
def pause():
    """Have a worker stand still; at the end it goes on, if it has not ended by then."""
    paused = []

    def pause(worker):
        docker("pause", worker)
        paused.append(worker)

    yield pause
    for worker in paused:
        docker("unpause", worker)
        time.sleep(30)  # its RegionServer learns that it was given up, and ends, and the container with it
        docker("start", worker)
    wait_until_all_is_well()


def test_a_scan_goes_on_when_its_region_server_stands_still(url, table, pause):
    """Its connections stay open, and nothing comes: after `timeout_s` the scan goes on where the region is then."""
    scan = InClient(url, table, SCAN)
    seen = [scan.line() for _ in range(21)]
    pause(VICTIM)
    seen += scan.finish()
    assert seen == [f"{n:03d}" for n in range(ROWS)]
