"""Named servers for stores on one machine: slots, a link, and a layout of regions that stands in the table.

A laptop then has what a cluster has: regions on servers, tasks that are local or remote, layouts that can be planned
and applied. All bytes lie in one place; what differs is who is near them, and how long others take to fetch them.
"""

from __future__ import annotations

import json
import re
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise

from hbimg.errors import ConfigError, TableFormatError
from hbimg.rowkeys import KeyRange
from hbimg.store.contract import LINK_BYTES_PER_S, Region, SimulatedServer, Table, TableSettings

MOST_SERVERS, MOST_SLOTS = 1_000, 1_024
_SERVER = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]{0,62}):(?P<slots>\d{1,4})")


@dataclass(frozen=True, slots=True)
class PlacedRegion:
    """A region as a table keeps it: where it begins, its server, and the server near which its bytes lie.

    `home` differs from `server` when the region was moved and not rewritten since: HBase leaves the blocks behind.
    """

    start: bytes
    server: str
    home: str


def parse_servers(text: str, link_bytes_per_s: float = LINK_BYTES_PER_S) -> tuple[SimulatedServer, ...]:
    """Read ``name:slots,name:slots``.

    Raises
    ------
    ConfigError
        If it is malformed, or a name comes twice.
    """
    found = []
    for part in text.split(","):
        match = _SERVER.fullmatch(part)
        if not match or not 1 <= int(match["slots"]) <= MOST_SLOTS:
            raise ConfigError(f"servers={text!r}: write name:slots,name:slots with 1 to {MOST_SLOTS} slots each")
        found.append(SimulatedServer(match["name"], int(match["slots"]), link_bytes_per_s))
    if len({server.name for server in found}) < len(found) or len(found) > MOST_SERVERS:
        raise ConfigError(f"servers={text!r}: each server comes once, and there are at most {MOST_SERVERS:,}")
    return tuple(found)


def servers_text(servers: Sequence[SimulatedServer]) -> str:
    """Give the text that `parse_servers` reads."""
    return ",".join(f"{server.name}:{server.slots}" for server in servers)


class PlacedTable(Table):
    """A table on one machine whose regions stand on simulated servers, if its store has some."""

    def __init__(self, name: str, settings: TableSettings, servers: Sequence[SimulatedServer] = ()) -> None:
        super().__init__(name, settings)
        self.servers = tuple(servers)

    @abstractmethod
    def load_layout(self) -> bytes | None:
        """Give what `save_layout` wrote last."""

    @abstractmethod
    def save_layout(self, layout: bytes) -> None:
        """Keep the layout with the table, at once or not at all."""

    def placed_regions(self) -> list[PlacedRegion]:
        """Give the regions in order as they are now.

        A table that was never laid out has its regions in turn on all servers, as HBase places those of a new table.
        Those of a server that is gone are in turn on the ones that are left; their bytes stay where they were.
        """
        names = [server.name for server in self.servers] or ["localhost"]
        kept = self.load_layout()
        if kept is None:
            starts = [b"", *self.settings.split_points]
            return [PlacedRegion(start, names[n % len(names)], names[n % len(names)]) for n, start in enumerate(starts)]
        regions = _layout_of(kept, self.name)
        if not self.servers:
            return [PlacedRegion(region.start, "localhost", "localhost") for region in regions]
        found = []
        for number, region in enumerate(regions):
            server = region.server if region.server in names else names[number % len(names)]
            found.append(PlacedRegion(region.start, server, region.home))
        return found

    def place_regions(self, regions: Sequence[PlacedRegion]) -> None:
        """Make these the table's regions: in order, the first from the empty key on."""
        data = [asdict(region) | {"start": region.start.hex()} for region in regions]
        self.save_layout(json.dumps(data).encode())

    def regions(self) -> list[Region]:
        """Give the regions in order; together they hold every possible row."""
        placed = self.placed_regions()
        borders = [*(region.start for region in placed), b""]
        return [Region(KeyRange(a, b), region.server) for (a, b), region in zip(pairwise(borders), placed, strict=True)]


def _layout_of(kept: bytes, table: str) -> list[PlacedRegion]:
    try:
        return [PlacedRegion(**(data | {"start": bytes.fromhex(data["start"])})) for data in json.loads(kept)]
    except (ValueError, KeyError, TypeError) as error:
        raise TableFormatError(f"table {table!r} has a damaged layout: restore the table from a copy") from error
