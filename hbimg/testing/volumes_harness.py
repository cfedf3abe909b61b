"""Made-up volumes, and ways to look at a table from all sides while a writer is stopped anywhere."""

from __future__ import annotations

import hashlib
import secrets
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from hbimg.model import VolumeKey
from hbimg.store import CHUNK_BYTES, Store
from hbimg.testing.pausing import PausingTable, WriterKilled, dead_process, kill_before
from hbimg.testing.volumes import MemorySource
from hbimg.volumes import (
    FrameRun,
    ResultWriter,
    SourceFile,
    VolumeContent,
    VolumeReader,
    VolumeTable,
    Where,
    entries,
    read_artefact,
    store_content,
    write_content,
)
from hbimg.volumes.export import Exporter
from hbimg.volumes.verify import orphans, verify_volumes

Operation = Callable[[VolumeTable, VolumeKey], None]
#: What is to be seen of a volume: its files' bytes and its results' artefacts; None when there is no volume.
State = tuple[tuple[bytes, ...], dict[str, tuple[bytes, ...]]] | None


def key_of(number: int) -> VolumeKey:
    """Give a key; two numbers that follow each other have neighbouring rows."""
    return VolumeKey("p", "sub-01", "-", f"scan{number:04d}")


def made_content(key: VolumeKey, version: str, frames: int = 3, files: int = 2) -> VolumeContent:
    """Give a volume of small files; frames of the first file are above the chunk size when `frames` is 1."""
    length = CHUNK_BYTES + 7 if frames == 1 else 11
    made = []
    for number in range(files):
        body = b"".join((f"{version} {number} {n} ".encode() * length)[:length] + b"--" for n in range(frames))
        data = b"head of " + version.encode() + body + b"tail"
        runs = (FrameRun(8 + len(version), length, frames, length + 2),)
        digest = hashlib.sha256(data).hexdigest()
        made.append(SourceFile(f"{version}/file{number}.bin", MemorySource(data, data), len(data), digest, runs))
    return VolumeContent(key=key, kind="volume", format="made", files=tuple(made), header={"version": version})


def files_of(content: VolumeContent) -> tuple[bytes, ...]:
    """Give the bytes of the files of a made volume."""
    found = []
    for file in content.files:
        with file.source.open_packed() as stream:
            found.append(stream.read())
    return tuple(found)


def put_result(volumes: VolumeTable, key: VolumeKey, text: str, name: str = "job") -> None:
    """Store a result of two artefacts, one of several pieces."""
    writer = ResultWriter(volumes, volumes.record(key), name)
    try:
        writer.add("a.txt", [text.encode()])
        writer.add("b.bin", [text.encode() * 3, b"z" * CHUNK_BYTES])
        writer.commit("job", "1", {"text": text})
    except BaseException:
        writer.abandon()
        raise


def result_of(text: str) -> tuple[bytes, ...]:
    """Give what `put_result` stores."""
    return (text.encode(), text.encode() * 3 + b"z" * CHUNK_BYTES)


class VolumesHarness(ABC):
    """What the tests of volumes over a store share."""

    #: Some tests stop a writer before every n-th of its writes only; 1 where writes are cheap.
    stride = 1

    @abstractmethod
    def make_store(self) -> Store:
        """Open the store under test."""

    @pytest.fixture
    def volumes(self) -> Iterator[VolumeTable]:
        """Give a new, empty table of volumes."""
        with self.make_store() as store:
            name = f"t_{secrets.token_hex(4)}"
            yield VolumeTable.create(store, name)
            store.drop_table(name)

    # -- what can be seen --------------------------------------------------------------------------------------------

    def seen(self, volumes: VolumeTable, key: VolumeKey, folder: Path) -> State:
        """Look at a volume in all ways there are, hold them against each other, and give what is seen."""
        where = Where(*key.labels)
        listed = list(entries(volumes, where))
        assert [record for record, _ in listed] == list(volumes.records(where))
        found = volumes.find(key)
        assert ([found] if found else []) == [record for record, _ in listed]
        if found is None:
            return None
        exported = [item.path.read_bytes() for item in Exporter(folder, overwrite=True).originals(volumes, found)]
        assert all(b"head of " + volumes.header(key)["version"].encode() in data for data in exported)
        reader = VolumeReader(volumes, found)
        assert exported == [b"".join(pieces) for _, pieces in reader.originals()]
        assert exported == [b"".join(pieces) for _, pieces in reader.unpacked()]
        assert sum(len(frame) for frame in reader.frames()) == found.frame_bytes == reader.frame_bytes().size
        results = {
            manifest.name: tuple(b"".join(read_artefact(volumes, manifest, item)) for item in manifest.artefacts)
            for manifest in listed[0][1]
        }
        assert [item.faults for item in verify_volumes(volumes, where)] == [()]
        return tuple(exported), results

    def kill_everywhere(
        self,
        volumes: VolumeTable,
        folder: Path,
        operations: tuple[Operation, Operation],
        states: Callable[[VolumeKey], tuple[State, State]],
    ) -> int:
        """Kill the second of two operations before each of its writes, look, run it again, look; gives the writes."""
        prepare, operate = operations
        number = 0
        while True:
            number += 1
            key = key_of(number)
            old, new = states(key)
            prepare(volumes, key)
            table = PausingTable(volumes.table, kill_before(number))
            try:
                with dead_process():
                    operate(VolumeTable(table, volumes.scheme), key)
            except WriterKilled:
                ended = False
            else:
                ended = True
            assert self.seen(volumes, key, folder) in (old, new), f"killed before write {number}"
            operate(volumes, key)
            assert self.seen(volumes, key, folder) == new, f"run again after a kill before write {number}"
            assert list(orphans(volumes)) == [], f"run again after a kill before write {number}"
            if ended:
                return table.writes

    @staticmethod
    def nothing(volumes: VolumeTable, key: VolumeKey) -> None:
        """Prepare nothing."""
        assert volumes.find(key) is None

    @staticmethod
    def remove(volumes: VolumeTable, key: VolumeKey) -> None:
        """Remove a volume."""
        volumes.remove(key)

    @staticmethod
    def store(version: str, shape: dict[str, int] | None = None, *, replace: bool = False) -> Operation:
        """Give the operation that stores a version."""

        def operate(volumes: VolumeTable, key: VolumeKey) -> None:
            store_content(volumes, made_content(key, version, **shape or {}), replace=replace)

        return operate

    @staticmethod
    def store_together(volumes: VolumeTable, key: VolumeKey) -> None:
        """Write a volume in place of another one, and a second one of another subject; then commit both."""
        other = replace(key, subject=f"{key.subject}-of-{key.scan}")
        contents = [made_content(key, "new"), made_content(other, "new", frames=1, files=1)]
        for written in [write_content(volumes, content, replace=True) for content in contents]:
            if written is not None:
                written.commit()

    def store_with_results(self, volumes: VolumeTable, key: VolumeKey) -> None:
        """Store a volume with two results."""
        self.store("old")(volumes, key)
        put_result(volumes, key, "one", "a")
        put_result(volumes, key, "two", "b")
