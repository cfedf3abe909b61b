"""What this machine knows of its Hadoop: the client's configuration files, without starting Java.

`HADOOP_CONF_DIR` names the folder of core-site.xml, hdfs-site.xml, yarn-site.xml and mapred-site.xml; hbase-site.xml
stands there too or in `HBASE_CONF_DIR`.
"""

from __future__ import annotations

import getpass
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from xml.etree import ElementTree as ET

from hbimg.errors import JobError

_FILES = ("core-site.xml", "hdfs-site.xml", "yarn-site.xml", "mapred-site.xml", "hbase-site.xml")
_PLACES = ("/etc/hadoop/conf",)


@dataclass(frozen=True)
class Site:
    """A Hadoop installation as its client sees it.

    Attributes
    ----------
    properties : mapping of str to str
        What the configuration files say, ``${other}`` put in.
    hadoop : str
        The `hadoop` command.
    user : str
        Who submits.
    """

    properties: Mapping[str, str]
    hadoop: str
    user: str

    @classmethod
    def find(cls) -> Site:
        """Read the configuration of this machine.

        Raises
        ------
        JobError
            If there is none, or no `hadoop` command.
        """
        properties = _read(_folders())
        hadoop = shutil.which("hadoop")
        if hadoop is None:
            raise JobError("no command `hadoop` in PATH: install Hadoop's client here, or run with --engine local")
        return cls(properties, hadoop, os.environ.get("HADOOP_USER_NAME") or getpass.getuser())

    @property
    def resource_managers(self) -> list[str]:
        """Addresses of the ResourceManagers' web services, as URLs."""
        return _web(self.properties, "yarn.resourcemanager", "yarn.resourcemanager.ha.rm-ids", 8088)

    @property
    def namenodes(self) -> list[str]:
        """Addresses of the NameNodes' web services, as URLs."""
        default = urlsplit(self.properties.get("fs.defaultFS", ""))
        if default.scheme != "hdfs":
            raise JobError(
                f"the cluster's file system is {default.geturl() or 'not named'}: the engine yarn keeps its files in "
                "hdfs://"
            )
        service = default.hostname or ""
        names = self.properties.get(f"dfs.ha.namenodes.{service}", "")
        keys = [f"dfs.namenode.http-address.{service}.{name}" for name in names.split(",") if name]
        found = [self.properties[key] for key in keys or ["dfs.namenode.http-address"] if key in self.properties]
        return [f"http://{_filled(address, service)}" for address in found] or [f"http://{service}:9870"]

    @property
    def history(self) -> str:
        """Address of the job history server, as a URL."""
        address = self.properties.get("mapreduce.jobhistory.webapp.address", "")
        host = urlsplit(f"//{self.properties.get('mapreduce.jobhistory.address', '')}").hostname or "localhost"
        return f"http://{_filled(address, host)}" if address else f"http://{host}:19888"

    @property
    def zookeeper(self) -> dict[str, str]:
        """The properties by which a task finds HBase.

        Raises
        ------
        JobError
            If hbase-site.xml does not name ZooKeeper's hosts.
        """
        names = ("hbase.zookeeper.quorum", "hbase.zookeeper.property.clientPort", "zookeeper.znode.parent")
        found = {name: self.properties[name] for name in names if name in self.properties}
        if names[0] not in found:
            raise JobError(f"no {names[0]} in hbase-site.xml: put that file into HADOOP_CONF_DIR or HBASE_CONF_DIR")
        return found


def _folders() -> list[Path]:
    named = [os.environ[name] for name in ("HADOOP_CONF_DIR", "HBASE_CONF_DIR") if os.environ.get(name)]
    homes = [f"{os.environ['HADOOP_HOME']}/etc/hadoop"] if os.environ.get("HADOOP_HOME") else []
    return [Path(folder) for folder in (*named, *homes, *_PLACES)]


def _read(folders: list[Path]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name in _FILES:
        path = next((folder / name for folder in folders if (folder / name).is_file()), None)
        if path is not None:
            found |= _properties(path)
    if "fs.defaultFS" not in found:
        raise JobError("no YARN is known here: HADOOP_CONF_DIR must name the folder of core-site.xml and yarn-site.xml")
    return {name: _put_in(value, found) for name, value in found.items()}


def _properties(path: Path) -> dict[str, str]:
    try:
        root = ET.parse(path).getroot()
    except (OSError, ET.ParseError) as error:
        raise JobError(f"{path} cannot be read: {error}") from error
    pairs = ((item.findtext("name"), item.findtext("value")) for item in root.iter("property"))
    return {name.strip(): (value or "").strip() for name, value in pairs if name}


def _put_in(value: str, properties: Mapping[str, str]) -> str:
    return re.sub(r"\$\{([^}]+)\}", lambda match: properties.get(match[1], match[0]), value)


def _web(properties: Mapping[str, str], prefix: str, ids: str, port: int) -> list[str]:
    names = [f".{name.strip()}" for name in properties.get(ids, "").split(",") if name.strip()] or [""]
    found = []
    for name in names:
        host = properties.get(f"{prefix}.hostname{name}", "")
        address = properties.get(f"{prefix}.webapp.address{name}", f"{host}:{port}" if host else "")
        if address:
            found.append(f"http://{_filled(address, host)}")
    if not found:
        raise JobError(f"no {prefix}.hostname in yarn-site.xml: HADOOP_CONF_DIR must name the folder of that file")
    return found


def _filled(address: str, host: str) -> str:
    """Give an address whose host may be 0.0.0.0, which means the daemon's own, with a host that can be reached."""
    return re.sub(r"^0\.0\.0\.0", host, address)
