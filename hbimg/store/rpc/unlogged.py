"""Bulk mode: writes that HBase keeps in memory only, and the proof that they have reached its files.

HBase's log makes every byte be written twice. Without it, what a RegionServer holds in memory is lost when it dies. So
before a volume's row says that the volume is complete, every region that was written to is flushed, and must be the
one that it was at the first write: on the same server process, with the sequence number that it was opened with.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from hbimg.errors import StoreError
from hbimg.store.rpc.locations import RegionPlace
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
        self._written: dict[str, RegionPlace] = {}
        self._lost: StoreError | None = None

    def record(self, place: RegionPlace) -> None:
        """Remember that a region was written to; to be told when the write has returned, as it was before."""
        with self._lock:
            self._written.setdefault(place.encoded, place)

    def refuse_lost(self) -> None:
        """Raise the StoreError of a proof that failed before: nothing written from here can become complete."""
        if self._lost is not None:
            raise self._lost

    def prove(self) -> None:
        """Have all that was recorded in files.

        Raises
        ------
        StoreError
            If it cannot be flushed, or a region was opened anew since it was written to, so that writes may be lost:
            then every later proof fails too, for they may be another writer's.
        """
        with self._proving:  # one thread's writes may be in the proof of another one, which is waited for
            with self._lock:
                self.refuse_lost()
                written, self._written = self._written, {}
            if not written:
                return
            try:
                self._flush(written.values())
                self._refuse_reopened(written)
            except BaseException:
                with self._lock:  # a region as it was at its first write, not as others wrote to it meanwhile
                    self._written |= written
                raise

    def _flush(self, places: Iterable[RegionPlace]) -> None:
        with ThreadPoolExecutor(_FLUSHES, "hbimg-flush") as threads:
            for _ in threads.map(self._regions.flush_region, places):
                pass

    def _refuse_reopened(self, written: dict[str, RegionPlace]) -> None:
        now = {place.encoded: place for place in self._regions.places(self._table)}
        for encoded, place in written.items():
            found = now.get(encoded)
            if found is None or (found.server, found.opened_at_sequence) != (place.server, place.opened_at_sequence):
                self._lost = StoreError(
                    f"region {encoded} of table {self._table!r} was opened anew while it was written to without a log "
                    "(durability=skip_wal): some of it may be lost; run the same command again"
                )
                raise self._lost
