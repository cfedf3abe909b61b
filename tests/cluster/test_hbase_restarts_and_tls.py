"""An HBase of its own in this container, within TLS: what it refuses, and its master restarted while we read and write.

The mini-cluster's HBase is not touched. One start of three small servers is shared by all tests here.
"""

from __future__ import annotations

import tempfile
import threading
import time
from pathlib import Path

import pytest
from own_servers import OwnServer, changed_conf
from running_doctor import doctor_until

from hbimg.errors import HbimgError, StoreError, StoreUnavailableError
from hbimg.rowkeys import KeyRange
from hbimg.store import Put, TableSettings, open_store
from hbimg.testing.pausing import dead_process
from hbimg.testing.store_model import contents
from hbimg.testing.volumes import nifti_content, smooth_voxels
from hbimg.testing.volumes_harness import key_of
from hbimg.volumes import VolumeTable, store_content, write_content
from hbimg.volumes.verify import orphans, verify_volumes

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]

CERTIFICATES = Path(__file__).parents[1] / "unit" / "store" / "certificates"
CA = f"tls=yes&tls_ca={CERTIFICATES}/ca.pem"
ZOOKEEPER, MASTER, MASTER_PAGE, REGION_SERVER = 27181, 27000, 27010, 27020
HOST = "127.0.0.1"  # the name that is in the certificate

ROWS = [b"%04d" % number for number in range(300)]
CELLS = {row: {b"i:0000": row * 10_000, b"i:0001": row * (int(row) % 5 + 1)} for row in ROWS}
TOTAL = sum(len(cell) for cells in CELLS.values() for cell in cells.values())


class OwnHBase:
    """ZooKeeper, a master and a RegionServer with a folder as their disk."""

    def __init__(self, folder: Path) -> None:
        self._conf = changed_conf(folder / "conf", settings_of(folder))
        self.zookeeper = OwnServer("zookeeper.HQuorumPeer", port=ZOOKEEPER, conf=self._conf, heap="64m")
        self.zookeeper.wait()
        self.start_master()
        daemons = ("--master", f"{HOST}:{MASTER_PAGE}", "--namenode", "localhost:9", "--resourcemanager", "localhost:9")
        store = ("--store", url_of(f"{CA}&wait_s=1"))
        self.told_before_the_region_server = doctor_until(lambda told: "master-starting" in told, *store, *daemons)
        self.start_region_server()
        self.region_server.wait()

    def start_master(self) -> None:
        self.master = OwnServer("master.HMaster", "start", port=MASTER, conf=self._conf)

    def start_region_server(self) -> None:
        self.region_server = OwnServer("regionserver.HRegionServer", "start", port=REGION_SERVER, conf=self._conf)

    def stop(self) -> None:
        for server in (self.region_server, self.master, self.zookeeper):
            server.kill()


def settings_of(folder: Path) -> dict[str, str]:
    return {
        "hbase.rootdir": f"file://{folder}/hbase",
        "hbase.tmp.dir": f"{folder}/tmp",
        "hbase.wal.provider": "filesystem",
        "hbase.unsafe.stream.capability.enforce": "false",  # a folder cannot promise what HDFS does
        "fs.file.impl": "org.apache.hadoop.fs.RawLocalFileSystem",  # what the log is told to flush outlives the process
        "hbase.zookeeper.quorum": HOST,
        "hbase.zookeeper.property.clientPort": str(ZOOKEEPER),
        "hbase.zookeeper.property.dataDir": f"{folder}/zookeeper",
        "hbase.master.hostname": HOST,
        "hbase.master.port": str(MASTER),
        "hbase.master.info.port": str(MASTER_PAGE),
        "hbase.master.wait.on.regionservers.maxtostart": "1",
        "hbase.master.wait.on.regionservers.interval": "100",
        "hbase.unsafe.regionserver.hostname": HOST,
        "hbase.regionserver.port": str(REGION_SERVER),
        "hbase.regionserver.info.port": "-1",
        "hbase.server.netty.tls.enabled": "true",
        "hbase.server.netty.tls.supportplaintext": "false",
        "hbase.server.netty.tls.client.auth.mode": "NONE",
        "hbase.client.netty.tls.enabled": "true",
        "hbase.rpc.tls.keystore.location": f"{CERTIFICATES}/server.pem",
        "hbase.rpc.tls.keystore.type": "PEM",
        "hbase.rpc.tls.truststore.location": f"{CERTIFICATES}/ca.pem",
        "hbase.rpc.tls.truststore.type": "PEM",
    }


def url_of(options: str, host: str = HOST) -> str:
    return f"hbase://{host}?client=rpc&rpc_ports={MASTER},{REGION_SERVER}&timeout_s=20&{options}"


@pytest.fixture(scope="module")
def hbase(cluster):
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        hbase = OwnHBase(Path(folder))
        try:
            wait_until_it_makes_tables()
            yield hbase
        finally:
            hbase.stop()


def wait_until_it_makes_tables():
    """A master answers before it has started."""
    end = time.monotonic() + 120
    while True:
        try:
            with open_store(url_of(f"{CA}&wait_s=60")) as store:
                store.create_table("first", TableSettings())
                store.drop_table("first")
                return
        except StoreUnavailableError:
            if time.monotonic() > end:
                raise
            time.sleep(0.2)


@pytest.fixture
def store(hbase):
    with open_store(url_of(CA)) as store:
        yield store


@pytest.fixture
def table(store):
    table = store.create_table("t", TableSettings(split_points=(b"0100", b"0200")))
    table.put_many(Put(row, cells) for row, cells in CELLS.items())
    yield table
    store.drop_table("t")


