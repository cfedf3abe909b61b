"""The contract of a `LayoutAdmin`, and of the executor on it; subclasses say what stands behind it.

A subclass makes a table with the borders `CUTS` on at least two servers; volumes of ``p/s0`` to ``p/s3`` may be in it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count

import pytest

from hbimg.allocation.admin import LayoutAdmin, Told
from hbimg.allocation.executor import Executor, Progress
from hbimg.allocation.journal import Journal
from hbimg.allocation.layout import Layout, Server
from hbimg.allocation.plan_file import StoredPlan
from hbimg.allocation.state import LOCAL, SWITCHES, Action, TableState, actions_to
from hbimg.errors import ConfigError, StoreBusyError, StoreError
from hbimg.rowkeys import layout_lock_row
from hbimg.store.cells import seal
from hbimg.volumes import VolumeTable
from hbimg.volumes.owners import Lease, Owner

#: Borders of the table that a subclass makes.
CUTS = (b"p,s1", b"p,s3")


class Killed(BaseException):
    """Stands for a process that ends here."""


class LayoutContract:
    """What every `LayoutAdmin` does; `volumes` and `admin` are made anew for each test."""

    volumes: VolumeTable
    admin: LayoutAdmin
    #: Whether steps are cheap and exactly those that are due; where not, a subclass takes two tests away.
    exhaustive = True

    @pytest.fixture
    def plan(self) -> StoredPlan:
        """A plan that needs a cut, a join, moves and rewrites: as unlike the table as it can be."""
        names = self.admin.state().servers
        starts = (b"", b"p,s2", b"p,s3")
        before = self.admin.state().layout
        # Each region where it is not now.
        servers = [next(name for name in names if name != now) for now in (before.servers[0], *before.servers[1:])]
        layout = Layout(starts, (servers[0], servers[1], servers[2]))
        return StoredPlan(self.volumes.name, "subject", tuple(Server(name, 1) for name in sorted(names)), layout)

    def _told(self, words: str) -> None:
        assert words

    def test_regions_are_told_in_order(self) -> None:
        state = self.admin.state()
        assert state.layout.cuts == CUTS
        assert set(state.layout.servers) <= set(state.servers)
        assert len(state.servers) >= 2
        assert set(state.switches) <= set(SWITCHES)

    def test_cut_and_join(self) -> None:
        before = self.admin.state().layout
        self._allow_cuts()
        self.admin.split(b"p,s1", b"p,s2")
        state = self.admin.state()
        assert state.layout.cuts == (b"p,s1", b"p,s2", b"p,s3")
        assert state.layout.server_of(b"p,s1") == state.layout.server_of(b"p,s2") == before.server_of(b"p,s1")
        self.admin.merge(b"p,s2")
        assert self.admin.state().layout.cuts == before.cuts

    def test_what_cannot_be_is_refused(self) -> None:
        before = self.admin.state().layout
        self._allow_cuts()
        attempts: tuple[Callable[[], None], ...] = (
            lambda: self.admin.split(b"p,s9", b"p,s99"),
            lambda: self.admin.split(b"p,s1", b"p,s5"),
            lambda: self.admin.split(b"p,s1", b"p,s1"),
            lambda: self.admin.merge(b""),
            lambda: self.admin.merge(b"p,s2"),
            lambda: self.admin.move(b"p,s1", "nobody.invalid"),
            lambda: self.admin.move(b"p,s2", before.servers[0]),
        )
        for attempt in attempts:
            with pytest.raises(StoreError) as caught:
                attempt()
            assert "\n" not in str(caught.value)
        assert self.admin.state().layout == before

    def test_move_and_rewrite(self) -> None:
        start, server = b"p,s1", self.admin.state().layout.server_of(b"p,s1")
        other = next(name for name in self.admin.state().servers if name != server)
        self._quiet()
        self.admin.move(start, other)
        self.admin.move(start, other)  # once more does no harm
        assert self.admin.state().layout.server_of(start) == other
        for _ in range(3):  # as `apply` does it: look, and write again what is told to lie elsewhere
            self.admin.rewrite([start], self._told)
            (region,) = [region for region in self.admin.state().regions if region.start == start]
            if region.locality >= LOCAL:
                break
        assert region.locality >= LOCAL

    def test_switches_are_set_and_told(self) -> None:
        before = self.admin.state().switches
        for name, on in before.items():
            if name == "group restriction":
                continue
            self.admin.switch(name, on=not on)
            assert self.admin.state().switches[name] is not on
            self.admin.switch(name, on=on)
        assert self.admin.state().switches == before
        with pytest.raises(StoreError):
            self.admin.switch("weather", on=True)

    def test_apply_reaches_the_plan_and_rollback_what_was_before(self, plan: StoredPlan) -> None:
        before = self.admin.state()
        seen: list[Progress] = []
        executor = Executor(self.volumes, self.admin, seen.append)
        due = executor.actions(plan)
        assert due
        entry = executor.apply(plan)
        self._assert_reached(plan.layout)
        # Only the first step is sure: HBase chooses the server of a region that was joined.
        told = [words for _, words in entry.steps]
        assert told[0] == str(due[0])
        assert told == [str(action) for action in due] or not self.exhaustive
        assert seen[-1].words == "verified"
        assert executor.actions(plan) == []
        # Once more does nothing, and does not forget what was before.
        assert executor.apply(plan) == entry
        assert executor.rollback_actions()
        assert executor.rollback().state == "rolled back"
        assert self.admin.state().layout == before.layout
        assert self.admin.state().switches == before.switches
        with pytest.raises(ConfigError, match="nothing to roll back"):
            executor.rollback()

    def test_killed_after_each_step_it_goes_on_with_the_next(self, plan: StoredPlan) -> None:
        before = self.admin.state().layout
        for run, goal in (
            (lambda executor: executor.apply(plan), plan.layout),
            (lambda executor: executor.rollback(), before),
        ):
            killed = 0
            while self._dies(run):
                killed += 1
            assert killed > 3
            assert self.admin.state().layout == goal

    def _dies(self, run: Callable[[Executor], object]) -> bool:
        """Kill it after one step, and tell whether there was one."""
        try:
            self._killed(1, run)
        except Killed:
            return True
        return False

    def test_killed_after_any_number_of_steps_both_ways_lead_on(self, plan: StoredPlan) -> None:
        before = self.admin.state().layout
        for steps in self._until_it_ends(lambda executor: executor.apply(plan)):
            # Both ways lead on from where it was killed; back first, so that the next turn begins at the beginning.
            Executor(self.volumes, self.admin).rollback()
            assert self.admin.state().layout == before
            with pytest.raises(Killed):
                self._killed(steps, lambda executor: executor.apply(plan))
            Executor(self.volumes, self.admin).apply(plan)
            self._assert_reached(plan.layout)
            Executor(self.volumes, self.admin).rollback()
            assert self.admin.state().layout == before

    def test_a_killed_rollback_is_finished_by_the_next(self, plan: StoredPlan) -> None:
        before = self.admin.state().layout
        Executor(self.volumes, self.admin).apply(plan)
        for steps in self._until_it_ends(lambda executor: executor.rollback()):
            assert Journal(self.volumes).entries()[-1].state == "rolling back"
            if steps % 2:
                Executor(self.volumes, self.admin).rollback()
                assert self.admin.state().layout == before
            Executor(self.volumes, self.admin).apply(plan)
            self._assert_reached(plan.layout)
        assert self.admin.state().layout == before

    def test_only_one_at_a_time(self, plan: StoredPlan) -> None:
        with (
            self._held_by_another(),
            pytest.raises(StoreBusyError, match=r"elsewhere\.invalid changes the layout"),
        ):
            Executor(self.volumes, self.admin).apply(plan)
        assert self.admin.state().layout.cuts == CUTS

    # -- how ---------------------------------------------------------------------------------------------------------

    def _assert_reached(self, layout: Layout) -> None:
        state = self.admin.state()
        assert state.layout == layout
        assert all(region.locality >= LOCAL for region in state.regions)
        assert state.switches == {name: SWITCHES[name] for name in state.switches}
        assert actions_to(state, layout) == []

    def _allow_cuts(self) -> None:
        for name in ("splits", "merges"):
            if self.admin.state().switches.get(name) is False:
                self.admin.switch(name, on=True)

    def _quiet(self) -> None:
        if self.admin.state().switches.get("balancer"):
            self.admin.switch("balancer", on=False)

    def _until_it_ends(self, run: Callable[[Executor], object]) -> Iterator[int]:
        """Kill after 0, 1, 2, ... steps, until it ends before that; in between the caller cleans up."""
        for steps in count():
            try:
                self._killed(steps, run)
            except Killed:
                yield steps
            else:
                return

    def _killed(self, steps: int, run: Callable[[Executor], object]) -> None:
        """Run until so many steps are done, and end then, before the last one is in the journal."""
        run(Executor(self.volumes, _Mortal(self.admin, steps)))

    @contextmanager
    def _held_by_another(self) -> Iterator[None]:
        row = layout_lock_row()
        lease = Lease(Owner("elsewhere.invalid", 1, "then"), time.time() + 100)
        cell = seal(row, b"m:lease", json.dumps(lease.to_json()).encode())
        self.volumes.table.put(row, {b"m:lease": cell})
        yield
        self.volumes.table.delete_many([row])


class _Mortal(LayoutAdmin):
    """Does what another one does, and then dies."""

    def __init__(self, admin: LayoutAdmin, steps: int) -> None:
        self._admin = admin
        self._left = steps

    def state(self) -> TableState:
        return self._admin.state()

    def do(self, action: Action, told: Told) -> None:
        if self._left == 0:
            raise Killed
        self._left -= 1
        self._admin.do(action, told)
        if self._left == 0:
            raise Killed

    def split(self, start: bytes, cut: bytes) -> None:
        self._admin.split(start, cut)

    def merge(self, start: bytes) -> None:
        self._admin.merge(start)

    def move(self, start: bytes, server: str) -> None:
        self._admin.move(start, server)

    def rewrite(self, starts: Sequence[bytes], told: Told) -> None:
        self._admin.rewrite(starts, told)

    def switch(self, name: str, *, on: bool) -> None:
        self._admin.switch(name, on=on)
