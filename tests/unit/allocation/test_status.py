"""What status tells: shares, what changed and why, when a new plan is due."""

from __future__ import annotations

import numpy as np
import pytest

from hbimg.allocation.groups import Groups
from hbimg.allocation.journal import Entry
from hbimg.allocation.layout import Layout, Server
from hbimg.allocation.plan_file import StoredPlan
from hbimg.allocation.state import SWITCHES, RegionState, TableState
from hbimg.allocation.status import status_of

SERVERS = (Server("a", 1), Server("b", 3))
LAYOUT = Layout((b"", b"p,s2", b"p,s5"), ("a", "b", "b"))


def groups_of(sizes):
    column = np.array(sizes, float)
    return Groups(tuple(f"p,s{n}".encode() for n in range(len(sizes))), column, np.ones(len(sizes)), column)


def status(servers=("a", "b"), owners=LAYOUT.servers, sizes=(10,) * 8, starts=LAYOUT.starts, locality=1.0, **more):
    switches = dict(SWITCHES) | more.get("switches", {})
    regions = tuple(RegionState(s, o, None, locality) for s, o in zip(starts, owners, strict=True))
    plan = StoredPlan("t", "subject", SERVERS, LAYOUT, more.get("region_bytes", 1e9), more.get("planned_bytes", 80))
    entry = Entry("000001", plan, Layout((b"",), ("a",)), {}, state="applied")
    return status_of("t", groups_of(sizes), TableState(regions, servers, switches), SERVERS, entry)


def test_all_as_planned():
    found = status()
    assert (found.drift, found.due, found.actions) == ((), (), ())
    (a, b) = found.servers
    assert (a.regions, a.groups, a.size_bytes, a.share, a.ideal_share, a.locality) == (1, 2, 20, 0.25, 0.25, 1.0)
    assert (b.regions, b.groups, b.size_bytes, b.share, b.ideal_share) == (2, 6, 60, 0.75, 0.75)
    assert found.above_ideal == 0.0
    assert [region.groups for region in found.regions] == [2, 3, 3]


@pytest.mark.parametrize(
    ("change", "drift"),
    [
        ({"owners": ("a", "a", "b")}, "1 regions of b are on a: moved by the balancer, after a restart, or by hand"),
        ({"servers": ("a",), "owners": ("a", "a", "a")}, "2 regions of b are on a: b is not up"),
        ({"servers": ("a", "b", "c")}, "server c is new: the plan does not use it"),
        ({"owners": ("a", "", "b")}, "1 regions of b are on no server"),
        ({"starts": LAYOUT.starts[:2], "owners": ("a", "b")}, "1 borders of the plan are not there"),
        ({"starts": (*LAYOUT.starts, b"p,s6"), "owners": ("a", "b", "b", "b")}, "1 borders are not in the plan"),
        ({"starts": (b"", b"p,s2", b"p,s5!x")}, "1 borders lie inside a group, the first at p,s5!x"),
        ({"locality": 0.5}, "3 regions have 0.0 MB on other servers than their own"),
        ({"switches": {"balancer": True}}, "the balancer of the whole cluster is on: it may undo the plan"),
        ({"switches": {"group restriction": False}}, "the group restriction is off: groups may be cut"),
    ],
)
def test_what_changed_is_told(change, drift):
    found = status(**change)
    assert any(words.startswith(drift) for words in found.drift), found.drift


@pytest.mark.parametrize(
    ("change", "due"),
    [
        ({"region_bytes": 25}, "2 regions are larger than 0.0 MB"),
        ({"planned_bytes": 60}, "the table has grown by 33% since it was planned"),
        ({"sizes": (20, 20, 10, 10, 10, 10, 0, 0)}, "under the plan the short plank would need 100% longer"),
        ({"servers": ("a",), "owners": ("a",) * 3}, "the plan puts regions on b, which is not up"),
    ],
)
def test_when_a_new_plan_is_due_is_told(change, due):
    found = status(**change)
    assert any(words.startswith(due) for words in found.due), found.due


def test_a_plan_that_no_other_betters_is_not_due_however_far_from_the_bound():
    # One of three equal groups on the slow server takes as long as all three on the fast one; the bound is 7.5.
    assert status(sizes=(10, 0, 10, 10), planned_bytes=30).due == ()


def test_what_apply_would_do_is_told():
    move, rewrite = status(owners=("a", "a", "b")).actions
    assert move == "move region p,s2 to b"
    assert rewrite.startswith("rewrite 1 regions")
    # It would refuse a server that is not up, so it would do nothing.
    assert status(servers=("a",), owners=("a", "a", "a")).actions == ()


def test_without_a_plan_and_without_volumes():
    state = TableState((RegionState(b"", "a"),), ("a", "b"), {})
    found = status_of("t", groups_of([]), state, SERVERS)
    assert (found.state, found.drift, found.due, found.actions) == ("no plan", (), (), ())
    assert {server.share for server in found.servers} == {0.0}
