"""Plans as TOML files that people can read, change and keep: written from a `Plan`, read back as what `apply` needs."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomli_w

from hbimg.allocation.layout import Layout, Server, check_servers
from hbimg.allocation.planner import REGION_BYTES, Plan
from hbimg.errors import ConfigError
from hbimg.model import LEVELS
from hbimg.perfmodel.whole_files import write_whole
from hbimg.rowkeys.scheme import GROUP_END

FORMAT = 1
_TOP = {"format", "table", "group_level", "work", "region_bytes", "expected", "server", "region"}
_HEAD = """\
# A layout of table {table}: which rows stand on which server. `hbimg layout apply --plan FILE` makes it so.
# A region goes from its `start` to that of the next one; a start is what the rows of a group begin with.

"""


@dataclass(frozen=True)
class StoredPlan:
    """What a plan file says.

    Attributes
    ----------
    table, group_level : str
    servers : tuple of Server
    layout : Layout
    region_bytes : float
        A region above it is due to be cut again.
    planned_bytes : int
        Bytes of the table when it was planned.
    unit : str
        What was balanced.
    """

    table: str
    group_level: str
    servers: tuple[Server, ...]
    layout: Layout
    region_bytes: float = REGION_BYTES
    planned_bytes: int = 0
    unit: str = "bytes"

    @classmethod
    def of(cls, plan: Plan, table: str, region_bytes: float) -> StoredPlan:
        """Keep of a plan what applying and watching it needs."""
        planned_bytes = sum(region.size_bytes for region in plan.regions)
        return cls(table, plan.group_level, plan.servers, plan.layout, region_bytes, planned_bytes, plan.unit)

    def to_json(self) -> dict[str, Any]:
        """Give a mapping of plain values; `from_json` reads it back."""
        return {
            "format": FORMAT,
            "table": self.table,
            "group_level": self.group_level,
            "work": self.unit,
            "region_bytes": int(self.region_bytes),
            "expected": {"bytes": self.planned_bytes},
            "server": [{"name": s.name, "cores": s.cores, "factor": s.factor} for s in self.servers],
            "region": [
                {"start": start.decode("ascii"), "server": server}
                for start, server in zip(self.layout.starts, self.layout.servers, strict=True)
            ],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any], source: str) -> StoredPlan:
        """Read what `to_json` or a plan file gave; ConfigError names `source` and what is wrong."""
        try:
            return cls._read(data)
        except KeyError as error:
            raise ConfigError(f"{source}: {error} is missing: make the plan again with `hbimg layout plan`") from error
        except (TypeError, ValueError, AttributeError) as error:
            raise ConfigError(f"{source} is no layout plan: {error}") from error

    @classmethod
    def _read(cls, data: Mapping[str, Any]) -> StoredPlan:
        if data["format"] != FORMAT:
            raise ConfigError(f"plan format {data['format']!r}: this hbimg reads {FORMAT}")
        unknown = sorted(set(data) - _TOP)
        if unknown:
            raise ConfigError(f"unknown key {unknown[0]!r}; known are {', '.join(sorted(_TOP))}")
        if data["group_level"] not in LEVELS:
            raise ConfigError(f"group level {data['group_level']!r} is none of {', '.join(LEVELS)}")
        servers = check_servers([Server(s["name"], int(s["cores"]), float(s["factor"])) for s in data["server"]])
        regions = data["region"]
        layout = Layout(tuple(r["start"].encode("ascii") for r in regions), tuple(r["server"] for r in regions))
        halved = [cut for cut in layout.cuts if cut.partition(GROUP_END)[2]]
        if halved:
            raise ConfigError(f"the border {halved[0].decode()!r} lies inside a group, which must stay whole")
        strangers = sorted(set(layout.servers) - {server.name for server in servers})
        if strangers:
            raise ConfigError(f"a region stands on {strangers[0]!r}, which is none of its servers")
        return cls(
            str(data["table"]),
            str(data["group_level"]),
            servers,
            layout,
            float(data.get("region_bytes", REGION_BYTES)),
            int(data.get("expected", {}).get("bytes", 0)),
            str(data.get("work", "bytes")),
        )


def write_plan(path: Path, plan: Plan, table: str, region_bytes: float) -> None:
    """Write a plan, whole or not at all; ExportError if that fails."""
    data = StoredPlan.of(plan, table, region_bytes).to_json()
    data["expected"] |= {
        "above_the_bound_percent": round(100 * plan.distance, 3),
        "short_plank": plan.planned.short_plank,
        "moved_bytes": plan.moved_bytes,
    }
    for entry, region in zip(data["region"], plan.regions, strict=True):
        entry |= {"groups": region.groups, "volumes": region.volumes, "bytes": region.size_bytes}
    total = sum(plan.planned.work)
    for entry, work, count in zip(data["server"], plan.planned.work, plan.planned.regions, strict=True):
        entry |= {"share_percent": round(100 * work / total, 3) if total else 0.0, "regions": count}
    write_whole(path, (_HEAD.format(table=table) + tomli_w.dumps(data)).encode())


def read_plan(path: Path) -> StoredPlan:
    """Read a plan file; ConfigError if it cannot be read or is none."""
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ConfigError(f"cannot read the plan {path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path} is no TOML file: {error}") from error
    return StoredPlan.from_json(data, str(path))
