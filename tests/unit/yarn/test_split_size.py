"""The size of splits that hbimg chooses: few where starting tasks would cost most, more where slots would be idle."""

from __future__ import annotations

from itertools import pairwise

import pytest

from hbimg.mapreduce.splits import plan_splits
from hbimg.mapreduce.yarn.cluster import Node
from hbimg.mapreduce.yarn.split_size import Speed, best_splits, expected_s, slots_beside_master
from hbimg.model import VolumeKey
from hbimg.rowkeys import KeyRange, RowKeyScheme
from hbimg.store import Region
from hbimg.volumes import VolumeRecord

MB = 1_000_000
SCHEME = RowKeyScheme("subject")
FAST = Speed(20e6)


def volumes(count, size):
    keys = [VolumeKey("p", f"s{number:03d}", "1", "T1w") for number in range(count)]
    return [VolumeRecord(key, "volume", "nifti1", "0" * 8, "", 1, size, 1, size, None, None) for key in keys]


def regions(count, of):
    borders = [b"", *(f"p,s{of * number // of:03d}!".encode() for number in range(of // count, of, of // count)), b""]
    return [Region(KeyRange(start, stop), f"w{number % 3}") for number, (start, stop) in enumerate(pairwise(borders))]


def chosen(count, size, region_count, slots, speed=FAST):
    splits, split_bytes = best_splits(volumes(count, size), regions(region_count, count), SCHEME, slots, speed)
    assert splits == plan_splits(volumes(count, size), regions(region_count, count), SCHEME, split_bytes)
    return splits


def test_little_work_is_cut_into_few_tasks():
    assert len(chosen(48, MB, 6, 5)) == 6  # a region is one at least
    assert len(chosen(48, MB, 3, 5)) == 3  # 5 s to start a task, 1 s of work
    assert len(chosen(48, 20 * MB, 3, 15)) == 15  # where a task for each slot ends first


def test_long_work_leaves_no_slot_idle():
    """Six tasks on five slots would take twice as long as one of them."""
    few = plan_splits(volumes(48, 100 * MB), regions(6, 48), SCHEME, 1000 * MB)
    assert len(few) == 6
    many = chosen(48, 100 * MB, 6, 5)
    assert len(many) >= 12
    assert expected_s(many, 5, FAST) < 0.85 * expected_s(few, 5, FAST)
    assert len(chosen(48, MB, 6, 5, Speed(20e6, 20.0))) >= 12  # padding is work too
    assert len(chosen(48, 10 * MB, 6, 5)) == 6
    assert len(chosen(48, 10 * MB, 6, 5, Speed(1e6))) >= 12  # a tool is taken to be slow


def test_what_is_expected():
    splits = plan_splits(volumes(4, 100 * MB), regions(2, 4), SCHEME, 100 * MB)
    assert len(splits) == 4
    assert expected_s(splits, 4, FAST) == 5 + 5  # its start, and 100 MB at 20 MB/s
    assert expected_s(splits, 2, FAST) == 20
    assert expected_s(splits, 3, Speed(20e6, 7.5)) == 25


@pytest.mark.parametrize(
    ("nodes", "master_mb", "slots"),
    [
        ([(2048, 2)] * 3, 768, 5),
        ([(100_000, 32)] * 4, 1536, 127),
        ([(1000, 8)], 1536, 1),  # at least one, whatever YARN says to it
        ([(4096, 8), (8192, 8)], 1024, 11),
    ],
)
def test_the_application_master_takes_room(nodes, master_mb, slots):
    found = [Node(f"w{number}", "", memory, cores) for number, (memory, cores) in enumerate(nodes)]
    assert slots_beside_master(found, 1024 if nodes[0][0] != 100_000 else 2048, 1, master_mb) == slots
