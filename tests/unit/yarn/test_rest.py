"""Hadoop's web services, played by a small server: what hbimg asks them, and what it makes of their answers."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from hbimg.errors import JobError
from hbimg.mapreduce.yarn.cluster import Cluster
from hbimg.mapreduce.yarn.data_nodes import written_bytes
from hbimg.mapreduce.yarn.gather import gather
from hbimg.mapreduce.yarn.hdfs import Hdfs
from hbimg.mapreduce.yarn.region_servers import block_locality, of_regions, of_servers
from hbimg.mapreduce.yarn.rest import RestError, first_that_answers
from hbimg.mapreduce.yarn.site import Site
from hbimg.mapreduce.yarn.trouble import attempt_logs, first_trouble

APP = {
    "id": "application_1_0007",
    "name": "n",
    "user": "me",
    "state": "FINISHED",
    "finalStatus": "FAILED",
    "diagnostics": "Task failed\n task_1",
}
ATTEMPT = {"id": "attempt_7_m_0", "state": "FAILED", "assignedContainerId": "c1", "diagnostics": "Error: \n EOF"}
STDERR = "log4j: noise\nhbimg: there is no table &#39;t&#39; &lt;here&gt;\nlast words"


class Hadoop(BaseHTTPRequestHandler):
    """All daemons in one; `files` is HDFS, `states` what applications were told to be."""

    files: dict[str, bytes]
    states: dict[str, str]

    def log_message(self, *arguments):
        pass

    def answer(self, body, status=200):
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def body(self):
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def do_GET(self):
        parts = urlsplit(self.path)
        if parts.path.startswith("/webhdfs/v1"):
            self.hdfs(unquote(parts.path.removeprefix("/webhdfs/v1")), parse_qs(parts.query))
            return
        here = f"127.0.0.1:{self.server.server_port}"
        page = f"<html><pre>{STDERR if 'stderr' in self.path else 'at work'}</pre></html>".encode()
        node = {"nodeHostName": "w1", "nodeHTTPAddress": here, "usedMemoryMB": 1, "availMemoryMB": 2047}
        jobs = "/ws/v1/history/mapreduce/jobs/job_1_0007"
        counters = [
            {"counterGroupName": "hbimg", "counter": [{"name": "VOLUMES", "totalCounterValue": 5}]},
            {"counterGroupName": "other", "counter": [{"name": "NOISE", "totalCounterValue": 9}]},
        ]
        answers = {
            "/ws/v1/cluster/info": {},
            "/ws/v1/cluster/nodes": {
                "nodes": {"node": [{**node, "usedVirtualCores": 1, "availableVirtualCores": 3}]},
            },
            "/ws/v1/cluster/scheduler": {
                "scheduler": {
                    "schedulerInfo": {
                        "queueName": "root",
                        "queues": {"queue": [{"queueName": "a"}, {"queueName": "root.b"}]},
                    }
                }
            },
            "/ws/v1/cluster/apps": {"apps": {"app": [APP]} if "hbimg-run" in parts.query else {}},
            "/ws/v1/cluster/apps/application_1_0007": {"app": APP},
            f"{jobs}/counters": {"jobCounters": {"counterGroup": counters}},
            f"{jobs}/tasks": {"tasks": {"task": [{"id": "t1"}]}},
            f"{jobs}/tasks/t1/attempts": {"taskAttempts": {"taskAttempt": [{**ATTEMPT, "nodeHttpAddress": here}]}},
            "/node/containerlogs/c1/me/stdout/": page,
            "/node/containerlogs/c1/me/stderr/": page,
            "/jmx": {"beans": [{"percentFilesLocal": 75.0, "BytesWritten": 4321}]},
        }
        found = answers.get(parts.path)
        self.answer(
            {"RemoteException": {"message": "no such\nthing"}} if found is None else found,
            404 - 204 * (found is not None),
        )

    def hdfs(self, path, query):
        operation = query["op"][0]
        if operation == "GETHOMEDIRECTORY":
            self.answer({"Path": "/user/" + query["user.name"][0]})
        elif operation == "GETFILESTATUS" and (path == "/" or path in self.files):
            self.answer({"FileStatus": {"length": len(self.files.get(path, b""))}})
        elif operation == "OPEN" and path in self.files:
            self.answer(self.files[path])
        elif operation == "LISTSTATUS" and any(name.startswith(path + "/") for name in self.files):
            names = [name.removeprefix(path + "/") for name in self.files if name.startswith(path + "/")]
            self.answer({"FileStatuses": {"FileStatus": [{"pathSuffix": name} for name in names]}})
        else:
            self.answer({"RemoteException": {"message": f"File does not exist: {path}"}}, 404)

    def do_PUT(self):
        parts = urlsplit(self.path)
        query, body = parse_qs(parts.query), self.body()
        path = unquote(parts.path.removeprefix("/webhdfs/v1"))
        if parts.path.endswith("/state"):
            self.states[parts.path.split("/")[-2]] = json.loads(body)["state"]
            self.answer({})
        elif parts.path.startswith("/datanode"):
            self.files[parts.path.removeprefix("/datanode")] = body
            self.answer(b"")
        elif query["op"][0] == "CREATE":
            self.answer({"Location": f"http://127.0.0.1:{self.server.server_port}/datanode{path}"})
        elif query["op"][0] == "RENAME":
            target = query["destination"][0]
            if target not in self.files:
                self.files[target] = self.files.pop(path)
                self.answer({"boolean": True})
            else:
                self.answer({"boolean": False})
        else:
            self.answer({"boolean": True})

    def do_DELETE(self):
        self.files.pop(unquote(urlsplit(self.path).path.removeprefix("/webhdfs/v1")), None)
        self.answer({"boolean": True})


@pytest.fixture
def hadoop():
    """The server's handler, and a site that leads to it."""
    handler = type("Handler", (Hadoop,), {"files": {}, "states": {}})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    here = f"127.0.0.1:{server.server_port}"
    properties = {
        "fs.defaultFS": "hdfs://head:9000",
        "dfs.namenode.http-address": here,
        "yarn.resourcemanager.webapp.address": here,
        "mapreduce.jobhistory.webapp.address": here,
    }
    yield handler, Site(properties, "hadoop", "me")
    server.shutdown()
    server.server_close()


