"""What the cluster tests know of the cluster: its names, from the environment, and that it is up.

The tests run inside the cluster's network (docs/decisions/0034): `docker/cluster test`, or `just test-cluster`. Asked
for while no cluster answers, they fail; a skipped test would look like a passed one.
"""

from __future__ import annotations

import fcntl
import json
import os
import sys
import tempfile
import time
import urllib.error
import urllib.request
import uuid
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import happybase
import pytest

sys.path.insert(0, str(Path(__file__).parent))  # the helpers beside the tests are found by their names

from own_servers import changed_conf, own_backup_master, own_thrift_server

if TYPE_CHECKING:
    from collections.abc import Iterator


#: With `pytest -n 3` these run one after the other: they move regions and switch what HBase does by itself, or want
#: regions to stay where they are. Of all others, those of one file do.
ON_REGIONS = ("test_hbase_admin", "test_hbase_rpc", "test_layout", "test_doctor", "test_locality")
ON_REGIONS_TOO = ("test_a_job_runs_where_its_volumes_are_and_gives_the_same_bytes", "test_a_dry_run_sends_nothing")


#: What takes longest begins first: one worker has these, one those on regions, the third one all the rest.
FIRST = ("test_yarn_engine", "regions")


def scope_of(nodeid):
    """Tests of one scope run one after the other."""
    file, *_, name = nodeid.partition("[")[0].split("::")
    file = Path(file).stem
    return "regions" if file in ON_REGIONS or name in ON_REGIONS_TOO else file


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    from xdist.scheduler import LoadScopeScheduling

    class OneAfterTheOther(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            return scope_of(nodeid)

    config.option.loadscopereorder = False  # not by the number of tests: by `pytest_collection_modifyitems`
    return OneAfterTheOther(config, log)


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: (*FIRST, scope_of(item.nodeid)).index(scope_of(item.nodeid)))


@dataclass(frozen=True)
class Cluster:
    """Names and settings of the cluster under test."""

    head: str
    workers: tuple[str, ...]
    racks: tuple[str, ...]
    replication: int

    def rack_of(self, worker: str) -> str:
        """Racks are dealt out to the workers in turn."""
        return "/" + self.racks[self.workers.index(worker) % len(self.racks)]

    def get(self, url: str, method: str = "GET", body: bytes | None = None) -> bytes:
        """The body of an answer; an HTTP error carries what the server said."""
        try:
            with urllib.request.urlopen(urllib.request.Request(url, body, method=method), timeout=30) as answer:
                return answer.read()
        except urllib.error.HTTPError as error:
            with error:
                pytest.fail(f"{method} {url}: HTTP {error.code} {error.read().decode(errors='replace')[:400]}")

    def json(self, url: str) -> Any:
        return json.loads(self.get(url))

    def bean(self, host: str, port: int, name: str) -> dict[str, Any]:
        """One JMX bean of a daemon, for example `service=NameNode,name=NameNodeInfo`.

        HBase takes its beans away for some seconds whenever a region opens, so an empty answer is asked for again.
        """
        for _ in range(20):
            beans: list[dict[str, Any]] = self.json(f"http://{host}:{port}/jmx?qry=Hadoop:{name}")["beans"]
            if beans:
                return beans[0]
            time.sleep(1)
        return pytest.fail(f"{host}:{port} has no bean {name}")

    def webhdfs(self, path: str, operation: str, method: str = "GET") -> bytes:
        """One operation of the NameNode over REST, for example GETFILESTATUS."""
        return self.get(f"http://{self.head}:9870/webhdfs/v1{path}?user.name=root&op={operation}", method)

    def put_file(self, path: str, content: bytes) -> None:
        """Write a file to HDFS: the NameNode names the DataNode that takes it."""
        where = json.loads(self.webhdfs(path, "CREATE&overwrite=true&noredirect=true", "PUT"))["Location"]
        self.get(where, "PUT", content)


@pytest.fixture(scope="session")
def cluster() -> Cluster:
    head = os.environ.get("HBIMG_CLUSTER_HEAD", "head")
    number = int(os.environ.get("HBIMG_CLUSTER_WORKERS", "3"))
    found = Cluster(
        head=head,
        workers=tuple(f"worker{n}" for n in range(1, number + 1)),
        racks=tuple(os.environ.get("HBIMG_CLUSTER_RACKS", "rack1,rack2").split(",")),
        replication=int(os.environ.get("HBIMG_CLUSTER_REPLICATION", "2")),
    )
    try:
        urllib.request.urlopen(
            f"http://{head}:9870/jmx?qry=Hadoop:service=NameNode,name=NameNodeInfo", timeout=10
        ).close()
    except OSError as error:
        pytest.fail(f"no cluster at {head}:9870 ({error}): docker/cluster up, then docker/cluster test", pytrace=False)
    return found


@pytest.fixture
def all_of_yarn() -> Iterator[None]:
    """Other workers of `pytest -n 3` run no job meanwhile: where slots are taken, a map may run away from its data."""
    with (Path(tempfile.gettempdir()) / "hbimg-tests-yarn.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.fixture
def thrift(cluster: Cluster) -> Iterator[Any]:
    """Open connections to a worker's Thrift 1 server by its name, past hbimg; all are closed in the end."""
    opened: list[happybase.Connection] = []

    def connect(worker: str) -> happybase.Connection:
        opened.append(happybase.Connection(worker, 9190, timeout=60_000))
        return opened[-1]

    yield connect
    for connection in opened:
        connection.close()


@pytest.fixture
def table_name(thrift: Any, cluster: Cluster) -> Iterator[str]:
    """A name that no table has; the table is deleted afterwards if the test made it."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    yield name
    connection = thrift(cluster.workers[0])
    if name.encode() in connection.tables():
        connection.delete_table(name, disable=True)


@contextmanager
def servers_of(make):
    servers = []

    def start(*arguments, **options):
        servers.append(make(*arguments, **options))
        return servers[-1]

    try:
        yield start
    finally:
        for server in servers:
            server.kill()


@pytest.fixture
def own_server():
    """Starts a Thrift 2 server on a port of this container: ``own_server(PORT, OPTIONS..., conf=, user=)``."""
    with servers_of(own_thrift_server) as start:
        yield start


@pytest.fixture(scope="module")
def module_thrift_server():
    """The same, for all tests of a module."""
    with servers_of(own_thrift_server) as start:
        yield start


@pytest.fixture
def backup_master():
    """Starts an HMaster in waiting: ``backup_master(PORT OF ITS PAGE, conf=)``."""
    with servers_of(own_backup_master) as start:
        yield start


@pytest.fixture
def conf_with(tmp_path):
    """A copy of the cluster's settings with some of HBase's changed, for a server of our own."""

    def conf_with(settings: dict[str, str]) -> Path:
        return changed_conf(tmp_path / "conf", settings)

    return conf_with
