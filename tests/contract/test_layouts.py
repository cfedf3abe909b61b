"""Layouts are applied and rolled back on stores of one machine and on a simulated HBase, whenever it is killed."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest
import tomli_w

from hbimg.allocation.embedded import EmbeddedAdmin
from hbimg.allocation.executor import Executor
from hbimg.allocation.journal import Journal
from hbimg.allocation.layout import Layout, Server
from hbimg.allocation.plan_file import StoredPlan
from hbimg.allocation.state import RegionState, TableState, actions_to
from hbimg.errors import ConfigError, StoreError
from hbimg.model import VolumeKey
from hbimg.store import open_store
from hbimg.store.contract import SimulatedServer
from hbimg.store.local import LocalStore
from hbimg.store.memory import MemoryStore
from hbimg.testing.layouts import CUTS, LayoutContract
from hbimg.testing.simulated_hbase import SimulatedHBase
from hbimg.testing.volumes import nifti_content, smooth_voxels
from hbimg.volumes import VolumeTable, store_content
from hbimg.volumes.verify import verify_volumes

SERVERS = (SimulatedServer("x", 1), SimulatedServer("y", 2), SimulatedServer("z", 1))


def table_in(store):
    volumes = VolumeTable.create(store, "t", splits=CUTS)
    for number in range(4):
        key = VolumeKey("p", f"s{number}", "ses", "T1w")
        store_content(volumes, nifti_content(key, smooth_voxels((8, 6, 3), seed=number)))
    return volumes


class TestLocalStore(LayoutContract):
    @pytest.fixture(autouse=True)
    def _table(self, tmp_path):
        with LocalStore(tmp_path / "store", servers=SERVERS) as store:
            self.volumes = table_in(store)
            self.admin = EmbeddedAdmin(self.volumes, store.table("t"))
            yield
            assert [checked.faults for checked in verify_volumes(self.volumes)] == [()] * 4


class TestMemoryStore(LayoutContract):
    @pytest.fixture(autouse=True)
    def _table(self):
        store = MemoryStore(servers=SERVERS)
        self.volumes = table_in(store)
        self.admin = EmbeddedAdmin(self.volumes, store.table("t"))


class TestSimulatedHBase(LayoutContract):
    @pytest.fixture(autouse=True)
    def _table(self):
        self.volumes = table_in(MemoryStore())
        self.admin = SimulatedHBase(["rs1", "rs2", "rs3"], CUTS)


@pytest.fixture
def hbase():
    """A table in a simulated HBase with a plan that is no optimum of the balancer's, applied."""
    volumes, admin = table_in(MemoryStore()), SimulatedHBase(["rs1", "rs2", "rs3"], CUTS)
    layout = Layout((b"", b"p,s1", b"p,s2", b"p,s3"), ("rs1", "rs3", "rs3", "rs3"))
    plan = StoredPlan("t", "subject", (Server("rs1", 1), Server("rs2", 1), Server("rs3", 3)), layout)
    Executor(volumes, admin).apply(plan)
    return volumes, admin, plan


def test_the_balancer_does_not_undo_a_plan_and_let_loose_is_repaired(hbase):
    volumes, admin, plan = hbase
    assert admin.balance() == 0
    assert admin.state().layout == plan.layout
    admin.switch("balancer", on=True)
    assert admin.balance() > 0
    executor = Executor(volumes, admin)
    assert executor.actions(plan)[0].kind == "switch"
    executor.apply(plan)
    assert admin.state().layout == plan.layout
    executor.rollback()
    assert admin.switches["balancer"]


def test_with_the_balancer_kept_nothing_global_is_touched():
    volumes, admin = table_in(MemoryStore()), SimulatedHBase(["rs1", "rs2"], CUTS)
    layout = Layout((b"", *CUTS), ("rs2", "rs2", "rs2"))
    plan = StoredPlan("t", "subject", (Server("rs1", 1), Server("rs2", 1)), layout)
    executor = Executor(volumes, admin, keep_balancer=True)
    assert not any(action.is_global for action in executor.actions(plan))
    executor.apply(plan)
    assert admin.switches["balancer"]
    assert not admin.switches["splits"]


