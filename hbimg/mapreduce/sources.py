"""Which host serves a volume at the moment it is read: asked again all the time, because regions move."""

from __future__ import annotations

import socket
import time
from bisect import bisect_right

from hbimg.errors import StoreError
from hbimg.mapreduce.outcomes import same_host
from hbimg.model import VolumeKey
from hbimg.store import Region
from hbimg.volumes import VolumeTable

#: How long an answer is good for, in seconds; a region that moves is closed for about as long.
_GOOD_FOR_S = 2.0


class Sources:
    """Finds the host that a volume's bytes came from: a gateway on another host, else its region's. For one thread."""

    def __init__(self, volumes: VolumeTable) -> None:
        self._volumes = volumes
        self._host = socket.gethostname()
        self._regions: list[Region] = []
        self._starts: list[bytes] = []
        self._asked_at = float("-inf")

    def __call__(self, key: VolumeKey) -> str:
        """Give the host, '' for this machine; 'unknown' where the store cannot tell now."""
        gateway = self._volumes.table.gateway  # first: asking for regions is a call too
        if gateway and not same_host(gateway, self._host) and gateway != "localhost":
            return gateway
        if time.monotonic() - self._asked_at > _GOOD_FOR_S:
            try:
                self._regions = self._volumes.table.regions()
            except StoreError:
                return "unknown"  # the volume was read; where from is not worth failing it
            self._starts = [region.range.start for region in self._regions]
            self._asked_at = time.monotonic()
        index = bisect_right(self._starts, self._volumes.scheme.volume(key)) - 1
        server = self._regions[index].server if index >= 0 else "unknown"
        return "" if server == "localhost" else server  # an embedded store lies on this machine, whatever its name
