"""Tests that kill a writer before each of its writes."""

from __future__ import annotations

from pathlib import Path

import pytest

from hbimg.errors import (
    VolumeNotFoundError,
)
from hbimg.model import VolumeKey
from hbimg.testing.pausing import PausingTable, WriterKilled, dead_process, kill_before
from hbimg.testing.volumes_harness import (
    Operation,
    State,
    VolumesHarness,
    files_of,
    key_of,
    made_content,
    put_result,
    result_of,
)
from hbimg.volumes import (
    VolumeTable,
    Where,
    entries,
    settle_results,
)
from hbimg.volumes.verify import delete_orphans, orphans


class KilledWriters(VolumesHarness):
    """Whatever a killed writer leaves, nobody sees half of anything, and the next run puts it right."""

    @pytest.mark.parametrize("shape", [{}, {"frames": 1, "files": 1}, {"files": 0}, {"frames": 0}])
    def test_killed_while_storing(self, volumes: VolumeTable, tmp_path: Path, shape: dict[str, int]) -> None:
        def states(key: VolumeKey) -> tuple[State, State]:
            return None, (files_of(made_content(key, "new", **shape)), {})

        writes = self.kill_everywhere(volumes, tmp_path, (self.nothing, self.store("new", shape)), states)
        assert writes >= 2 + shape.get("files", 2) * (1 + shape.get("frames", 3))

    def test_killed_while_replacing(self, volumes: VolumeTable, tmp_path: Path) -> None:
        def states(key: VolumeKey) -> tuple[State, State]:
            return (files_of(made_content(key, "old")), {}), (files_of(made_content(key, "new")), {})

        operations = (self.store("old"), self.store("new", replace=True))
        assert self.kill_everywhere(volumes, tmp_path, operations, states) > 18

    def test_killed_while_storing_several_together(self, volumes: VolumeTable, tmp_path: Path) -> None:
        def states(key: VolumeKey) -> tuple[State, State]:
            return (files_of(made_content(key, "old")), {}), (files_of(made_content(key, "new")), {})

        assert self.kill_everywhere(volumes, tmp_path, (self.store("old"), self.store_together), states) > 20

    def test_killed_while_storing_a_result(self, volumes: VolumeTable, tmp_path: Path) -> None:
        def make(volumes: VolumeTable, key: VolumeKey) -> None:
            put_result(volumes, key, "new")

        def states(key: VolumeKey) -> tuple[State, State]:
            files = files_of(made_content(key, "old"))
            return (files, {}), (files, {"job": result_of("new")})

        assert self.kill_everywhere(volumes, tmp_path, (self.store("old"), make), states) >= 5

    def test_killed_while_making_a_result_anew(self, volumes: VolumeTable, tmp_path: Path) -> None:
        def prepare(volumes: VolumeTable, key: VolumeKey) -> None:
            self.store("old")(volumes, key)
            put_result(volumes, key, "old")

        def make(volumes: VolumeTable, key: VolumeKey) -> None:
            # As a run does: results that are current are left alone, what killed jobs left is deleted.
            settle_results(volumes)
            (_, manifests), *_ = entries(volumes, Where(scan=key.scan))
            if not any(manifest.parameters == {"text": "new"} for manifest in manifests):
                put_result(volumes, key, "new")

        def states(key: VolumeKey) -> tuple[State, State]:
            files = files_of(made_content(key, "old"))
            return (files, {"job": result_of("old")}), (files, {"job": result_of("new")})

        assert self.kill_everywhere(volumes, tmp_path, (prepare, make), states) >= 8

    def test_killed_while_removing(self, volumes: VolumeTable, tmp_path: Path) -> None:
        def remove(volumes: VolumeTable, key: VolumeKey) -> None:
            try:
                volumes.remove(key)
            except VolumeNotFoundError:
                assert list(volumes.table.scan(volumes.scheme.range_of(*key.labels))) == []

        def states(key: VolumeKey) -> tuple[State, State]:
            files = files_of(made_content(key, "old"))
            return (files, {"a": result_of("one"), "b": result_of("two")}), None

        assert self.kill_everywhere(volumes, tmp_path, (self.store_with_results, remove), states) > 14

    def test_what_a_killed_removal_left_is_no_part_of_what_comes_next(
        self, volumes: VolumeTable, tmp_path: Path
    ) -> None:
        def prepare(volumes: VolumeTable, key: VolumeKey) -> None:
            self.store_with_results(volumes, key)
            table = PausingTable(volumes.table, kill_before(3 + int(key.scan[-1])))
            with dead_process(), pytest.raises(WriterKilled):
                VolumeTable(table, volumes.scheme).remove(key)
            assert list(volumes.unfinished(Where(scan=key.scan))) == [key]

        def states(key: VolumeKey) -> tuple[State, State]:
            return None, (files_of(made_content(key, "new")), {})

        self.kill_everywhere(volumes, tmp_path, (prepare, self.store("new")), states)

    def test_repair_after_any_kill(self, volumes: VolumeTable, tmp_path: Path) -> None:
        """What `verify --repair` deletes is all that kills left, and nothing else."""
        operations: list[tuple[Operation, Operation]] = [
            (self.nothing, self.store("new")),
            (self.store("old"), self.store("new", replace=True)),
            (self.store("old"), lambda volumes, key: put_result(volumes, key, "new")),
            (self.store_with_results, lambda volumes, key: put_result(volumes, key, "new", "a")),
            (self.store_with_results, self.remove),
        ]
        number = 0
        for prepare, operate in operations:
            for stop in range(1, 40, self.stride):
                number += 1
                prepare(volumes, key_of(number))
                try:
                    with dead_process():
                        operate(
                            VolumeTable(PausingTable(volumes.table, kill_before(stop)), volumes.scheme), key_of(number)
                        )
                except WriterKilled:
                    continue
                break
        before = {key: self.seen(volumes, key, tmp_path) for key in map(key_of, range(1, number + 1))}
        delete_orphans(volumes, list(orphans(volumes)))
        assert list(orphans(volumes)) == []
        assert before == {key: self.seen(volumes, key, tmp_path) for key in before}
        assert any(state is None for state in before.values())
