"""Bulk mode: writes that HBase keeps in memory only, and the proof that they have reached its files.

HBase's log makes every byte be written twice. Without it, what a RegionServer holds in memory is lost when its process
ends otherwise than in order; a region that is moved, split, merged or altered is flushed first. So before a volume's
row says that the volume is complete, every region that was written to is flushed, wherever it is by then, and every
server process that took a write must still be alive.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from hbimg.errors import StoreError
from hbimg.store.rpc.locations import RegionPlace, ServerName
from hbimg.store.rpc.regions import Regions

#: Regions flushed at once; they are on several servers where it matters.
_FLUSHES = 4


class UnloggedWrites:
    """The regions of a table that were written to without a log. For any number of threads."""

    def __init__(self, table: str, regions: Regions) -> None:
        self._table = table
        self._regions = regions
        self._proving = threading.Lock()
        self._lock = threading.Lock()
        self._written: dict[tuple[str, ServerName], RegionPlace] = {}
        self._lost: StoreError | None = None

    def record(self, place: RegionPlace) -> None:
        """Remember that a region was written to; to be told when the write has returned, as it was before."""
        with self._lock:
            self._written[place.encoded, place.require_server()] = place

    def refuse_lost(self) -> None:
        """Raise the StoreError of a proof that failed before: nothing written from here can become complete."""
        if self._lost is not None:
            raise self._lost

    def prove(self) -> None:
        """Have all that was recorded in files.

        Raises
        ------
        StoreError
            If it cannot be flushed, or a server process ended since it took a write, so that writes may be lost: then
            every later proof fails too, for they may be another writer's.
        """
        with self._proving:  # one thread's writes may be in the proof of another one, which is waited for
            with self._lock:
                self.refuse_lost()
                written, self._written = self._written, {}
            if not written:
                return
            try:
                self._flush({place.encoded: place for place in written.values()}.values())
                self._refuse_ended({server for _, server in written})
            except BaseException:
                with self._lock:
                    self._written |= written
                raise

    def _flush(self, places: Iterable[RegionPlace]) -> None:
        with ThreadPoolExecutor(_FLUSHES, "hbimg-flush") as threads:
            for _ in threads.map(self._regions.flush_region, places):
                pass

    def _refuse_ended(self, servers: set[ServerName]) -> None:
        """Raise the StoreError if one of the servers ended; to be asked after a flush.

        That a region was flushed at another server means that the first one gave it up, in order or by its end; and
        the master no longer counts a server that ended among the living before it lets others open its regions.
        """
        ended = servers - self._regions.live_servers()
        if ended:
            server = min(ended)
            self._lost = StoreError(
                f"server {server.host},{server.port},{server.start_code} ended while table {self._table!r} was written "
                "to without a log (durability=skip_wal): some of it may be lost; run the same command again"
            )
            raise self._lost
