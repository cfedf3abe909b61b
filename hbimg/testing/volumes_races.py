"""Tests of several writers at one volume."""

from __future__ import annotations

import threading
from pathlib import Path
from random import Random

import pytest

from hbimg.errors import (
    ClaimLostError,
    HbimgError,
    KeyClashError,
    StoreBusyError,
    VolumeChangedError,
)
from hbimg.model import VolumeKey
from hbimg.testing.pausing import PausingTable, dead_process
from hbimg.testing.volumes_harness import (
    Operation,
    VolumesHarness,
    files_of,
    key_of,
    made_content,
    put_result,
    result_of,
)
from hbimg.volumes import (
    ResultWriter,
    VolumeTable,
    settle_results,
    store_content,
)
from hbimg.volumes.verify import delete_orphans, orphans


class RacingWriters(VolumesHarness):
    """Of two writers one wins and the other is told; late ones harm nobody."""

    def test_a_writer_at_work_keeps_others_out(self, volumes: VolumeTable, tmp_path: Path) -> None:
        told = []

        def before_write(number: int) -> None:
            if 1 < number < 9:  # between its claim and its commit
                for other in (self.store("other"), self.remove):
                    with pytest.raises(StoreBusyError) as caught:
                        other(volumes, key_of(1))
                    told.append(str(caught.value))
                assert list(orphans(volumes)) == []
                delete_orphans(volumes, list(orphans(volumes)))

        self.store("mine")(VolumeTable(PausingTable(volumes.table, before_write), volumes.scheme), key_of(1))
        assert self.seen(volumes, key_of(1), tmp_path) == (files_of(made_content(key_of(1), "mine")), {})
        assert len(told) > 10
        assert all("is being written by process" in text and "\n" not in text for text in told)

    def test_who_lost_the_claim_harms_nobody(self, volumes: VolumeTable, tmp_path: Path) -> None:
        """A writer that stood still for longer than its claim, before any write, while another stored the volume."""
        for replace in (False, True):
            number = 0
            while True:
                number += 1
                key = VolumeKey("p", f"sub-{replace}", "-", f"scan{number:04d}")
                if replace:
                    self.store("before")(volumes, key)
                taken: list[int] = []

                def before_write(
                    now: int, number: int = number, key: VolumeKey = key, taken: list[int] = taken
                ) -> None:
                    if now == number:
                        store_content(volumes, made_content(key, "winner"), replace=True)
                        taken.append(now)

                slow = VolumeTable(PausingTable(volumes.table, before_write), volumes.scheme)
                lost = None
                try:
                    with dead_process():
                        store_content(slow, made_content(key, "slow"), replace=replace)
                except HbimgError as error:
                    lost = error
                seen = self.seen(volumes, key, tmp_path)
                # Before its claim and after its commit the slow one is no loser; in between it is, and is told.
                versions = ["slow" if lost is None and not (taken and seen and b"winner" in seen[0][0]) else "winner"]
                assert seen == (files_of(made_content(key, versions[0])), {})
                assert list(orphans(volumes)) == [], f"paused before write {number}"
                if not taken:
                    break
            assert number > 9

    def test_a_late_remover_harms_nobody(self, volumes: VolumeTable, tmp_path: Path) -> None:
        """A removal that stood still before any of its writes, while others finished it and stored a new volume."""
        number = 0
        while True:
            number += 1
            key = key_of(number)
            taken: list[int] = []
            self.store_with_results(volumes, key)

            def before_write(now: int, number: int = number, key: VolumeKey = key, taken: list[int] = taken) -> None:
                if now == number:
                    taken.append(now)
                    store_content(volumes, made_content(key, "winner"), replace=True)
                    put_result(volumes, key, "winner", "a")
                    put_result(volumes, key, "winner", "c")

            slow = VolumeTable(PausingTable(volumes.table, before_write), volumes.scheme)
            try:
                with dead_process():
                    slow.remove(key)
            except HbimgError as error:
                assert isinstance(error, ClaimLostError)  # noqa: PT017 - it need not be raised
            seen = self.seen(volumes, key, tmp_path)
            if not taken:
                assert seen is None
                break
            if number > 1:  # before the claim it simply removes what the winner stored
                assert seen is not None
                assert seen[0] == files_of(made_content(key, "winner"))
                assert {name: seen[1][name] for name in "ac"} == {name: result_of("winner") for name in "ac"}
            assert list(orphans(volumes)) == [], f"paused before write {number}"
        assert number > 14

    @pytest.mark.parametrize("seed", range(12))
    def test_two_writers_step_by_step(self, volumes: VolumeTable, tmp_path: Path, seed: int) -> None:
        """Two writers that take each other for dead, in a random order of writes: one wins, the other is told."""
        turns = _Turns(Random(seed))
        key = key_of(seed)
        told: dict[str, HbimgError] = {}

        def write(version: str) -> None:
            table = PausingTable(volumes.table, lambda _: turns.wait(version))
            try:
                turns.wait(version)
                self.store(version)(VolumeTable(table, volumes.scheme), key)
            except HbimgError as error:
                told[version] = error
            finally:
                turns.leave(version)

        with dead_process():
            threads = [threading.Thread(target=write, args=(version,)) for version in turns.names]
            for thread in threads:
                thread.start()
            while turns.next():
                state = self.seen(volumes, key, tmp_path)
                assert state in (None, *((files_of(made_content(key, version)), {}) for version in turns.names))
            for thread in threads:
                thread.join()
        assert len(told) == 1, told
        ((loser, error),) = told.items()
        assert isinstance(error, ClaimLostError | KeyClashError)
        winner = next(version for version in turns.names if version != loser)
        assert self.seen(volumes, key, tmp_path) == (files_of(made_content(key, winner)), {})
        assert list(orphans(volumes)) == []

    def test_a_result_of_a_volume_that_changes_meanwhile_is_not_kept(
        self, volumes: VolumeTable, tmp_path: Path
    ) -> None:
        changes: list[Operation] = [
            self.remove,
            self.store("new", replace=True),
        ]
        for change in changes:
            number = 0
            while True:
                number += 1
                key = VolumeKey("p", f"sub-{changes.index(change)}", "-", f"scan{number:04d}")
                self.store("old")(volumes, key)
                done: list[int] = []

                def before_write(
                    now: int,
                    number: int = number,
                    key: VolumeKey = key,
                    done: list[int] = done,
                    change: Operation = change,
                ) -> None:
                    if now == number:
                        change(volumes, key)
                        done.append(now)

                table = PausingTable(volumes.table, before_write)
                try:
                    put_result(VolumeTable(table, volumes.scheme), key, "late")
                except VolumeChangedError:
                    assert done
                    seen = self.seen(volumes, key, tmp_path)
                    assert seen in (None, (files_of(made_content(key, "new")), {}))
                    assert list(orphans(volumes)) == []
                if not done:
                    break
            assert number >= 5

    def test_pieces_of_a_job_at_work_are_no_orphans(self, volumes: VolumeTable, tmp_path: Path) -> None:
        self.store("old")(volumes, key_of(1))

        def before_write(_: int) -> None:
            assert list(orphans(volumes)) == []
            delete_orphans(volumes, list(orphans(volumes)))
            settle_results(volumes)

        put_result(VolumeTable(PausingTable(volumes.table, before_write), volumes.scheme), key_of(1), "r")
        seen = self.seen(volumes, key_of(1), tmp_path)
        assert seen is not None
        assert seen[1] == {"job": result_of("r")}

    def test_two_tasks_that_make_one_result_leave_one(self, volumes: VolumeTable, tmp_path: Path) -> None:
        number = 0
        while True:
            number += 1
            key = key_of(number)
            done: list[int] = []
            self.store("old")(volumes, key)

            def before_write(now: int, number: int = number, key: VolumeKey = key, done: list[int] = done) -> None:
                if now == number:
                    put_result(volumes, key, "quick")
                    done.append(now)

            put_result(VolumeTable(PausingTable(volumes.table, before_write), volumes.scheme), key, "slow")
            seen = self.seen(volumes, key, tmp_path)
            assert seen is not None
            assert seen[1]["job"] in (result_of("quick"), result_of("slow"))
            assert list(orphans(volumes)) == []
            if not done:
                break
        assert number >= 5

    def test_an_abandoned_result_that_is_visible_stays(self, volumes: VolumeTable, tmp_path: Path) -> None:
        self.store("old")(volumes, key_of(1))
        writer = ResultWriter(volumes, volumes.record(key_of(1)), "job")
        writer.add("a.txt", [b"text"])
        writer.commit("job", "1", {})
        writer.abandon()
        seen = self.seen(volumes, key_of(1), tmp_path)
        assert seen is not None
        assert seen[1] == {"job": (b"text",)}


class _Turns:
    """Lets writers do one write each in a random order."""

    names = ("first", "second")

    def __init__(self, random: Random) -> None:
        self._random = random
        self._go = {name: threading.Semaphore(0) for name in self.names}
        self._arrived = {name: threading.Semaphore(0) for name in self.names}
        self._working = set(self.names)
        self._waiting: set[str] = set()

    def wait(self, name: str) -> None:
        self._waiting.add(name)
        self._arrived[name].release()
        self._go[name].acquire(timeout=60)

    def leave(self, name: str) -> None:
        self._working.discard(name)
        self._arrived[name].release()

    def next(self) -> bool:
        """Let one writer take one step and wait until it stands again; False when all are done."""
        for name in self.names:
            if name in self._working and name not in self._waiting:
                self._arrived[name].acquire(timeout=60)
        if not self._working:
            return False
        name = self._random.choice(sorted(self._working))
        self._waiting.discard(name)
        self._go[name].release()
        self._arrived[name].acquire(timeout=60)
        return True