def test_files_are_written_whole_and_once(hadoop, tmp_path):
    handler, site = hadoop
    hdfs = Hdfs(site)
    assert hdfs.home() == "/user/me"
    hdfs.make_folder("/user/me/x")
    hdfs.write("/user/me/x/a", b"first")
    hdfs.write("/user/me/x/a", b"second")  # one that is there stays
    (tmp_path / "b").write_bytes(b"of a file")
    hdfs.write("/user/me/x/b", tmp_path / "b")
    assert handler.files == {"/user/me/x/a": b"first", "/user/me/x/b": b"of a file"}
    assert hdfs.names("/user/me/x") == ["a", "b"]
    assert hdfs.names("/user/me/none") == []
    assert (hdfs.size("/user/me/x/b"), hdfs.size("/none"), hdfs.exists("/none")) == (9, None, False)
    assert hdfs.read("/user/me/x/a") == b"first"
    with pytest.raises(RestError, match="File does not exist: /none"):
        hdfs.read("/none")
    assert hdfs.url("/x") == "hdfs://head:9000/x"


def test_only_committed_output_is_gathered(hadoop):
    handler, site = hadoop
    task = {"task": {"attempt": "m1"}}
    handler.files = {
        "/out/part-m-00000": f"key\t{json.dumps(task)}\n".encode(),
        "/out/_SUCCESS": b"",
        "/out/_temporary/part-m-00001": b"half",
    }
    assert list(gather(Hdfs(site), "/out").tasks) == ["m1"]


