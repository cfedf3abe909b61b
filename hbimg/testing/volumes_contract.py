"""The contract of volumes over a store: subclass it, say how to open yours, and every promise is tested on it.

Nobody ever sees half a volume or half a result, whenever a writer is killed or paused; the same command run again ends
in the whole state, with no row that nothing points to; of two writers one wins and the other is told.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from hbimg.errors import (
    CorruptCellError,
    VolumeBusyError,
    VolumeChangedError,
)
from hbimg.testing.volumes_harness import files_of, key_of, made_content, put_result
from hbimg.testing.volumes_kills import KilledWriters
from hbimg.testing.volumes_races import RacingWriters
from hbimg.volumes import (
    VolumeReader,
    VolumeTable,
    entries,
    read_artefact,
    write_content,
)
from hbimg.volumes.verify import orphans, verify_volumes


class VolumesContract(KilledWriters, RacingWriters):
    """All tests of volumes, results and removals over a store."""

    def test_what_is_written_is_seen_when_it_is_committed(self, volumes: VolumeTable, tmp_path: Path) -> None:
        contents = [made_content(key_of(number), "new") for number in range(4)]
        written = [write_content(volumes, content) for content in contents]
        assert list(volumes.records()) == []
        with pytest.raises(VolumeBusyError):
            write_content(volumes, contents[0])
        for number, one in enumerate(written[:3]):
            assert one is not None
            one.renew()
            record = one.commit()
            assert volumes.record(key_of(number)) == record
            assert self.seen(volumes, key_of(number), tmp_path) == (files_of(contents[number]), {})
        assert written[3] is not None
        written[3].abandon()
        assert volumes.find(key_of(3)) is None
        assert list(orphans(volumes)) == []
        assert write_content(volumes, contents[0]) is None

    def test_a_reader_is_told_when_the_volume_changes_under_it(self, volumes: VolumeTable) -> None:
        key = key_of(1)
        self.store("old")(volumes, key)
        put_result(volumes, key, "one")
        ((record, (manifest,)),) = entries(volumes)
        put_result(volumes, key, "two")
        with pytest.raises(VolumeChangedError, match="made anew while it was read"):
            b"".join(read_artefact(volumes, manifest, manifest.artefacts[1]))
        self.store("new", replace=True)(volumes, key)
        reader = VolumeReader(volumes, record)
        for read in (
            lambda: list(reader.frames()),
            lambda: [b"".join(pieces) for _, pieces in reader.originals()],
            lambda: list(reader.files()),
        ):
            with pytest.raises(VolumeChangedError, match="replaced or removed while it was read"):
                read()

    def test_missing_rows_are_found(self, volumes: VolumeTable) -> None:
        """Any row of a volume or a result that is gone makes reading fail, and verify says so."""
        self.store("v")(volumes, key_of(1))
        put_result(volumes, key_of(1), "r")
        rows = {row.key: row.cells for row in volumes.table.scan(volumes.scheme.range_of())}
        copies = {key: {c: bytes(v) for c, v in volumes.table.get(key).items()} for key in rows}
        for row in list(copies)[1:]:
            if volumes.scheme.decode(row).kind == "manifest":
                continue
            volumes.table.delete_many([row])
            (checked,) = verify_volumes(volumes)
            assert len(checked.faults) == 1, row
            volumes.table.put(row, copies[row])
        assert [item.faults for item in verify_volumes(volumes)] == [()]

    def test_damaged_cells_are_found_and_the_rest_is_checked(self, volumes: VolumeTable) -> None:
        """A flipped bit in any cell is a fault of its volume; the neighbours are checked all the same."""
        for number in (1, 2, 3):
            self.store("v")(volumes, key_of(number))
        put_result(volumes, key_of(2), "r")
        key_range = volumes.scheme.range_of(*key_of(2).labels)
        for row in [row.key for row in volumes.table.scan(key_range)]:
            for column, cell in volumes.table.get(row).items():
                if column in (b"m:claim",) or column.startswith(b"m:attempt"):
                    continue
                volumes.table.put(row, {column: bytes([cell[0] ^ 1]) + cell[1:]})
                faulty = [item.key for item in verify_volumes(volumes) if item.faults]
                assert faulty == [key_of(2)], (row, column)
                assert len([item for item in verify_volumes(volumes) if not item.faults]) >= 2
                assert list(orphans(volumes)) == [], "nothing is called an orphan beside a damaged cell"
                volumes.table.put(row, {column: cell})
        volumes.table.put(volumes.scheme.volume(key_of(2)), {b"m:volume": b"nonsense"})
        with pytest.raises(CorruptCellError):
            volumes.record(key_of(2))
