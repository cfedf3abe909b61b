"""Servers of Hadoop and HBase that a test starts in its own container, with settings of its own, to be killed."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest
from own_java import java_command

_START_S = 120


class OwnServer:
    """A Java server in this container. It listens on its port when this returns."""

    def __init__(
        self,
        kind: str,
        *arguments: str,
        port: int,
        conf: Path | None = None,
        heap: str = "256m",
        user: str | None = None,
    ) -> None:
        env = {**os.environ, **({"HADOOP_CONF_DIR": str(conf)} if conf else {})}
        env.update({"HADOOP_USER_NAME": user} if user else {})
        self.port = port
        self._log_path = Path(f"/tmp/{kind.rpartition('.')[2]}-{port}.log")
        with self._log_path.open("ab") as log:
            self.process = subprocess.Popen(
                java_command([f"org.apache.hadoop.hbase.{kind}", *arguments], conf=conf, heap=heap),
                stdout=log,
                stderr=subprocess.STDOUT,
                env=env,
            )

    def wait(self) -> None:
        """Wait until it listens."""
        end = time.monotonic() + _START_S
        while time.monotonic() < end:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            assert self.process.poll() is None, f"the server ended: see {self._log_path}"
            time.sleep(0.1)
        pytest.fail(f"the server does not listen: see {self._log_path}")

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


def own_thrift_server(port: int, *options: str, conf: Path | None = None, user: str | None = None) -> OwnServer:
    """A Thrift 2 server."""
    arguments = ("-p", str(port), "--infoport", str(port + 1), *options, "start")
    server = OwnServer("thrift2.ThriftServer", *arguments, port=port, conf=conf, user=user)
    server.wait()
    return server


def own_backup_master(port: int, conf: Path) -> OwnServer:
    """An HMaster that waits until the one on the head ends; its web page is at this port."""
    server = OwnServer("master.HMaster", "start", "--backup", port=port, conf=conf)
    server.wait()
    return server


def changed_conf(folder: Path, settings: dict[str, str]) -> Path:
    """Copy the cluster's settings into a new folder, with some of HBase's changed."""
    shutil.copytree(os.environ["HADOOP_CONF_DIR"], folder)
    site = folder / "hbase-site.xml"
    text = site.read_text()
    for name, value in settings.items():
        text = re.sub(rf"<property><name>{re.escape(name)}</name>.*?</property>", "", text)
        added = f"<property><name>{name}</name><value>{value}</value></property></configuration>"
        text = text.replace("</configuration>", added)
    site.write_text(text)
    return folder