def test_a_table_is_written_and_read_within_tls(store, table):
    assert contents(table) == CELLS
    target = memoryview(bytearray(TOTAL))
    assert [row.key for row in table.receive(KeyRange(), "i", target)] == ROWS
    assert bytes(target) == b"".join(cell for cells in CELLS.values() for cell in cells.values())
    assert store.tables() == ["t"]


@pytest.mark.parametrize(
    ("host", "options", "match"),
    [
        (HOST, "tls=no", "the connection broke|no answer in time|none of HBase's RPC"),
        (HOST, f"tls=yes&tls_ca={CERTIFICATES}/other-ca.pem", "certificate is not believed"),
        (HOST, "tls=yes", "certificate is not believed"),
        ("localhost", CA, "certificate is not believed.*localhost"),
    ],
    ids=["plain client", "unknown authority", "the system's authorities", "another name"],
)
def test_what_is_refused(hbase, host, options, match):
    with pytest.raises(StoreUnavailableError, match=match) as caught:
        open_store(url_of(options, host))
    assert "\n" not in str(caught.value)


def test_a_plain_server_is_refused(cluster):
    """The mini-cluster's own, which knows no TLS."""
    with pytest.raises(StoreUnavailableError, match=r"TLS failed|the connection broke|no answer in time") as caught:
        open_store(f"hbase://{cluster.head}?client=rpc&timeout_s=20&{CA}")
    assert "\n" not in str(caught.value)


def test_the_master_is_restarted_while_tables_are_read_and_written(hbase, store, table):
    """Killed in the middle of a scan, a receive and a write, started again later in them; a table is made meanwhile."""
    target = memoryview(bytearray(TOTAL))
    scan, receive = iter(table.scan(KeyRange(), ["i"])), iter(table.receive(KeyRange(), "i", target))
    seen, received = {}, []
    with Writer(table) as writer:
        read(scan, seen, receive, received, 120)
        writer.write_up_to(150)
        hbase.master.kill()
        read(scan, seen, receive, received, 220)
        writer.write_up_to(220)
        making = Making(store)
        hbase.start_master()
        read(scan, seen, receive, received, len(ROWS))
        writer.write_up_to(len(ROWS))
    assert seen == CELLS
    assert received == ROWS
    assert bytes(target) == b"".join(cell for cells in CELLS.values() for cell in cells.values())
    assert contents(table, families=["r"]) == {row: {b"r:0": row * 20_000} for row in ROWS}
    making.join()
    assert store.tables() == ["made", "t"]
    store.drop_table("made")


def test_without_a_log_a_killed_server_takes_what_was_not_complete(hbase, store):
    """It is refused, and nobody sees any of it; what was complete before is there, every byte."""
    name = "bulk"
    made = [nifti_content(key_of(number), smooth_voxels((80, 60, 20), seed=number)) for number in range(4)]
    volumes = VolumeTable.create(store, name)
    with open_store(url_of(f"{CA}&durability=skip_wal")) as bulk, dead_process():
        unlogged = VolumeTable.open(bulk, name)
        record = write_content(unlogged, made[0]).commit()
        written = [write_content(unlogged, content) for content in made[1:]]
        hbase.region_server.kill()
        hbase.start_region_server()
        for one in written:
            with pytest.raises(StoreError, match=r"ended while.*run the same command again"):
                one.commit()
    assert list(volumes.records()) == [record]
    assert verify(volumes) == [()]
    for content in made:
        store_content(volumes, content)
    assert verify(volumes) == [()] * 4
    assert list(orphans(volumes)) == []
    store.drop_table(name)


def test_the_doctor_tells_a_master_that_waits_for_region_servers(hbase):
    told, code, _ = hbase.told_before_the_region_server
    assert told["master-starting"]["seen"] == "active, not initialized"
    assert code == 1


def verify(volumes):
    """The faults of each volume; every byte is read."""
    return [item.faults for item in verify_volumes(volumes)]


def read(scan, seen, receive, received, count):
    """Go on with a scan and a receive until so many rows came."""
    while len(seen) < count:
        row = next(scan)
        assert row.key not in seen
        seen[row.key] = {column: bytes(cell) for column, cell in row.cells.items()}
    while len(received) < count:
        received.append(next(receive).key)
    if count == len(ROWS):
        assert next(scan, None) is None
        assert next(receive, None) is None


class Writer:
    """Writes a row of the family r beside each row, in one `put_many`, as far as it is told."""

    def __init__(self, table):
        self._table = table
        self._allowed = threading.Semaphore(0)
        self._taken = 0
        self._written = threading.Condition()
        self._thread = threading.Thread(target=self._write)
        self._error = None

    def _write(self):
        try:
            self._table.put_many(self._puts())
        except HbimgError as error:
            self._error = error

    def _puts(self):
        for row in ROWS:
            assert self._allowed.acquire(timeout=100)
            yield Put(row, {b"r:0": row * 20_000})
            with self._written:
                self._taken += 1
                self._written.notify()

    def write_up_to(self, count):
        self._allowed.release(count - self._taken)
        with self._written:
            assert self._written.wait_for(lambda: self._taken >= count or self._error, 100)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, kind, error, trace):
        self._thread.join(100)
        assert not self._thread.is_alive()
        assert self._error is None


class Making:
    """Makes a table in a thread: while there is no master it waits for one."""

    def __init__(self, store):
        self._store = store
        self._error = None
        self._thread = threading.Thread(target=self._make)
        self._thread.start()

    def _make(self):
        try:
            self._store.create_table("made", TableSettings(split_points=(b"m",))).put(b"row", {b"m:q": b"v"})
        except HbimgError as error:
            self._error = error

    def join(self):
        self._thread.join(120)
        assert not self._thread.is_alive()
        assert self._error is None
