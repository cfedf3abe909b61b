"""A worker process of the local engine: opens the store, works off the splits it is handed, tells of each volume.

Messages are JSON, one by one over a socket pair; nothing is pickled. The worker asks for its next split while it
works on the last volume of the one it has, so that fetching never pauses. SIGTERM means: end after this volume.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator, Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from threading import Lock
from types import FrameType
from typing import Any

from hbimg.errors import HbimgError
from hbimg.mapreduce.job import Job
from hbimg.mapreduce.links import Links
from hbimg.mapreduce.registry import load_class
from hbimg.mapreduce.sources import Sources
from hbimg.mapreduce.tasks import TaskSettings, run_split
from hbimg.model import VolumeKey
from hbimg.store import open_store
from hbimg.volumes import VolumeTable

#: What the engine starts. The parent's module path comes as an argument, so that the same modules are found.
COMMAND = "import sys, json; sys.path[:] = json.loads(sys.argv[2]); from hbimg.mapreduce.worker import main; main()"


class Channel:
    """JSON messages over a connection; sending is for any thread."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._lock = Lock()

    def send(self, message: Mapping[str, Any]) -> None:
        """Send one message."""
        with self._lock:
            self.connection.send_bytes(json.dumps(message).encode())

    def receive(self) -> dict[str, Any]:
        """Wait for one message; EOFError when the other side is gone."""
        message: dict[str, Any] = json.loads(self.connection.recv_bytes())
        return message


def main() -> None:
    """Serve one parent until there is no more work, or the parent is gone."""
    channel = Channel(Connection(int(sys.argv[1])))
    try:
        _serve(channel)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        os._exit(1)  # the parent died: nobody is left to tell


def _serve(channel: Channel) -> None:
    stopping = _stop_on_sigterm()
    order = channel.receive()
    try:
        job_class = load_class(order["job"])
        job = job_class.of_parameters(order["parameters"])
        with open_store(order["store"]) as store:
            volumes = VolumeTable.open(store, order["table"])
            channel.send({"event": "ready"})
            simulated: dict[str, Any] = {}
            if store.servers:
                links = Links(Path(order["links"]), store.servers, order["settings"]["host"], volumes)
                simulated["transfer"] = links.transfer
            settings = TaskSettings(
                **order["settings"],
                **simulated,
                scratch=Path(order["scratch"]),
                on_start=lambda key: channel.send({"event": "start", "key": str(key)}),
                stopped=lambda: bool(stopping),
                source=Sources(volumes),
            )
            _work(channel, job, volumes, settings)
    except HbimgError as error:
        channel.send({"event": "fatal", "error": type(error).__name__, "message": str(error)})


def _work(channel: Channel, job: Job, volumes: VolumeTable, settings: TaskSettings) -> None:
    for outcome in run_split(job, volumes, _keys(channel), settings):
        channel.send({"event": "outcome", "outcome": outcome.to_json()})
    channel.send({"event": "end"})


def _keys(channel: Channel) -> Iterator[VolumeKey]:
    while True:
        channel.send({"event": "next"})
        keys = channel.receive()["keys"]
        if not keys:
            return
        yield from map(VolumeKey.parse, keys)


def _stop_on_sigterm() -> list[int]:
    """Fill the list that is returned when SIGTERM comes; Ctrl-C is the parent's alone."""
    stopping: list[int] = []

    def stop(number: int, frame: FrameType | None) -> None:
        del frame
        stopping.append(number)

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    return stopping
