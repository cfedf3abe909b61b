"""Tables and regions of one HBase, administered without Java: made, altered, placed, flushed, compacted, measured.

Everything here waits until HBase has done it and looks at the outcome; what it gives is HBase's own state at that
moment. Table names are HBase's full ones, ``namespace:name`` or ``name``.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from time import monotonic, sleep
from types import TracebackType
from typing import Any, Self

from hbimg.errors import StoreError, StoreUnavailableError, TableNotFoundError
from hbimg.store.hbase_address import HBaseAddress
from hbimg.store.rpc import hbase_pb2 as pb
from hbimg.store.rpc.cluster import Cluster, open_cluster
from hbimg.store.rpc.locations import Locations, RegionPlace, ServerName, name_of
from hbimg.store.rpc.procedures import run_procedure
from hbimg.store.rpc.regions import RegionLoad, Regions
from hbimg.store.rpc.schema import TableDescription, description_of, first_difference, pairs, schema_of
from hbimg.store.rpc.snapshots import Snapshots

_PAUSE_S = 0.1


class Admin:
    """Administration of one HBase. For any number of threads.

    Parameters
    ----------
    cluster : Cluster
        Its `wait_s` bounds each wait.
    """

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.locations = Locations(cluster)
        self.snapshots = Snapshots(cluster)
        self.region_calls = Regions(cluster, self.locations)

    def close(self) -> None:
        """Close all connections."""
        self.cluster.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.close()

    # -- tables ------------------------------------------------------------------------------------------------------

    def tables(self, namespace: str | None = None) -> list[TableDescription]:
        """Give all tables that are not HBase's own, or those of a namespace, sorted by name; StoreError."""
        request = pb.GetTableDescriptorsRequest(namespace=namespace)
        found = self._descriptors(request, "listing tables")
        return sorted(map(description_of, found), key=lambda table: table.name)

    def describe(self, table: str) -> TableDescription:
        """Give a table's families and attributes; TableNotFoundError if there is none of that name."""
        return description_of(self._descriptor(table))

    def create(self, description: TableDescription, split_points: Collection[bytes] = ()) -> None:
        """Make a table, and make sure that HBase made what was asked for.

        Raises
        ------
        TableExistsError
            If there is one of that name.
        StoreError
            If HBase cannot make it, or made it otherwise: the first difference is named, and the table is deleted.
        """
        name = description.name
        request = pb.CreateTableRequest(table_schema=schema_of(description), split_keys=sorted(split_points))
        run_procedure(self.cluster, "CreateTable", request, f"making table {name!r}", name)
        self.locations.forget_table(name)
        starts = [place.range.start for place in self.regions(name)][1:]
        unlike = first_difference(description, self.describe(name))
        if unlike is None and starts != sorted(split_points):
            unlike = f"the {len(split_points)} split points"
        if unlike is not None:
            self.delete(name)
            raise StoreError(f"HBase made table {name!r} otherwise than asked: {unlike} differs")

    def delete(self, table: str) -> None:
        """Delete a table with all it holds; it is disabled first. TableNotFoundError if there is none."""
        if self.is_enabled(table):
            self.disable(table)
        request = pb.DeleteTableRequest(table_name=name_of(table))
        run_procedure(self.cluster, "DeleteTable", request, f"deleting table {table!r}", table)
        self.locations.forget_table(table)

    def enable(self, table: str) -> None:
        """Enable a table that is disabled; StoreError."""
        request = pb.EnableTableRequest(table_name=name_of(table))
        run_procedure(self.cluster, "EnableTable", request, f"enabling table {table!r}", table)

    def disable(self, table: str) -> None:
        """Disable a table that is enabled: its regions are closed; StoreError."""
        request = pb.DisableTableRequest(table_name=name_of(table))
        run_procedure(self.cluster, "DisableTable", request, f"disabling table {table!r}", table)
        self.locations.forget_table(table)

    def is_enabled(self, table: str) -> bool:
        """Whether a table is enabled; TableNotFoundError if there is none of that name."""
        request = pb.GetTableStateRequest(table_name=name_of(table))
        answer = self._master("GetTableState", request, pb.GetTableStateResponse, f"looking at table {table!r}", table)
        return bool(answer.table_state.state == pb.TableState.ENABLED)

    def alter(self, table: str, attributes: Mapping[str, str | None]) -> TableDescription:
        """Set attributes of a table, None: take one away, and give the table as it is then.

        Regions are opened anew for it, one after the other; readers and writers wait a moment and go on.

        Raises
        ------
        StoreError
            If HBase refuses, or the attributes do not come back as they were set.
        """
        schema = self._descriptor(table)
        kept = [pair for pair in schema.attributes if pair.first.decode() not in attributes]
        added = pairs({name: value for name, value in attributes.items() if value is not None})
        del schema.attributes[:]
        schema.attributes.extend([*kept, *added])
        request = pb.ModifyTableRequest(table_name=name_of(table), table_schema=schema)
        run_procedure(self.cluster, "ModifyTable", request, f"altering table {table!r}", table)
        found = self.describe(table)
        for name, value in attributes.items():
            if found.attributes.get(name) != value:
                raise StoreError(f"HBase did not set attribute {name} of table {table!r} to {value!r}")
        return found

    def _descriptor(self, table: str) -> pb.TableSchema:
        found = self._descriptors(
            pb.GetTableDescriptorsRequest(table_names=[name_of(table)]), f"opening table {table!r}"
        )
        if not found:
            raise TableNotFoundError(f"HBase has no table {table!r}; `hbimg tables` lists what is there")
        return found[0]

    def _descriptors(self, request: pb.GetTableDescriptorsRequest, doing: str) -> list[pb.TableSchema]:
        return list(self._master("GetTableDescriptors", request, pb.GetTableDescriptorsResponse, doing).table_schema)

    # -- servers and regions -----------------------------------------------------------------------------------------

    def version(self) -> str:
        """Give HBase's version; StoreError."""
        return self._status(pb.HBASE_VERSION).hbase_version.version

    def servers(self) -> list[ServerName]:
        """Give the RegionServers that are up, sorted; StoreError."""
        return sorted(self.region_calls.live_servers())

    def dead_servers(self) -> list[ServerName]:
        """Give the RegionServers that died and did not come back, sorted; StoreError."""
        names = self._status(pb.DEAD_SERVERS).dead_servers
        return sorted(ServerName(name.host_name, name.port, name.start_code) for name in names)

    def regions(self, table: str) -> list[RegionPlace]:
        """Give a table's regions in order with server and assign state, from hbase:meta as it is now; StoreError."""
        return self.locations.all_regions(table)

    def loads(self, table: str) -> dict[str, RegionLoad]:
        """Give size and block locality of a table's regions, by encoded name, as their servers tell them now.

        Regions that are on no server at the moment are left out; StoreError.
        """
        return self.region_calls.loads(table)

    def move(self, region: RegionPlace, target: ServerName) -> RegionPlace:
        """Move a region to a server, and wait until it is open there.

        Raises
        ------
        StoreError
            If HBase refuses, or it is not open there within `wait_s`: the message says where it is.
        """
        doing = f"moving region {region.encoded} of table {region.table!r} to {target.host}"
        if target not in self.servers():
            raise StoreError(f"{doing}: no such RegionServer is up; see Admin.servers()")
        encoded = pb.RegionSpecifier(type=pb.RegionSpecifier.ENCODED_REGION_NAME, value=region.encoded.encode())
        name = pb.ServerName(host_name=target.host, port=target.port, start_code=target.start_code)
        request = pb.MoveRegionRequest(region=encoded, dest_server_name=name)

        def arrived() -> RegionPlace | None:
            place = self._place_of(region)
            return place if place.server == target and place.state == "OPEN" else None

        if (there := arrived()) is None:
            self._master("MoveRegion", request, pb.MoveRegionResponse, doing, region.table)
            there = self._wait(arrived, doing, region)
        self.locations.forget(region)
        return there

    def assign(self, region: RegionPlace) -> RegionPlace:
        """Have HBase open a region that is on no server, and wait until it is open; StoreError."""
        doing = f"assigning region {region.encoded} of table {region.table!r}"

        def is_open() -> RegionPlace | None:
            place = self._place_of(region)
            return place if place.server is not None and place.state == "OPEN" else None

        if (there := is_open()) is None:
            request = pb.AssignRegionRequest(region=region.specifier)
            self._master("AssignRegion", request, pb.AssignRegionResponse, doing, region.table)
            there = self._wait(is_open, doing, region)
        return there

    def split(self, region: RegionPlace, row: bytes | None = None) -> list[RegionPlace]:
        """Split a region at a row (None: where HBase finds its middle), and give the table's regions then.

        A split restriction of the table moves the row to the beginning of its group.

        Raises
        ------
        StoreError
            If HBase refuses, for example since the row is outside the region.
        """
        info = pb.RegionInfo(region_id=region.region_id, table_name=name_of(region.table))
        info.start_key, info.end_key, info.split, info.offline = region.range.start, region.range.stop, False, False
        request = pb.SplitTableRegionRequest(region_info=info, split_row=row)
        doing = f"splitting region {region.encoded} of table {region.table!r}"
        run_procedure(self.cluster, "SplitRegion", request, doing, region.table)
        self.locations.forget_table(region.table)
        return self.regions(region.table)

    def merge(self, regions: Sequence[RegionPlace]) -> list[RegionPlace]:
        """Merge neighbouring regions of a table into one, and give the table's regions then; StoreError."""
        kind = pb.RegionSpecifier.ENCODED_REGION_NAME
        names = [pb.RegionSpecifier(type=kind, value=region.encoded.encode()) for region in regions]
        table = regions[0].table
        doing = f"merging {len(regions)} regions of table {table!r}"
        run_procedure(self.cluster, "MergeTableRegions", pb.MergeTableRegionsRequest(region=names), doing, table)
        self.locations.forget_table(table)
        return self.regions(table)

    def tidy_catalog(self) -> None:
        """Have HBase forget the parents of regions that were cut and joined, where nothing refers to them; StoreError.

        It does so every five minutes by itself. Before that, a region that was joined is not joined again.
        """
        kind, doing = pb.RunCatalogScanResponse, "tidying HBase's catalog"
        self._master("RunCatalogScan", pb.RunCatalogScanRequest(), kind, doing)

    def flush(self, table: str) -> None:
        """Write what a table's regions hold in memory to their files; StoreError."""
        self.region_calls.flush(table)

    def clear_block_cache(self, table: str) -> int:
        """Have the servers forget what they hold of a table's files in memory, and give how many blocks; StoreError."""
        return self.region_calls.clear_block_cache(table)

    def major_compact(
        self,
        table: str,
        *,
        only: Collection[str] | None = None,
        wait_s: float | None = None,
        told: Callable[[int, int], None] | None = None,
    ) -> None:
        """Rewrite a table's files, one per region and family, on the servers that have the regions; wait for it.

        What was deleted is not in the new files. The old ones HBase deletes some minutes later.

        Parameters
        ----------
        table : str
        only : collection of str, optional
            Encoded names of the regions; default: all.
        wait_s : float, optional
            How long to wait in all; default: as long as some region makes progress or works.
        told : callable, optional
            Called with regions done and regions in all, whenever that changes.

        Raises
        ------
        StoreError
        """
        self.region_calls.major_compact(table, wait_s, told, only)

    def _place_of(self, region: RegionPlace) -> RegionPlace:
        for place in self.regions(region.table):
            if place.encoded == region.encoded:
                return place
        raise StoreError(
            f"region {region.encoded} of table {region.table!r} is gone: it was split or merged; look again"
        )

    def _wait(self, found: Callable[[], RegionPlace | None], doing: str, region: RegionPlace) -> RegionPlace:
        deadline = monotonic() + self.cluster.wait_s
        while True:
            place = found()
            if place is not None:
                return place
            if monotonic() > deadline:
                now = self._place_of(region)
                raise StoreUnavailableError(
                    f"{doing}: after {self.cluster.wait_s:g} s it is {now.state} on {now.server}"
                )
            sleep(_PAUSE_S)

    # -- switches of the whole cluster -------------------------------------------------------------------------------

    def balancer_is_on(self) -> bool:
        """Whether HBase moves regions by itself; StoreError."""
        return self._switch("IsBalancerEnabled", pb.IsBalancerEnabledRequest())

    def set_balancer(self, *, on: bool) -> bool:
        """Switch HBase's balancer, wait for a run that is under way, and give what it was before; StoreError."""
        request = pb.SetBalancerRunningRequest(on=on, synchronous=True)
        answer = self._master("SetBalancerRunning", request, pb.SetBalancerRunningResponse, "switching the balancer")
        return bool(answer.prev_balance_value)

    def normalizer_is_on(self) -> bool:
        """Whether HBase splits and merges regions by their size by itself; StoreError."""
        return self._switch("IsNormalizerEnabled", pb.IsNormalizerEnabledRequest())

    def set_normalizer(self, *, on: bool) -> bool:
        """Switch HBase's normalizer, and give what it was before; StoreError."""
        request = pb.SetNormalizerRunningRequest(on=on)
        answer = self._master(
            "SetNormalizerRunning", request, pb.SetNormalizerRunningResponse, "switching the normalizer"
        )
        return bool(answer.prev_normalizer_value)

    def splits_are_on(self) -> bool:
        """Whether HBase splits regions that have grown; StoreError."""
        return self._switch("IsSplitOrMergeEnabled", pb.IsSplitOrMergeEnabledRequest(switch_type=pb.SPLIT))

    def set_splits(self, *, on: bool) -> bool:
        """Switch splits by size for the whole cluster, and give what it was before; StoreError."""
        request = pb.SetSplitOrMergeEnabledRequest(enabled=on, synchronous=True, switch_types=[pb.SPLIT])
        answer = self._master("SetSplitOrMergeEnabled", request, pb.SetSplitOrMergeEnabledResponse, "switching splits")
        return bool(answer.prev_value[0])

    # -- calls -------------------------------------------------------------------------------------------------------

    def _status(self, *options: int) -> pb.ClusterStatus:
        request: Any = pb.GetClusterStatusRequest()
        request.options.extend(options)
        kind, doing = pb.GetClusterStatusResponse, "looking at the cluster"
        return self.cluster.call_master("GetClusterStatus", request, kind, doing).cluster_status

    def _switch(self, method: str, request: Any) -> bool:
        return bool(self._master(method, request, pb.SwitchResponse, "asking for a switch of HBase's").enabled)

    def _master(self, method: str, request: Any, kind: Any, doing: str, table: str | None = None) -> Any:
        return self.cluster.call_master(method, request, kind, doing, table)


def open_admin(url: str) -> Admin:
    """Open the administration of the HBase that an ``hbase:`` URL names; it is a context manager that closes it.

    Raises
    ------
    ConfigError
        If the URL is malformed.
    StoreUnavailableError
        If none of its hosts answers as a master or RegionServer of HBase.
    """
    return Admin(open_cluster(HBaseAddress.parse(url)))
