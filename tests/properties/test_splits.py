"""Splits: every volume in exactly one, no group cut, inside one region, near-equal."""

from __future__ import annotations

from itertools import groupby, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hbimg.errors import ParameterError
from hbimg.mapreduce.splits import bytes_to_read, plan_splits
from hbimg.model import LEVELS, VolumeKey
from hbimg.rowkeys import KeyRange, RowKeyScheme
from hbimg.store import Region
from hbimg.volumes import VolumeRecord

labels = st.sampled_from(["a", "a1", "a10", "a2", "b", "sub-01", "sub-010", "-"])
keys = st.builds(VolumeKey, labels, labels, labels, labels)


def record(key, size):
    return VolumeRecord(
        key=key,
        kind="volume",
        format="nifti1",
        generation="0" * 8,
        digest="",
        files=1,
        file_bytes=size,
        frames=1,
        frame_bytes=size // 2,
        geometry=None,
        encoding=None,
    )


@st.composite
def plans(draw):
    """Records in key order, a scheme, regions that end on group borders, and a split size."""
    scheme = RowKeyScheme(draw(st.sampled_from(LEVELS)))
    chosen = sorted(draw(st.sets(keys, min_size=1, max_size=40)))
    records = [record(key, draw(st.integers(0, 1000))) for key in chosen]
    starts = sorted({scheme.group_of(scheme.volume(key)) + b"!" for key in chosen})
    cuts = sorted(draw(st.sets(st.sampled_from(starts), max_size=5)))
    borders = [b"", *cuts, b""]
    regions = [Region(KeyRange(a, b), f"host{n}") for n, (a, b) in enumerate(pairwise(borders))]
    return records, regions, scheme, draw(st.integers(1, 5000))


@given(plans())
def test_every_volume_is_in_exactly_one_split_and_no_group_is_cut(plan):
    records, regions, scheme, split_bytes = plan
    splits = plan_splits(records, regions, scheme, split_bytes)
    assert [key for split in splits for key in split.keys] == [item.key for item in records]
    assert sum(split.size_bytes for split in splits) == sum(map(bytes_to_read, records))
    groups = [{scheme.group_of(scheme.volume(key)) for key in split.keys} for split in splits]
    assert sum(map(len, groups)) == len(set().union(*groups))
    for split in splits:
        for key in split.keys:
            everything = scheme.range_of(*key.labels)
            assert everything.start in split.range
            assert split.range.intersect(everything) == everything
    for left, right in pairwise(splits):
        assert left.range.stop <= right.range.start


@given(plans())
def test_on_one_machine_a_group_is_shared_out(plan):
    """Every volume is in exactly one split, and none is cut; no split is above its share by more than a volume."""
    records, regions, scheme, split_bytes = plan
    splits = plan_splits(records, regions, scheme, split_bytes, whole_groups=False)
    assert [key for split in splits for key in split.keys] == [item.key for item in records]
    largest = max(map(bytes_to_read, records))
    for split in splits:
        assert split.size_bytes <= split_bytes * 2 + largest
        for key in split.keys:
            everything = scheme.range_of(*key.labels)
            assert split.range.intersect(everything) == everything
    for left, right in pairwise(splits):
        assert left.range.stop <= right.range.start


@given(plans(), st.booleans())
def test_a_split_lies_in_the_region_whose_server_it_names(plan, whole_groups):
    records, regions, scheme, split_bytes = plan
    for split in plan_splits(records, regions, scheme, split_bytes, whole_groups=whole_groups):
        region = next(region for region in regions if region.server == split.server)
        assert split.range.intersect(region.range) == split.range


@given(plans())
def test_splits_of_a_region_are_near_equal(plan):
    """No split is above its fair share by more than one group, nor are there more splits than were wanted."""
    records, regions, scheme, split_bytes = plan
    sizes = {}
    for group, members in groupby(records, key=lambda item: scheme.group_of(scheme.volume(item.key))):
        sizes[group] = sum(map(bytes_to_read, members))
    splits = plan_splits(records, regions, scheme, split_bytes)
    for _, members in groupby(splits, key=lambda split: split.server):
        mine = list(members)
        total = sum(split.size_bytes for split in mine)
        wanted = max(1, round(total / split_bytes))
        largest = max(sizes[scheme.group_of(scheme.volume(key))] for split in mine for key in split.keys)
        assert len(mine) <= wanted
        assert max(split.size_bytes for split in mine) <= max(total / wanted, total / len(mine)) + largest


def test_a_huge_group_is_alone():
    scheme = RowKeyScheme("subject")
    sizes = [10, 10, 1000, 10, 10]
    records = [record(VolumeKey("p", f"s{n}", "-", "x"), size) for n, size in enumerate(sizes)]
    splits = plan_splits(records, [Region(KeyRange(), "host")], scheme, 20)
    assert [[key.subject for key in split.keys] for split in splits if split.size_bytes >= 1000] == [["s2"]]


def test_a_split_size_of_nothing_is_refused():
    with pytest.raises(ParameterError, match="split size 0"):
        plan_splits([], [Region(KeyRange(), "host")], RowKeyScheme(), 0)
