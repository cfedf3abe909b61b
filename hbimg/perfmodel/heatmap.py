"""The ratio of hbimg's to the grid's times over job size and processing time: the numbers of Figure 4."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hbimg.perfmodel.predict import predict
from hbimg.perfmodel.units import MIB, require_not_negative

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hbimg.perfmodel.parameters import Scenario

#: A coarse map for the terminal, in steps of 1, 2, 5.
TABLE_SIZES_BYTES = tuple(step * MIB for step in (10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 2000.0))
TABLE_TIMES_S = (10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0, 6000.0, 10000.0)


@dataclass(frozen=True)
class Heatmap:
    """log10(hbimg / grid) at [size][time]; sizes are input and output of one job together, in bytes; times in s."""

    scenario: str
    sizes_bytes: tuple[float, ...]
    times_s: tuple[float, ...]
    log10_wall_clock_ratio: tuple[tuple[float, ...], ...]
    log10_resource_time_ratio: tuple[tuple[float, ...], ...]


def heatmap(
    scenario: Scenario, sizes_bytes: Sequence[float] = TABLE_SIZES_BYTES, times_s: Sequence[float] = TABLE_TIMES_S
) -> Heatmap:
    """The closed forms of `scenario` at each size and time, the other parameters as they are."""
    for time_s in times_s:
        require_not_negative("a processing time of the heatmap", time_s)
    wall, resource = [], []
    for size in sizes_bytes:
        sized = scenario.with_size(size)
        row = [predict(sized.with_time(time_s)) for time_s in times_s]
        wall.append(tuple(p.log10_wall_clock_ratio for p in row))
        resource.append(tuple(p.log10_resource_time_ratio for p in row))
    return Heatmap(scenario.name, tuple(sizes_bytes), tuple(times_s), tuple(wall), tuple(resource))


def fine_axes(points: int = 48) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Sizes in bytes and times in s for a drawn map, both in even steps of the logarithm over the table's range."""
    sizes = np.geomspace(TABLE_SIZES_BYTES[0], TABLE_SIZES_BYTES[-1], points)
    times = np.geomspace(TABLE_TIMES_S[0], TABLE_TIMES_S[-1], points)
    return tuple(sizes.tolist()), tuple(times.tolist())
