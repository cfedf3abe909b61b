"""What RegionServers themselves do and tell of a table's regions: flush, major compaction, size, block locality."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from time import monotonic, sleep

from google.protobuf.message import Message

from hbimg.errors import StoreBusyError, StoreError, StoreUnavailableError
from hbimg.store.hbase_address import Server
from hbimg.store.rpc import hbase_pb2 as pb
from hbimg.store.rpc.cluster import ADMIN, Cluster, Persistence
from hbimg.store.rpc.locations import Locations, RegionPlace, ServerName, name_of
from hbimg.store.rpc.remote import RemoteError
from hbimg.store.rpc.wire import MessageT

_MB = 1 << 20
_PAUSE_S = 0.25
#: Longest pause while another flush of a region is waited for, which takes a second or so.
_FLUSH_PAUSE_S = 0.2
#: How often a compaction that HBase dropped is asked for anew.
_REQUESTS = 5


@dataclass(frozen=True, slots=True)
class RegionLoad:
    """What a RegionServer tells of a region.

    Attributes
    ----------
    size_bytes : int
        Of its files in HDFS, one copy.
    memory_bytes : int
        Written, but not in files yet; in whole MiB.
    locality : float
        Share of its files' blocks with a copy on its own server, 0 to 1; 1 if it has no files.
    stores, files : int
        Families, and files of all of them.
    reads, writes : int
        Requests since it was opened.
    compacted_at_ms : int
        When the oldest of its files made by a major compaction was made, in ms since 1970 by its server's clock;
        0: there is none.
    """

    size_bytes: int
    memory_bytes: int
    locality: float
    stores: int
    files: int
    reads: int
    writes: int
    compacted_at_ms: int


class _RegionGoneError(StoreError):
    """A region was split or merged: there is no use in asking for it again."""


class Regions:
    """Calls to the servers of a table's regions, wherever these are. For any number of threads."""

    def __init__(self, cluster: Cluster, locations: Locations) -> None:
        self._cluster = cluster
        self._locations = locations

    def live_servers(self) -> set[ServerName]:
        """Give the RegionServers that the master counts among the living; StoreError."""
        request, kind = pb.GetClusterStatusRequest(options=[pb.SERVERS_NAME]), pb.GetClusterStatusResponse
        answer = self._cluster.call_master("GetClusterStatus", request, kind, "asking which servers are up")
        names = answer.cluster_status.servers_name
        return {ServerName(name.host_name, name.port, name.start_code) for name in names}

    def loads(self, table: str) -> dict[str, RegionLoad]:
        """Give what the servers tell of a table's regions, by encoded name; StoreError."""
        doing = f"asking for the sizes of table {table!r}"
        request = pb.GetRegionLoadRequest(table_name=name_of(table))

        def ask() -> pb.GetRegionLoadResponse:
            merged = pb.GetRegionLoadResponse()
            for server in sorted({place.require_server().server for place in self._locations.regions(table)}):
                merged.MergeFrom(self._cluster.call(server, ADMIN, "GetRegionLoad", request, pb.GetRegionLoadResponse))
            return merged

        found = self._cluster.insist(ask, doing, table)
        return {_encoded(load.region_specifier): _load_of(load) for load in found.region_loads}

    def flush(self, table: str) -> None:
        """Write what all regions hold in memory to files; StoreError."""
        for place in self._locations.all_regions(table):
            self.flush_region(place)

    def flush_region(self, place: RegionPlace) -> None:
        """Write what a region, or what has become of it, holds in memory to files; StoreError."""
        pending = list(self._successors(place))
        while pending:
            now = pending.pop()
            try:
                self._flush_this(now)
            except _RegionGoneError:
                pending += self._successors(now)

    def _flush_this(self, place: RegionPlace) -> None:
        doing = f"flushing table {place.table!r}"
        persistence = Persistence(self._cluster.wait_s, _FLUSH_PAUSE_S)
        # The mark in the log tells that nothing was left to write from that another flush was under way.
        request = pb.FlushRegionRequest(region=place.specifier, write_flush_wal_marker=True)
        while True:
            answer = self._on_region(place, "FlushRegion", request, pb.FlushRegionResponse, doing)
            if answer.flushed or answer.wrote_flush_wal_marker:
                return
            persistence.pause(StoreBusyError(f"{doing}: region {place.encoded} is being flushed already"))

    def clear_block_cache(self, table: str) -> int:
        """Have the servers forget the blocks of a table that they hold in memory; give how many. StoreError."""
        doing = f"clearing the block cache of table {table!r}"
        kind, cleared = pb.ClearRegionBlockCacheResponse, 0
        for place in self._locations.all_regions(table):
            request = pb.ClearRegionBlockCacheRequest(region=[place.specifier])
            cleared += self._on_region(place, "ClearRegionBlockCache", request, kind, doing).stats.evicted_blocks
        return cleared

    def major_compact(
        self,
        table: str,
        wait_s: float | None,
        tell: Callable[[int, int], None] | None,
        only: Collection[str] | None = None,
    ) -> None:
        """Rewrite the files of all regions, or of `only` some, and wait until it is done; StoreError."""
        places = [place for place in self._locations.all_regions(table) if only is None or place.encoded in only]
        before = {encoded: load.compacted_at_ms for encoded, load in self.loads(table).items()}
        requests = dict.fromkeys((place.encoded for place in places), 0)
        deadline = monotonic() + (wait_s if wait_s is not None else float("inf"))
        pending = places
        for place in pending:
            self._request_compaction(place)
        while pending:
            loads = self.loads(table)
            left = [place for place in pending if not self._is_compacted(place, loads, before, requests)]
            if tell is not None and left != pending:
                tell(len(places) - len(left), len(places))
            pending = left
            if pending and monotonic() > deadline:
                raise StoreUnavailableError(
                    f"compacting table {table!r}: {len(pending)} of {len(places)} regions are not done after "
                    f"{wait_s:g} s; HBase goes on with it"
                )
            if pending:
                sleep(_PAUSE_S)

    def _is_compacted(
        self, place: RegionPlace, loads: dict[str, RegionLoad], before: dict[str, int], requests: dict[str, int]
    ) -> bool:
        load = loads.get(place.encoded)
        if load is None:
            raise StoreUnavailableError(
                f"compacting table {place.table!r}: region {place.encoded} was split, merged or closed "
                "meanwhile: run again"
            )
        if load.files == 0 or (load.files <= load.stores and load.compacted_at_ms != before.get(place.encoded, 0)):
            return True
        question = pb.GetRegionInfoRequest(region=place.specifier, compaction_state=True)
        doing = f"compacting table {place.table!r}"
        state = self._on_region(place, "GetRegionInfo", question, pb.GetRegionInfoResponse, doing).compaction_state
        if state == pb.GetRegionInfoResponse.NONE and requests[place.encoded] < _REQUESTS:
            # Nothing under way, and nothing done: files were in use by a smaller compaction, or the region moved.
            requests[place.encoded] += 1
            self._request_compaction(place)
        elif state == pb.GetRegionInfoResponse.NONE:
            raise StoreUnavailableError(f"{doing}: HBase drops the compaction of region {place.encoded}: see its log")
        return False

    def _request_compaction(self, place: RegionPlace) -> None:
        request = pb.CompactRegionRequest(region=place.specifier, major=True)
        doing = f"compacting table {place.table!r}"
        self._on_region(place, "CompactRegion", request, pb.CompactRegionResponse, doing)

    def _successors(self, place: RegionPlace) -> Iterator[RegionPlace]:
        """Give the regions that have a region's rows now."""
        for now in self._locations.all_regions(place.table):
            if not now.range.intersect(place.range).is_empty:
                yield now

    def _on_region(
        self,
        place: RegionPlace,
        method: str,
        request: Message,
        kind: type[MessageT],
        doing: str,
    ) -> MessageT:
        """Call the server that has a region, wherever it has moved to."""
        server: Server | None = place.require_server().server

        def attempt() -> MessageT:
            nonlocal server
            if server is None:
                moved = [now for now in self._locations.regions(place.table) if now.encoded == place.encoded]
                if not moved:
                    raise _RegionGoneError(f"{doing}: region {place.encoded} was split or merged: run again")
                server = moved[0].require_server().server
            try:
                return self._cluster.call(server, ADMIN, method, request, kind)
            except (RemoteError, StoreUnavailableError):
                server = None
                raise

        return self._cluster.insist(attempt, doing, place.table)


def _encoded(specifier: pb.RegionSpecifier) -> str:
    return specifier.value[:-1].rpartition(b".")[2].decode()


def _load_of(load: pb.RegionLoad) -> RegionLoad:
    return RegionLoad(
        size_bytes=load.blocks_total_weight or load.storefile_size_MB * _MB,
        memory_bytes=load.mem_store_size_MB * _MB,
        locality=load.data_locality if load.storefiles else 1.0,
        stores=load.stores,
        files=load.storefiles,
        reads=load.read_requests_count,
        writes=load.write_requests_count,
        compacted_at_ms=load.last_major_compaction_ts,
    )
