"""An HBase of our own in the client's container: master, RegionServer and ZooKeeper in one process, on a folder.

For what would break the mini-cluster for all other tests: access control, TLS. Its ports are beside the usual ones.
"""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

from own_java import java_command

from hbimg.errors import StoreError
from hbimg.store import open_store

_UP_S = 90.0


class OwnHBase:
    """An HBase that is up when this is made.

    Parameters
    ----------
    folder : Path
        An empty folder for its files, settings and log.
    settings : dict of str to str
        Of hbase-site.xml, beyond those that make it stand alone.
    first_port : int
        It takes this one and the four after it.
    classes : str
        A folder before the jars on the class path.
    """

    def __init__(self, folder: Path, settings: dict[str, str], first_port: int = 26000, classes: str = "") -> None:
        self.folder = folder
        ports = range(first_port, first_port + 5)
        self.master_port, self.region_port, self.master_page, region_page, self.zookeeper_port = ports
        self.conf = folder / "conf"
        self._write_settings(
            {
                "hbase.rootdir": f"file://{folder}/data",
                "hbase.tmp.dir": f"{folder}/tmp",
                "hbase.cluster.distributed": "false",
                # A local file system cannot flush as HDFS does; nothing here outlives its test.
                "hbase.unsafe.stream.capability.enforce": "false",
                "hbase.zookeeper.quorum": "localhost",
                "hbase.zookeeper.property.clientPort": str(self.zookeeper_port),
                "hbase.master.hostname": "localhost",
                "hbase.unsafe.regionserver.hostname": "localhost",
                "hbase.master.port": str(self.master_port),
                "hbase.master.info.port": str(self.master_page),
                "hbase.regionserver.port": str(self.region_port),
                "hbase.regionserver.info.port": str(region_page),
                "hbase.regionserver.handler.count": "8",
                **settings,
            }
        )
        self.log = folder / "hbase.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                java_command(
                    ["org.apache.hadoop.hbase.master.HMaster", "start"], conf=self.conf, heap="512m", first=classes
                ),
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        try:
            self._wait()
        except BaseException:
            self.stop()
            raise

    def url(self, **options: str) -> str:
        """Give its address by HBase's own RPC, with more options of the URL."""
        named = {"client": "rpc", "rpc_ports": f"{self.master_port},{self.region_port}", **options}
        return "hbase://localhost?" + "&".join(f"{name}={value}" for name, value in named.items())

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()

    def _write_settings(self, settings: dict[str, str]) -> None:
        self.conf.mkdir()
        properties = "".join(f"<property><name>{n}</name><value>{v}</value></property>" for n, v in settings.items())
        (self.conf / "hbase-site.xml").write_text(f"<configuration>{properties}</configuration>")
        local = "<property><name>fs.defaultFS</name><value>file:///</value></property>"
        (self.conf / "core-site.xml").write_text(f"<configuration>{local}</configuration>")

    def _wait(self) -> None:
        end = time.monotonic() + _UP_S
        trouble = self._trouble()
        while trouble:
            told = f"{trouble}:\n{self.log.read_text(errors='replace')[-3000:]}"
            assert self.process.poll() is None, f"HBase ended: {told}"
            assert time.monotonic() < end, told
            time.sleep(0.5)
            trouble = self._trouble()

    def _trouble(self) -> str:
        """Why it does not answer; "" when it does."""
        try:
            with open_store(self.url(wait_s="1", timeout_s="10")) as store:
                store.tables()
        except StoreError as error:
            return str(error)
        return ""
