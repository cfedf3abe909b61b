"""Links between simulated servers: what a task fetches from another server takes as long as both links need for it.

Each link serves one transfer after the other, in order of arrival; so the sum of what goes through is right, whoever
asks. Processes agree through a small file that says until when each link is taken.
"""

from __future__ import annotations

import fcntl
import json
import time
from collections.abc import Sequence
from pathlib import Path

from hbimg.model import VolumeKey
from hbimg.store import Region
from hbimg.store.contract import SimulatedServer
from hbimg.volumes import VolumeTable


class Links:
    """The links as the tasks of one server see them.

    Parameters
    ----------
    folder : Path
        The same for all processes of a run.
    servers : sequence of SimulatedServer
    own : str
        The server on which the tasks run.
    volumes : VolumeTable
        Its regions tell where each volume lies.
    """

    def __init__(self, folder: Path, servers: Sequence[SimulatedServer], own: str, volumes: VolumeTable) -> None:
        self._file = folder / "links.json"
        self._speeds = {server.name: server.link_bytes_per_s for server in servers}
        self._own = own
        self._scheme = volumes.scheme
        self._regions = volumes.table.regions()

    def transfer(self, key: VolumeKey, size_bytes: int) -> None:
        """Wait as long as bytes of a volume take from its server to this one, or back; not at all on the same one."""
        there = server_of(self._regions, self._scheme.volume(key))
        if there != self._own and size_bytes:
            time.sleep(max(0.0, self._reserve(there, size_bytes) - time.monotonic()))

    def _reserve(self, there: str, size_bytes: int) -> float:
        """Take both links for a transfer, and give when it ends, on the clock that all processes share."""
        ends = (there, self._own)
        with self._file.open("a+") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            stream.seek(0)
            taken: dict[str, float] = json.loads(stream.read() or "{}")
            begin = max(time.monotonic(), *(taken.get(name, 0.0) for name in ends))
            end = begin + size_bytes / min(self._speeds[name] for name in ends)
            taken |= dict.fromkeys(ends, end)
            stream.seek(0)
            stream.truncate()
            stream.write(json.dumps(taken))
        return end


def server_of(regions: Sequence[Region], row: bytes) -> str:
    """Give the server of the region that holds a row."""
    return next(region.server for region in regions if row in region.range)
