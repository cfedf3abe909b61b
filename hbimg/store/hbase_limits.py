"""Limits of HBase's servers that are too small for hbimg's cells and batches, told before the first write.

No call of Thrift tells a server's settings, but its web page does. Where that cannot be reached nothing is said here;
a write that is too large then fails by itself, and its error names the setting too (`hbimg.store.hbase_errors`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from http.client import HTTPException
from threading import Lock
from urllib.request import ProxyHandler, Request, build_opener
from xml.etree import ElementTree as ET

from hbimg.errors import StoreError
from hbimg.store.contract import CHUNK_BYTES
from hbimg.store.hbase_address import Server

CLIENT_CELL = "hbase.client.keyvalue.maxsize"
SERVER_CELL = "hbase.server.keyvalue.maxsize"
FRAME = "hbase.regionserver.thrift.framed.max_frame_size_in_mb"
#: HBase's default of both limits on cells.
DEFAULT_CELL_BYTES = 10485760
#: A chunk with its checksum, row key, column and timestamp.
SMALLEST_CELL_BYTES = CHUNK_BYTES + 4096
#: A batch of 4 MiB and a last large cell fit.
FRAME_MIB = 16
_DEFAULT_FRAME_MIB = 2
_TIMEOUT_S = 2.0
_MOST_BYTES = 16 << 20


class Limits:
    """Looks once at a Thrift server's limits. For any number of threads.

    Parameters
    ----------
    server : Server
        The Thrift server.
    info_port : int
        Port of its web page; 0: do not look.
    framed : bool
        Whether it takes messages in frames.
    """

    def __init__(self, server: Server, info_port: int, *, framed: bool) -> None:
        self._server = server
        self._info_port = info_port
        self._framed = framed
        self._lock = Lock()
        self._looked = False

    def check(self) -> None:
        """Raise a StoreError that names the setting, if a limit is too small for hbimg."""
        with self._lock:
            if self._looked or not self._info_port:
                return
            settings = _settings_of(self._server.host, self._info_port)
            if settings:
                refuse_small(settings, f"HBase's Thrift server {self._server}", framed=self._framed)
            self._looked = True


def refuse_small(settings: Mapping[str, str], where: str, *, framed: bool) -> None:
    """Raise a StoreError if a setting is too small for what hbimg writes."""
    for setting in (CLIENT_CELL, SERVER_CELL):
        limit = size_of(settings.get(setting, ""), DEFAULT_CELL_BYTES)
        if 0 < limit < SMALLEST_CELL_BYTES:  # 0 and below: no limit
            raise StoreError(
                f"{where} has {setting} = {limit:,.0f} bytes, but hbimg writes cells of up to {CHUNK_BYTES:,}: set it "
                f"to {DEFAULT_CELL_BYTES} (HBase's default) there and on the RegionServers, and restart them"
            )
    frame = size_of(settings.get(FRAME, ""), _DEFAULT_FRAME_MIB)
    if framed and frame < FRAME_MIB:
        raise StoreError(
            f"{where} has {FRAME} = {frame:.0f}, but hbimg's batches need {FRAME_MIB}: set it, and restart the server"
        )


def _settings_of(host: str, port: int) -> dict[str, str]:
    """Read a daemon's settings; empty where its web page cannot be reached."""
    name = f"[{host}]" if ":" in host else host
    request = Request(f"http://{name}:{port}/conf?format=json", headers={"Accept": "application/json"})
    opener = build_opener(ProxyHandler({}))  # a cluster's own pages are not behind the proxy that leads out
    try:
        with opener.open(request, timeout=_TIMEOUT_S) as answer:
            return settings_in(answer.read(_MOST_BYTES))
    except (OSError, HTTPException, ValueError, KeyError, TypeError):
        return {}


def settings_in(body: bytes) -> dict[str, str]:
    """Read what a daemon's ``/conf`` gives: JSON, or XML from those that know nothing else; ValueError for others."""
    if not body.lstrip().startswith(b"<"):
        return {str(item["key"]): str(item["value"]) for item in json.loads(body)["properties"]}
    try:
        root = ET.fromstring(body)
    except ET.ParseError as error:
        raise ValueError(str(error)) from error
    return {item.findtext("name", ""): item.findtext("value", "") for item in root.iter("property")}


def size_of(text: str, default: float) -> float:
    """Read a number as Hadoop writes it: ``0.4``, ``10485760``, ``64m``."""
    match = re.fullmatch(r"\s*(-?\d+(?:\.\d+)?)\s*([kmgt]?)b?\s*", text, re.IGNORECASE)
    return float(match[1]) * 1024 ** " kmgt".index(match[2].lower() or " ") if match else default
