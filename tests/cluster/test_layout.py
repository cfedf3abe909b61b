"""Layouts on real HBase: the contract of what administers regions, groups kept whole, and what undoes a plan."""

from __future__ import annotations

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
            assert [server.name for server in servers_of_store(store, state)] == sorted(cluster.workers)
            servers = [Server(name, cores) for name, cores in zip(cluster.workers, (1, 1, 2), strict=True)]
            plan = make_plan(groups, servers, "subject", state.layout)
            assert dict(zip([s.name for s in plan.servers], plan.planned.size_bytes, strict=True)) == {
                name: groups.total_bytes * share for name, share in zip(cluster.workers, (0.25, 0.25, 0.5), strict=True)
            }
            stored = StoredPlan.of(plan, volumes.name, REGION_BYTES)
            entry = Executor(volumes, admin).apply(stored)
            # HBase's own view: regions on their servers, no group cut, all blocks local.
            seen = volumes.table.regions()
            assert [region.server for region in seen] == list(plan.layout.servers)
            assert not any(cuts_a_group(groups.keys, region.range.start) for region in seen[1:])
            status = status_of(volumes.name, groups, admin.state(), stored.servers, entry)
            assert (status.drift, status.due, status.actions) == ((), (), ())
            assert {server.locality for server in status.servers} == {1.0}
            # Somebody moves a region in the shell.
            start, wanted = plan.layout.starts[1], plan.layout.servers[1]
            admin.move(start, next(name for name in cluster.workers if name != wanted))
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


def test_the_balancer_does_not_undo_a_plan(store, cluster):
    """All regions on one server is as far from HBase's own wishes as it gets."""
    volumes = table_in(store, splits=CUTS)
    try:
        with layout_admin(store, volumes) as admin:
            layout = Layout((b"", *CUTS), (cluster.workers[0],) * 3)
            plan = StoredPlan(volumes.name, "subject", (Server(cluster.workers[0], 1),), layout)
            Executor(volumes, admin).apply(plan)
            assert admin.state().switches["balancer"] is False
            assert admin.state().layout == layout
            Executor(volumes, admin).rollback()
    finally:
        store.drop_table(volumes.name)
