"""The planner: every group once, none cut, near the bound where groups are small, never worse than equal counts."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hbimg.allocation.groups import Groups
from hbimg.allocation.layout import Layout, Server
from hbimg.allocation.planner import cuts_a_group, make_plan

labels = st.text("ab1-", min_size=1, max_size=4)
sizes = st.one_of(st.integers(0, 100), st.integers(0, 10_000))


@st.composite
def cases(draw):
    """Groups with sizes, servers with speeds, perhaps a layout of now (also with unknown servers), a region's size."""
    keys = sorted(f"p,{label}".encode() for label in draw(st.sets(labels, min_size=1, max_size=40)))
    size = np.array([draw(sizes) for _ in keys], float)
    servers = [
        Server(f"s{number}", cores, factor)
        for number, (cores, factor) in enumerate(
            draw(st.lists(st.tuples(st.integers(1, 32), st.sampled_from([0.5, 1, 3])), min_size=1, max_size=8))
        )
    ]
    groups = Groups(tuple(keys), size, np.ones(len(keys)), size)
    return groups, servers, draw(layouts(keys)), draw(st.sampled_from([50, 5_000, 1e9]))


@st.composite
def layouts(draw, keys):
    """None, or a layout whose borders stand before a group, with or without terminator, between groups, or in one."""
    if draw(st.booleans()):
        return None
    ends = st.sampled_from([b"", b"!", b"!ses-1", b"-"])
    cuts = sorted(draw(st.sets(st.builds(bytes.__add__, st.sampled_from(keys), ends), max_size=6)))
    names = st.sampled_from(["s0", "s1", "s2", "gone"])
    return Layout((b"", *cuts), tuple(draw(names) for _ in range(len(cuts) + 1)))


@given(cases())
def test_every_group_is_placed_once_and_none_is_cut(case):
    groups, servers, now, region_bytes = case
    plan = make_plan(groups, servers, "subject", now, region_bytes)
    starts = [region.start for region in plan.regions]
    assert starts == sorted(set(starts))
    assert starts[0] == b""
    assert {region.server for region in plan.regions} <= {server.name for server in servers}
    assert not any(cuts_a_group(groups.keys, start) for start in starts[1:])
    # Each group's first and last row lie in one region; what regions tell of themselves is what lies in them.
    held = [
        [n for n, key in enumerate(groups.keys) if start <= key + b"!" and (stop is None or key + b'!"' <= stop + b"!")]
        for start, stop in pairwise([*starts, None])
    ]
    assert sorted(n for members in held for n in members) == list(range(len(groups)))
    for region, members in zip(plan.regions, held, strict=True):
        assert (region.groups, region.size_bytes) == (len(members), groups.size_bytes[members].sum())
    assert sum(plan.planned.size_bytes) == groups.total_bytes


@given(cases())
def test_never_below_the_bound_nor_above_equal_counts(case):
    groups, servers, now, region_bytes = case
    plan = make_plan(groups, servers, "subject", now, region_bytes)
    assert plan.bound <= plan.planned.cost * (1 + 1e-9)
    # Where data lies already, the last percent is not worth moving it for.
    allowed = plan.hbase.cost if now is None else max(plan.hbase.cost, plan.bound * 1.01)
    assert plan.planned.cost <= allowed * (1 + 1e-9)


@given(cases(), st.randoms())
def test_same_input_same_plan_whatever_the_order_of_servers(case, random):
    groups, servers, now, region_bytes = case
    plan = make_plan(groups, servers, "subject", now, region_bytes)
    shuffled = list(servers)
    random.shuffle(shuffled)
    assert make_plan(groups, shuffled, "subject", now, region_bytes) == plan


@given(cases())
def test_a_plan_that_is_applied_plans_no_move(case):
    groups, servers, now, region_bytes = case
    plan = make_plan(groups, servers, "subject", now, region_bytes)
    again = make_plan(groups, servers, "subject", plan.layout, region_bytes)
    assert again.moved_bytes == 0


@given(cases())
def test_regions_are_no_larger_than_wanted_unless_one_group_is(case):
    groups, servers, now, region_bytes = case
    plan = make_plan(groups, servers, "subject", now, region_bytes)
    most = max(groups.size_bytes.max(), 2 * region_bytes)
    assert all(region.size_bytes <= most for region in plan.regions)


@st.composite
def fine_cases(draw):
    """At least 200 groups for each share: none is above 0.5% of the smallest server's share, about."""
    seed = draw(st.integers(0, 2**32 - 1))
    servers = [Server(f"s{n}", cores) for n, cores in enumerate(draw(st.lists(st.integers(1, 8), max_size=6))) if cores]
    servers = servers or [Server("only", 3)]
    smallest = min(server.speed for server in servers) / sum(server.speed for server in servers)
    count = int(400 / smallest)
    size = np.random.default_rng(seed).uniform(0.5, 1.0, count)
    groups = Groups(tuple(f"p,{n:06d}".encode() for n in range(count)), size, np.ones(count), size)
    owners = st.sampled_from([*(server.name for server in servers), "gone"])
    cuts = sorted(draw(st.sets(st.integers(1, count - 1), max_size=8)))
    now = Layout((b"", *(groups.keys[cut] for cut in cuts)), tuple(draw(owners) for _ in range(len(cuts) + 1)))
    return groups, servers, draw(st.sampled_from([None, now]))


@given(fine_cases())
def test_within_two_percent_of_the_bound_where_groups_are_small(case):
    groups, servers, now = case
    assert make_plan(groups, servers, "subject", now, 1e9).distance <= 0.02


@given(fine_cases())
def test_moves_hardly_more_than_must_be_moved(case):
    groups, servers, now = case
    if now is None:
        return
    plan = make_plan(groups, servers, "subject", now, 1e9)
    names = {server.name: server.speed for server in servers}
    total, held = groups.size_bytes.sum(), dict.fromkeys([*names, "gone"], 0.0)
    for key, size in zip(groups.keys, groups.size_bytes, strict=True):
        held[now.servers[sum(cut <= key for cut in now.cuts)]] += size
    share = {name: total * speed / sum(names.values()) for name, speed in names.items()}
    must = sum(max(0.0, size - share.get(name, 0.0)) for name, size in held.items())
    assert plan.moved_bytes <= must + 0.02 * total
