"""How large a map task should be: of some sizes the one with which the job is expected to end first (decision 0073)."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from hbimg.mapreduce.splits import Split, plan_splits_of_sizes
from hbimg.mapreduce.yarn.cluster import Node
from hbimg.rowkeys import RowKeyScheme
from hbimg.store import Region
from hbimg.volumes import VolumeRecord

#: What a map task takes until its Python works: two interpreters.
_START_S = 5.0
#: How often the tasks of a job may fill the cluster, beside one task for each region; and the share of the time that
#: more tasks must save, since they are more work for all.
_ROUNDS, _WORTHWHILE = (1, 2, 3, 4), 0.05


@dataclass(frozen=True, slots=True)
class Speed:
    """How fast a worker is, as far as that is known beforehand; the slower of both counts.

    Attributes
    ----------
    bytes_per_s : float
        As the job says.
    volume_s : float
        What a volume takes at least, in seconds.
    """

    bytes_per_s: float
    volume_s: float = 0.0


def best_splits(
    records: Sequence[VolumeRecord], regions: Sequence[Region], scheme: RowKeyScheme, slots: int, speed: Speed
) -> tuple[list[Split], int]:
    """Cut volumes into splits of the best size, and give that size in bytes; of nearly equal ones the largest.

    Few large splits start fewer tasks, but where they are not a multiple of the slots (each region has at least one),
    slots are idle in the end.
    """
    total = sum(record.bytes_to_read for record in records)
    sizes = [max(1, total), *(max(1, total // (slots * rounds)) for rounds in _ROUNDS)]
    plans = plan_splits_of_sizes(records, regions, scheme, sizes)
    expected = [expected_s(splits, slots, speed) for splits in plans]
    best = next(number for number, seconds in enumerate(expected) if seconds * (1 - _WORTHWHILE) <= min(expected))
    return plans[best], sizes[best]


def expected_s(splits: Iterable[Split], slots: int, speed: Speed) -> float:
    """Give the seconds from the first task's launch to the last one's end, if a slot takes the next split when free."""
    free_at = [0.0] * slots
    for split in splits:
        work_s = max(split.size_bytes / speed.bytes_per_s, len(split.keys) * speed.volume_s)
        heapq.heapreplace(free_at, free_at[0] + _START_S + work_s)
    return max(free_at)


def slots_beside_master(nodes: Sequence[Node], memory_mb: int, cores: int, master_mb: int) -> int:
    """Give how many tasks run at once, at least: the job's application master takes memory and a core of some node."""

    def slots_of(node: Node, taken_mb: int = 0, taken_cores: int = 0) -> int:
        return max(0, min((node.memory_mb - taken_mb) // memory_mb, (node.cores - taken_cores) // cores))

    whole = [slots_of(node) for node in nodes]
    beside = [slots_of(node, master_mb, 1) for node in nodes]
    return max(1, sum(whole) - max(all_ - left for all_, left in zip(whole, beside, strict=True)))