def test_a_plan_that_names_a_dead_server_is_refused_and_so_is_the_way_back(hbase):
    volumes, admin, plan = hbase
    admin.crash("rs3")
    with pytest.raises(ConfigError, match="'rs3', which is not up"):
        Executor(volumes, admin).apply(plan)
    with pytest.raises(ConfigError, match="which is gone"):
        Executor(volumes, admin).rollback()
    # A new plan is applied instead; the way back leads to the plan before.
    layout = Layout(plan.layout.starts, ("rs1", "rs2", "rs2", "rs1"))
    Executor(volumes, admin).apply(StoredPlan("t", "subject", (Server("rs1", 1), Server("rs2", 1)), layout))
    assert admin.state().layout == layout
    assert len(Journal(volumes).entries()) == 2


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"table": "other"}, "for table 'other'"),
        ({"group_level": "session"}, "grouped by subject for its life"),
    ],
)
def test_a_plan_for_something_else_is_refused(hbase, change, words):
    volumes, admin, plan = hbase
    done = list(admin.done)
    parts = {"table": plan.table, "group_level": plan.group_level, "servers": plan.servers, "layout": plan.layout}
    with pytest.raises(ConfigError, match=words):
        Executor(volumes, admin).apply(StoredPlan(**(parts | change)))
    assert admin.done == done


def test_a_step_without_effect_is_told_and_not_done_for_ever():
    volumes, admin = table_in(MemoryStore()), SimulatedHBase(["rs1", "rs2"], CUTS)
    admin.rewrite = lambda starts, told: None
    layout = Layout((b"", *CUTS), ("rs2", "rs2", "rs2"))
    plan = StoredPlan("t", "subject", (Server("rs2", 1),), layout)
    with pytest.raises(StoreError, match=r"3 times without effect; is there a DataNode"):
        Executor(volumes, admin).apply(plan)


def test_steps_come_in_an_order_in_which_they_can_be_done():
    state = TableState(
        (RegionState(b"", "a", 5), RegionState(b"c", "b", 5), RegionState(b"d", "b", 0, 1.0)),
        ("a", "b"),
        {"splits": False, "merges": True, "balancer": True, "group restriction": False},
    )
    steps = actions_to(state, Layout((b"", b"b", b"d"), ("a", "b", "a")))
    assert [f"{step.kind} {step.target}".strip() for step in steps] == [
        "switch balancer",
        "switch group restriction",
        "switch splits",
        "split",
        "merge",
        "move b",
        "move a",
        "rewrite",
        "switch splits",
        "switch merges",
    ]
    # The empty region moves without leaving anything behind.
    assert b"d" not in steps[7].starts


_APPLY = """
import os, signal, sys
from hbimg.allocation.embedded import EmbeddedAdmin
from hbimg.allocation.executor import Executor
from hbimg.allocation.plan_file import read_plan
from hbimg.store import open_store
from hbimg.volumes import VolumeTable
from pathlib import Path
url, plan, left = sys.argv[1], read_plan(Path(sys.argv[2])), int(sys.argv[3])
class Shot(EmbeddedAdmin):
    def do(self, action, told):
        global left
        super().do(action, told)
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
with open_store(url) as store:
    volumes = VolumeTable.open(store, "t")
    Executor(volumes, Shot(volumes, store.table("t"))).apply(plan)
"""


def test_a_process_that_is_killed_leaves_what_the_next_one_finishes(tmp_path):
    """The same with a real process and SIGKILL, after each of its steps."""
    url = f"local://{tmp_path}/store?servers=x:1,y:2"
    with open_store(url) as store:
        table_in(store)
    layout = Layout((b"", b"p,s2", b"p,s3"), ("y", "x", "x"))
    plan = tmp_path / "plan.toml"
    stored = StoredPlan("t", "subject", (Server("x", 1), Server("y", 2)), layout)
    plan.write_text(tomli_w.dumps(stored.to_json()))
    ends = []
    for left in (1, 1, 1, 1, 0):
        command = [sys.executable, "-c", _APPLY, url, str(plan), str(left)]
        ends.append(subprocess.run(command, capture_output=True, text=True).returncode)
    assert ends == [*[-signal.SIGKILL] * 4, 0]
    with open_store(url) as store:
        volumes = VolumeTable.open(store, "t")
        admin = EmbeddedAdmin(volumes, store.table("t"))
        assert admin.state().layout == layout
        Executor(volumes, admin).rollback()
        assert admin.state().layout.cuts == CUTS