def test_the_cluster_is_asked(hadoop):
    handler, site = hadoop
    cluster = Cluster(site)
    (node,) = cluster.nodes()
    assert (node.host, node.memory_mb, node.cores) == ("w1", 2048, 4)
    assert {"a", "b"} <= cluster.queues()
    assert "root" not in cluster.queues()
    assert cluster.find("no-such-tag") is None
    application = cluster.find("HBIMG-RUN")
    assert (application.job_id, application.has_ended) == ("job_1_0007", True)
    assert cluster.counters(application) == {"VOLUMES": 5}
    assert cluster.job(application) is None
    cluster.kill(application.id)
    assert handler.states == {"application_1_0007": "KILLED"}


def test_why_a_job_failed_is_what_its_task_said(hadoop):
    cluster = Cluster(hadoop[1])
    application = cluster.application("application_1_0007")
    assert first_trouble(cluster, application) == "there is no table 't' <here> (task attempt_7_m_0 on 127.0.0.1)"
    (log,) = attempt_logs(cluster, application, ("FAILED",))
    assert (log.stdout, log.stderr.splitlines()[-1], log.diagnostics) == ("at work", "last words", "Error: EOF")
    assert not list(attempt_logs(cluster, application, ("RUNNING",)))


def test_a_task_that_was_too_large_is_said_to_be(hadoop, monkeypatch):
    said = "Container [pid=9] is running 5B beyond the 'PHYSICAL' memory limit. Current usage: 1.1 GB of 1 GB"
    monkeypatch.setitem(ATTEMPT, "diagnostics", said)
    cluster = Cluster(hadoop[1])
    told = first_trouble(cluster, cluster.application("application_1_0007"))
    assert told.startswith("a task took more memory than it was given: give more with --memory")


def test_block_locality_is_that_of_servers_that_tell(hadoop):
    port = int(hadoop[1].properties["dfs.namenode.http-address"].partition(":")[2])
    assert of_servers({"127.0.0.1", "no-such-host.invalid"}, port) == {"127.0.0.1": 75.0}
    # Nobody there speaks HBase's RPC, or has a RegionServer's page at its usual port.
    for url in ("hbase://127.0.0.1?wait_s=0.1", "hbase://127.0.0.1?client=thrift"):
        assert block_locality(url, "t", {"127.0.0.1"}) == {}


def test_block_locality_of_a_tables_regions_goes_by_their_bytes():
    class Loose:
        def __init__(self, **values):
            self.__dict__ |= values

    one, two = Loose(host="w1"), Loose(host="w2")
    places = [Loose(encoded=name, server=server) for name, server in zip("abcd", (one, one, two, None), strict=True)]
    sizes = {"a": (300, 1.0), "b": (100, 0.0), "c": (0, 1.0), "d": (9, 0.0)}
    loads = {name: Loose(size_bytes=size, locality=share) for name, (size, share) in sizes.items()}
    assert of_regions(places, loads) == {"w1": 75.0, "w2": 100.0}  # in memory only: nothing to read from elsewhere
    assert of_regions(places, {}) == {}


def test_a_data_node_tells_what_it_wrote_or_nothing(hadoop):
    port = int(hadoop[1].properties["dfs.namenode.http-address"].partition(":")[2])
    assert written_bytes("127.0.0.1", port) == 4321
    assert written_bytes("127.0.0.1", 9) is None


def test_one_of_two_answers(hadoop):
    here = hadoop[1].resource_managers[0]
    assert first_that_answers(["http://127.0.0.1:9", here], "/ws/v1/cluster/info") == here
    with pytest.raises(RestError, match=r"127\.0\.0\.1:9/x does not answer"):
        first_that_answers(["http://127.0.0.1:9"], "/x")
    with pytest.raises(RestError, match="no such thing") as caught:
        first_that_answers([here], "/nothing")
    assert caught.value.status == 404


def test_no_yarn_is_one_line():
    site = Site({"fs.defaultFS": "hdfs://h:1", "yarn.resourcemanager.webapp.address": "127.0.0.1:9"}, "hadoop", "me")
    with pytest.raises(JobError, match=r"YARN does not answer: .*; run with --engine local") as caught:
        Cluster(site)
    assert "\n" not in str(caught.value)
