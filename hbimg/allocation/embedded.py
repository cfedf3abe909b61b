"""Layouts of stores on one machine: regions on the servers that the store simulates, with the place of their bytes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from hbimg.allocation.admin import LayoutAdmin, Told, refuse_server
from hbimg.allocation.state import RegionState, TableState
from hbimg.errors import StoreError
from hbimg.rowkeys import KeyRange, RowKeyScheme
from hbimg.store.simulated import PlacedRegion, PlacedTable
from hbimg.volumes import VolumeTable

#: Stands for bytes that lie on more than one server: a rewrite brings them together.
_SCATTERED = ""


class EmbeddedAdmin(LayoutAdmin):
    """The regions of a table on one machine. Nothing moves or cuts them but this, so there is nothing to switch."""

    def __init__(self, volumes: VolumeTable, table: PlacedTable) -> None:
        self._scheme: RowKeyScheme = volumes.scheme
        self._table = table

    def state(self) -> TableState:
        regions = self._table.placed_regions()
        stops = [*(region.start for region in regions[1:]), b""]
        found = tuple(
            RegionState(region.start, region.server, None, self._locality(region, stop))
            for region, stop in zip(regions, stops, strict=True)
        )
        return TableState(found, tuple(server.name for server in self._table.servers) or ("localhost",), {})

    def _locality(self, region: PlacedRegion, stop: bytes) -> float:
        return 1.0 if region.home == region.server or not self._holds_bytes(region, stop) else 0.0

    def _holds_bytes(self, region: PlacedRegion, stop: bytes) -> bool:
        rows = KeyRange(region.start, stop).intersect(self._scheme.range_of())
        return next(self._table.scan(rows, ["m"]), None) is not None

    def split(self, start: bytes, cut: bytes) -> None:
        regions, index = self._found(start)
        stop = regions[index + 1].start if index + 1 < len(regions) else b""
        if not (start < cut and cut in KeyRange(start, stop)):
            raise StoreError(f"region {start!r} has no row {cut!r} inside: it cannot be cut there")
        self._table.place_regions([*regions[: index + 1], replace(regions[index], start=cut), *regions[index + 1 :]])

    def merge(self, start: bytes) -> None:
        regions, index = self._found(start)
        if not index:
            raise StoreError("the first region has none before it to be joined to")
        first, second = regions[index - 1 : index + 1]
        home = first.home if first.home == second.home else _SCATTERED
        self._table.place_regions([*regions[: index - 1], replace(first, home=home), *regions[index + 1 :]])

    def move(self, start: bytes, server: str) -> None:
        refuse_server(server, self.state())
        regions, index = self._found(start)
        stop = regions[index + 1].start if index + 1 < len(regions) else b""
        moved = replace(regions[index], server=server)
        # One without bytes leaves none behind: what is written later is written where it is.
        regions[index] = moved if self._holds_bytes(moved, stop) else replace(moved, home=server)
        self._table.place_regions(regions)

    def rewrite(self, starts: Sequence[bytes], told: Told) -> None:
        regions = self._table.placed_regions()
        for start in starts:
            self._found(start)
        self._table.place_regions([replace(r, home=r.server) if r.start in starts else r for r in regions])
        told(f"{len(starts)} of {len(starts)} regions")

    def switch(self, name: str, *, on: bool) -> None:
        raise StoreError(f"a store on one machine has no {name} to be switched {'on' if on else 'off'}")

    def _found(self, start: bytes) -> tuple[list[PlacedRegion], int]:
        regions = self._table.placed_regions()
        for index, region in enumerate(regions):
            if region.start == start:
                return regions, index
        raise StoreError(f"table {self._table.name!r} has no region that begins at {start!r}: look again")
