"""HDFS and YARN of our own in the client's container, a master and a worker of each: to be broken from the start.

What is wrong with a worker's disks, clock or Hadoop is looked at here, where no other test needs it.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.request import urlopen

from own_java import java_command

_UP_S = 120.0
NAMENODE = "org.apache.hadoop.hdfs.server.namenode.NameNode"
DATANODE = "org.apache.hadoop.hdfs.server.datanode.DataNode"
RESOURCEMANAGER = "org.apache.hadoop.yarn.server.resourcemanager.ResourceManager"
NODEMANAGER = "org.apache.hadoop.yarn.server.nodemanager.NodeManager"


class OwnHadoop:
    """Up when this is made, on Hadoop's usual ports.

    Parameters
    ----------
    folder : Path
        An empty folder for all of it.
    worker_settings : dict of str to dict of str to str
        What the worker's files say otherwise: file, setting, value.
    worker_environment : dict of str to str
        What the worker's daemons find in their environment.
    worker_classes : str
        A folder before the jars on the DataNode's class path.
    """

    def __init__(
        self,
        folder: Path,
        worker_settings: Mapping[str, Mapping[str, str]],
        worker_environment: Mapping[str, str],
        worker_classes: str,
    ) -> None:
        self.folder = folder
        self.processes: list[subprocess.Popen[bytes]] = []
        own = {
            "core-site": {"fs.defaultFS": "hdfs://localhost:9000", "hadoop.tmp.dir": f"{folder}/tmp"},
            "hdfs-site": {"dfs.namenode.name.dir": f"{folder}/name", "dfs.datanode.data.dir": f"{folder}/dfs"},
            "yarn-site": {
                "yarn.resourcemanager.hostname": "localhost",
                "yarn.scheduler.minimum-allocation-mb": "1",  # a worker with less is sent away
                "yarn.nodemanager.local-dirs": f"{folder}/yarn",
                "yarn.nodemanager.log-dirs": f"{folder}/logs",
            },
        }
        masters = _conf(folder / "masters", own)
        worker = _conf(folder / "worker", {file: {**own[file], **worker_settings.get(file, {})} for file in own})
        try:
            self._start(masters, NAMENODE, "-format", "-nonInteractive").wait(_UP_S)
            for kind in (NAMENODE, RESOURCEMANAGER):
                self._start(masters, kind)
            self._start(worker, DATANODE, environment=worker_environment, classes=worker_classes)
            self._start(worker, NODEMANAGER, environment=worker_environment)
            _wait_until(_has_both, lambda: f"see the logs in {folder}")
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait()

    def _start(
        self, conf: Path, kind: str, *arguments: str, environment: Mapping[str, str] | None = None, classes: str = ""
    ) -> subprocess.Popen[bytes]:
        base = {**os.environ, "HADOOP_CONF_DIR": str(conf)}
        with (self.folder / f"{kind.rpartition('.')[2]}.log").open("ab") as log:
            process = subprocess.Popen(
                java_command([kind, *arguments], conf=conf, first=classes),
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**base, **(environment or {})},
            )
        self.processes.append(process)
        return process


def _conf(folder: Path, changed: Mapping[str, Mapping[str, str]]) -> Path:
    """Copy the cluster's settings, with some changed: of two of one name the last counts."""
    shutil.copytree(os.environ["HADOOP_CONF_DIR"], folder)
    for file, settings in changed.items():
        lines = "".join(f"<property><name>{n}</name><value>{v}</value></property>" for n, v in settings.items())
        path = folder / f"{file}.xml"
        path.write_text(path.read_text().replace("</configuration>", f"{lines}</configuration>"))
    return folder


def _has_both() -> bool:
    with urlopen("http://localhost:9870/jmx?qry=Hadoop:service=NameNode,name=FSNamesystemState", timeout=10) as answer:
        state = json.load(answer)["beans"]
    with urlopen("http://localhost:8088/ws/v1/cluster/metrics", timeout=10) as answer:
        nodes = json.load(answer)["clusterMetrics"]["activeNodes"]
    return bool(state and state[0]["NumLiveDataNodes"] == 1 and nodes == 1)


def _wait_until(true: Callable[[], bool], trouble: Callable[[], str]) -> None:
    end = time.monotonic() + _UP_S
    while time.monotonic() < end:
        try:
            if true():
                return
        except (OSError, ValueError, KeyError):  # starting
            pass
        time.sleep(0.5)
    raise AssertionError(f"HDFS and YARN did not come up in {_UP_S:.0f} s: {trouble()}")
