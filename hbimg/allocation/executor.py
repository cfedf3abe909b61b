"""The executor: leads a table to a planned layout, one recorded step after the other, verifies it, and leads it back.

Before each step it looks at the table anew, so it does not matter where it was killed, or what changed meanwhile.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from hbimg.allocation.admin import LayoutAdmin
from hbimg.allocation.journal import Entry, Journal, new_entry
from hbimg.allocation.layout import Layout
from hbimg.allocation.plan_file import StoredPlan
from hbimg.allocation.state import SWITCHES, Action, TableState, actions_to
from hbimg.errors import ConfigError, StoreError
from hbimg.volumes import VolumeTable

#: A step that is still due after so many times will be due for ever.
_TRIES = 3


@dataclass(frozen=True, slots=True)
class Progress:
    """How far it is: steps done, steps in all as it looks now, and the step that is done now."""

    done: int
    total: int
    words: str


def _say_nothing(progress: Progress) -> None:
    del progress


class Executor:
    """Applies plans to one table.

    Parameters
    ----------
    volumes : VolumeTable
        The journal stands in it.
    admin : LayoutAdmin
    on_progress : callable
    keep_balancer : bool
        Leave switches of the whole cluster alone.
    """

    def __init__(
        self,
        volumes: VolumeTable,
        admin: LayoutAdmin,
        on_progress: Callable[[Progress], None] = _say_nothing,
        *,
        keep_balancer: bool = False,
    ) -> None:
        self._volumes = volumes
        self._admin = admin
        self._journal = Journal(volumes)
        self._on_progress = on_progress
        self._keep_balancer = keep_balancer

    def actions(self, plan: StoredPlan) -> list[Action]:
        """Give the steps that `apply` would do, as it looks now."""
        state = self._admin.state()
        refuse_plan(plan, self._volumes, state)
        return actions_to(state, plan.layout, self._wanted(state, SWITCHES))

    def apply(self, plan: StoredPlan, *, created: bool = False) -> Entry:
        """Lead the table to a plan, verified, and give the entry of the journal.

        What a killed `apply` or `rollback` left is gone on from: a rollback then leads back to before that.

        Parameters
        ----------
        plan : StoredPlan
        created : bool
            Whether the table was made for it.

        Raises
        ------
        ConfigError
            If the plan is not for this table.
        StoreError
            If a step fails, or is done and has no effect; what was done so far is in the journal.
        """
        with self._journal.held():
            state = self._admin.state()
            refuse_plan(plan, self._volumes, state)
            entry = self._entry(plan, state, created=created)
            entry = self._reach(entry, plan.layout, self._wanted(state, SWITCHES))
            return self._journal.save(replace(entry, state="applied"))

    def _entry(self, plan: StoredPlan, state: TableState, *, created: bool) -> Entry:
        last = self._journal.last()
        if last is not None and last.state == "applied" and last.plan == plan:
            return last
        number = len(self._journal.entries())
        if last is not None and last.state != "applied":
            # What a killed command left is no layout that anybody wants back.
            return self._journal.save(replace(last, plan=plan, state="applying", servers_up=state.servers))
        return self._journal.save(new_entry(plan, state, number=number, created=created))

    def rollback(self) -> Entry:
        """Lead the table back to what it was before the last plan, verified, and give the entry of the journal.

        Raises
        ------
        ConfigError
            If no plan is applied, or a server of the layout before is gone.
        StoreError
            If a step fails, or is done and has no effect.
        """
        with self._journal.held():
            entry = self.to_roll_back()
            state = self._admin.state()
            entry = self._journal.save(replace(entry, state="rolling back"))
            entry = self._reach(entry, entry.before, self._wanted(state, entry.switches))
            return self._journal.save(replace(entry, state="rolled back"))

    def to_roll_back(self) -> Entry:
        """Give the entry that `rollback` would undo; ConfigError if there is none, or it cannot be undone."""
        entry = self._journal.last()
        if entry is None:
            raise ConfigError(
                f"table {self._volumes.name!r} has no plan that is applied: there is nothing to roll back"
            )
        gone = sorted(set(entry.before.servers) - set(self._admin.state().servers))
        if gone:
            raise ConfigError(
                f"before its plan table {self._volumes.name!r} had regions on {gone[0]!r}, which is gone: make a new "
                "plan for the servers that are there, and apply it"
            )
        return entry

    def rollback_actions(self) -> list[Action]:
        """Give the steps that `rollback` would do, as it looks now."""
        entry, state = self.to_roll_back(), self._admin.state()
        return actions_to(state, entry.before, self._wanted(state, entry.switches))

    def _wanted(self, state: TableState, wanted: Mapping[str, bool]) -> dict[str, bool]:
        kept = {"balancer": state.switches["balancer"]} if self._keep_balancer and "balancer" in state.switches else {}
        return {**wanted, **kept}

    def _reach(self, entry: Entry, target: Layout, wanted: Mapping[str, bool]) -> Entry:
        """Do the first of the steps that are due until none is."""
        done: Counter[Action] = Counter()
        while actions := actions_to(self._admin.state(), target, wanted):
            action = actions[0]
            if done[action] == _TRIES:
                raise StoreError(f"could not {action}: it was done {_TRIES} times without effect; {_advice(action)}")
            steps = done.total()

            def told(words: str, action: Action = action, steps: int = steps, left: int = len(actions)) -> None:
                self._on_progress(Progress(steps, steps + left, f"{action}: {words}"))

            self._on_progress(Progress(steps, steps + len(actions), str(action)))
            self._admin.do(action, told)
            done[action] += 1
            entry = self._journal.note(entry, str(action))
        self._on_progress(Progress(done.total(), done.total(), "verified"))
        return entry


def _advice(action: Action) -> str:
    if action.kind == "rewrite":
        return "is there a DataNode on each of their servers, under the same host name? `hbimg doctor` tells"
    return "something else undoes it: another `hbimg layout`, or somebody in HBase's shell?"


def refuse_plan(plan: StoredPlan, volumes: VolumeTable, state: TableState) -> None:
    """Raise ConfigError if a plan is for another table or group level, cuts a group, or names a server that is gone."""
    if plan.table != volumes.name:
        raise ConfigError(f"the plan is for table {plan.table!r}, not for {volumes.name!r}: make one for it")
    if plan.group_level != volumes.scheme.group_level:
        raise ConfigError(
            f"the plan is for groups by {plan.group_level}, but table {volumes.name!r} is grouped by "
            f"{volumes.scheme.group_level} for its life: make a new plan"
        )
    gone = sorted(set(plan.layout.servers) - set(state.servers))
    if gone:
        raise ConfigError(
            f"the plan puts regions on server {gone[0]!r}, which is not up; up are {', '.join(state.servers)}: "
            "make a new plan"
        )
