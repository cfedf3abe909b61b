"""Cut the work into splits: key ranges inside one region that end on group borders, near-equal in bytes.

Pure planning, for every engine: records and regions in, splits out, nothing read or written.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from hbimg.errors import ParameterError
from hbimg.model import VolumeKey
from hbimg.rowkeys import KeyRange, RowKeyScheme
from hbimg.store import Region
from hbimg.volumes import VolumeRecord


@dataclass(frozen=True, slots=True)
class Split:
    """A part of a run's work.

    Attributes
    ----------
    range : KeyRange
        From the first row of the first group (or volume) to behind the last row of the last one; inside one region.
    server : str
        Host of the region.
    keys : tuple of VolumeKey
        The volumes to work on, in key order; the range may hold others, which are left alone.
    size_bytes : int
        Bytes that are read for these volumes.
    """

    range: KeyRange
    server: str
    keys: tuple[VolumeKey, ...]
    size_bytes: int


@dataclass(frozen=True, slots=True)
class _Unit:
    """What stays in one split: a group, or a volume."""

    range: KeyRange
    keys: tuple[VolumeKey, ...]
    size_bytes: int


def plan_splits(
    records: Iterable[VolumeRecord],
    regions: Sequence[Region],
    scheme: RowKeyScheme,
    split_bytes: int,
    *,
    whole_groups: bool = True,
) -> list[Split]:
    """Cut volumes into splits of about `split_bytes`.

    Parameters
    ----------
    records : iterable of VolumeRecord
        The volumes to work on, in key order.
    regions : sequence of Region
        In key order, without gaps.
    scheme : RowKeyScheme
    split_bytes : int
        Wanted size, in bytes. In each region the splits are made near-equal; a larger group is a split alone.
    whole_groups : bool
        Whether a split ends on a group's border. Workers of one machine reach all rows alike, so a subject's volumes
        may be shared out among them.

    Raises
    ------
    ParameterError
        If `split_bytes` is not above 0.
    """
    if split_bytes <= 0:
        raise ParameterError(f"split size {split_bytes} bytes: it must be above 0")
    units = _groups(records, scheme) if whole_groups else _volumes(records, scheme)
    (splits,) = _cut_all(units, regions, [split_bytes])
    return splits


def plan_splits_of_sizes(
    records: Iterable[VolumeRecord], regions: Sequence[Region], scheme: RowKeyScheme, sizes: Sequence[int]
) -> list[list[Split]]:
    """Cut volumes into splits of each of some sizes, as `plan_splits` does; groups are gathered once only."""
    return _cut_all(_groups(records, scheme), regions, sizes)


def bytes_to_read(record: VolumeRecord) -> int:
    """Give the bytes that a job reads of a volume, about: its frames, or its files where those are larger."""
    return record.bytes_to_read


def _volumes(records: Iterable[VolumeRecord], scheme: RowKeyScheme) -> Iterator[_Unit]:
    for record in records:
        yield _Unit(scheme.range_of(*record.key.labels), (record.key,), bytes_to_read(record))


def _groups(records: Iterable[VolumeRecord], scheme: RowKeyScheme) -> Iterator[_Unit]:
    """Gather neighbouring volumes of one group."""
    for group, members in groupby(records, key=lambda record: scheme.group_of(scheme.volume(record.key))):
        found = list(members)
        keys = tuple(record.key for record in found)
        yield _Unit(KeyRange.of_prefix(group + b"!"), keys, sum(bytes_to_read(record) for record in found))


class _RegionFinder:
    """Finds the region in which a unit begins; units come in key order."""

    def __init__(self, regions: Sequence[Region]) -> None:
        self._regions = regions
        self._index = 0

    def __call__(self, unit: _Unit) -> Region:
        while self._regions[self._index].range.stop and unit.range.start not in self._regions[self._index].range:
            self._index += 1
        return self._regions[self._index]


def _cut_all(units: Iterable[_Unit], regions: Sequence[Region], sizes: Sequence[int]) -> list[list[Split]]:
    """Cut units into splits of each of some sizes, region by region."""
    plans: list[list[Split]] = [[] for _ in sizes]
    for region, members in groupby(units, key=_RegionFinder(regions)):
        found = list(members)
        for plan, split_bytes in zip(plans, sizes, strict=True):
            plan.extend(_cut(found, region.server, split_bytes))
    return plans


def _cut(units: list[_Unit], server: str, split_bytes: int) -> Iterator[Split]:
    """Cut one region's units into near-equal splits, each as large as what is left says it should be."""
    left_bytes = sum(unit.size_bytes for unit in units)
    left_splits = max(1, round(left_bytes / split_bytes))
    gathered: list[_Unit] = []
    size = 0
    for unit in units:
        share = left_bytes / left_splits
        # The border goes where the split is nearest to its share: before the unit, or behind it.
        if gathered and size + unit.size_bytes - share > share - size:
            yield _split(gathered, server)
            left_bytes, left_splits = left_bytes - size, max(1, left_splits - 1)
            gathered, size = [], 0
        gathered.append(unit)
        size += unit.size_bytes
    if gathered:
        yield _split(gathered, server)


def _split(units: list[_Unit], server: str) -> Split:
    keys = tuple(key for unit in units for key in unit.keys)
    key_range = KeyRange(units[0].range.start, units[-1].range.stop)
    return Split(key_range, server, keys, sum(unit.size_bytes for unit in units))
