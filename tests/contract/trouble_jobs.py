"""Jobs for the engine's tests; in a module of their own, because workers import them by name."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from hbimg.mapreduce.job import Artefact, Job, LoadedVolume, parameter


@dataclass(frozen=True)
class Trouble(Job):
    """Copies the frames; on the volume whose key ends in `on` it does what `how` says."""

    name: ClassVar[str] = "trouble"
    version: ClassVar[str] = "1"

    on: str = parameter("", "End of the key of the volume that makes trouble.")
    how: str = parameter("", "What it does there.")
    marks: str = parameter("", "Folder in which each call leaves a file with its process id.")
    seconds: float = parameter(0.0, "How long each volume takes.")

    def map(self, volume: LoadedVolume) -> Iterable[Artefact]:
        key = str(volume.record.key)
        if self.marks:
            # A link is there at once, with what it says: nobody sees it half.
            (Path(self.marks) / f"{key.replace('/', '_')}.{time.monotonic_ns()}").symlink_to(f"{os.getpid()}")
        time.sleep(self.seconds)
        if self.on and key.endswith(self.on):
            _make_trouble(self.how)
        yield Artefact("copy.bin", [bytes(frame) for frame in volume.frames])
        if self.how == "late" and key.endswith(self.on):
            raise RuntimeError("after the first artefact")


def _make_trouble(how: str) -> None:
    if how == "exit":
        os._exit(7)
    if how == "segfault":
        os.kill(os.getpid(), signal.SIGSEGV)
    if how == "raise":
        raise ValueError("this volume\nis bad")
    if how == "memory":
        raise MemoryError


@dataclass(frozen=True)
class Meeting(Job):
    """Every volume waits until a second one is worked on, too."""

    name: ClassVar[str] = "meeting"
    version: ClassVar[str] = "1"
    marks: str = parameter("", "Folder in which each call leaves a file.")

    def map(self, volume: LoadedVolume) -> Iterable[Artefact]:
        folder, until = Path(self.marks), time.monotonic() + 60
        (folder / str(volume.record.key).replace("/", "_")).touch()
        while len(list(folder.iterdir())) < 2:
            if time.monotonic() > until:
                raise TimeoutError("no other volume is worked on")
            time.sleep(0.01)
        yield Artefact("met", [b"x"])


@dataclass(frozen=True)
class BadNames(Job):
    """Gives artefacts with names that cannot be."""

    name: ClassVar[str] = "bad-names"
    version: ClassVar[str] = "1"
    names: str = parameter("", "Names, with blanks between.")

    def map(self, volume: LoadedVolume) -> Iterable[Artefact]:
        for name in self.names.split():
            yield Artefact(name, [b"x"])


class NoDataclass(Job):
    """Lacks @dataclass."""

    name: ClassVar[str] = "no-dataclass"
    version: ClassVar[str] = "1"

    def map(self, volume: LoadedVolume) -> Iterable[Artefact]:
        return []


@dataclass(frozen=True)
class Clash(Job):
    """Has the name of a built-in job."""

    name: ClassVar[str] = "compress"
    version: ClassVar[str] = "1"

    def map(self, volume: LoadedVolume) -> Iterable[Artefact]:
        return []
