"""Layouts on real HBase: the contract of what administers regions, groups kept whole, and what undoes a plan."""

from __future__ import annotations

import time
import uuid

import pytest

from hbimg.allocation.executor import Executor
from hbimg.allocation.layout import Layout, Server
from hbimg.allocation.opening import groups_of_table, layout_admin, servers_of_store
from hbimg.allocation.plan_file import StoredPlan
from hbimg.allocation.planner import REGION_BYTES, cuts_a_group, make_plan
from hbimg.allocation.status import status_of
from hbimg.model import VolumeKey
from hbimg.store import open_store
from hbimg.store.rpc import hbase_pb2 as pb
from hbimg.testing.layouts import CUTS, LayoutContract
from hbimg.testing.volumes import nifti_content, smooth_voxels
from hbimg.volumes import VolumeTable, store_content
from hbimg.volumes.verify import verify_volumes

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1200)]


@pytest.fixture
def store(cluster):
    with open_store(f"hbase://{cluster.head}") as store:
        yield store


def table_in(store, **settings):
    volumes = VolumeTable.create(store, f"alloc_{uuid.uuid4().hex[:10]}", **settings)
    for number in range(4):
        for session in ("1", "2"):
            key = VolumeKey("p", f"s{number}", session, "T1w")
            store_content(volumes, nifti_content(key, smooth_voxels((96, 80, 24), seed=number)))
    return volumes


class TestHBase(LayoutContract):
    exhaustive = False
    # A step takes a second here: all numbers of them, again and again, are for the other two.
    test_killed_after_any_number_of_steps_both_ways_lead_on = None
    test_a_killed_rollback_is_finished_by_the_next = None

    @pytest.fixture(autouse=True)
    def _table(self, store):
        self.volumes = table_in(store, splits=CUTS)
        try:
            with layout_admin(store, self.volumes) as self.admin:
                self.admin.switch("balancer", on=False)  # else it moves the new table's regions while we look
                yield
                assert [checked.faults for checked in verify_volumes(self.volumes)] == [()] * 8
                self.admin.switch("balancer", on=True)
        finally:
            store.drop_table(self.volumes.name)


def test_a_plan_is_made_applied_and_watched(store, cluster):
    volumes = table_in(store)
    try:
        with layout_admin(store, volumes) as admin:
            groups, state = groups_of_table(volumes), admin.state()
            names = [server.name for server in servers_of_store(store, state)]
            assert [name.partition(".")[0] for name in names] == sorted(cluster.workers)
            servers = [Server(name, cores) for name, cores in zip(names, (1, 1, 2), strict=True)]
            plan = make_plan(groups, servers, "subject", state.layout)
            assert dict(zip([s.name for s in plan.servers], plan.planned.size_bytes, strict=True)) == {
                name: groups.total_bytes * share for name, share in zip(names, (0.25, 0.25, 0.5), strict=True)
            }
            stored = StoredPlan.of(plan, volumes.name, REGION_BYTES)
            entry = Executor(volumes, admin).apply(stored)
            # HBase's own view: regions on their servers, no group cut, and nothing left to be done.
            seen = volumes.table.regions()
            assert [region.server for region in seen] == list(plan.layout.servers)
            assert not any(cuts_a_group(groups.keys, region.range.start) for region in seen[1:])
            status = status_of(volumes.name, groups, admin.state(), stored.servers, entry)
            # Also: no region is far from its blocks. (Not all need be local: HBase keeps what the NameNode said when a
            # file was opened, and of a small one the server's own DataNode may not have told yet.)
            assert (status.drift, status.due, status.actions) == ((), (), ())
            # Somebody moves a region in the shell.
            start, wanted = plan.layout.starts[1], plan.layout.servers[1]
            admin.move(start, next(name for name in names if name != wanted))
            status = status_of(volumes.name, groups, admin.state(), stored.servers, entry)
            assert any(wanted in words and "by hand" in words for words in status.drift)
            assert status.actions
            Executor(volumes, admin).apply(stored)
            assert admin.state().layout == plan.layout
            Executor(volumes, admin).rollback()
            assert admin.state().layout == state.layout
        assert [checked.faults for checked in verify_volumes(volumes)] == [()] * 8
    finally:
        store.drop_table(volumes.name)


def _balance(admin):
    """Have HBase's master balance now, past hbimg, and give whether it did."""
    empty, told = pb.IsBalancerEnabledRequest(), pb.SwitchResponse  # of the form of BalanceRequest and BalanceResponse
    return admin._admin.cluster.call_master("Balance", empty, told, "balancing").enabled


def test_the_balancer_does_not_undo_a_plan_and_let_loose_is_repaired(store):
    """All of many regions on one server is as far from the balancer's wishes as it gets."""
    cuts = tuple(b"p,s%02d" % number for number in range(1, 12))
    volumes = table_in(store, splits=cuts)
    try:
        with layout_admin(store, volumes) as admin:
            first = admin.state().servers[0]
            layout = Layout((b"", *cuts), (first,) * (len(cuts) + 1))
            plan = StoredPlan(volumes.name, "subject", (Server(first, 1),), layout)
            entry = Executor(volumes, admin).apply(plan)
            assert not _balance(admin)
            assert admin.state().layout == layout
            admin.switch("balancer", on=True)
            deadline = time.monotonic() + 120
            while admin.state().layout == layout:
                assert time.monotonic() < deadline, "the balancer moved nothing, so this proves nothing"
                _balance(admin)
                time.sleep(2)
            status = status_of(volumes.name, groups_of_table(volumes), admin.state(), plan.servers, entry)
            assert any("balancer of the whole cluster is on" in words for words in status.drift)
            assert any(f"regions of {first} are on" in words for words in status.drift)
            Executor(volumes, admin).apply(plan)
            assert admin.state().layout == layout
            admin.switch("balancer", on=True)
        assert [checked.faults for checked in verify_volumes(volumes)] == [()] * 8
    finally:
        store.drop_table(volumes.name)
