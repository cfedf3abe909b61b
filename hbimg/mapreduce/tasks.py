"""Work off the volumes of a task, for any engine: fetch the next one meanwhile, store results, measure, never give up.

A volume that fails is an outcome with its line of error; only what would fail every volume (a full disk, a store that
is gone) is raised.
"""

from __future__ import annotations

import tempfile
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Self, TypeVar

from hbimg import __version__
from hbimg.errors import (
    HbimgError,
    StoreFullError,
    StorePermissionError,
    StoreUnavailableError,
    VolumeFailedError,
    VolumeNotFoundError,
)
from hbimg.mapreduce.job import Artefact, Job, LoadedVolume, result_parameters
from hbimg.mapreduce.loading import load
from hbimg.model import VolumeKey
from hbimg.volumes import Manifest, ResultWriter, VolumeRecord, VolumeTable, manifest_of

_T = TypeVar("_T")
#: Errors after which no other volume can succeed.
FATAL = (StoreFullError, StorePermissionError, StoreUnavailableError)


class State(StrEnum):
    """How a volume ended in a run."""

    DONE = "done"
    CURRENT = "current"  # the result was there already
    SKIPPED = "skipped"  # the job does not take it
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one volume in a run.

    Attributes
    ----------
    key : VolumeKey
    state : State
    reason : str
        Why it was skipped or failed, on one line.
    host, slot : str
        Where it was worked on; the slot tells the workers of a host apart.
    start_s, end_s : float
        Seconds since the epoch. `read_s` may lie before `start_s`: it overlaps with the volume before.
    read_s, wait_s, compute_s, write_s, pad_s : float
        Seconds spent reading, of that waiting for the read to end, computing, writing, and padding.
    input_bytes, output_bytes : int
        Bytes that were read of the volume, and written.
    """

    key: VolumeKey
    state: State
    reason: str = ""
    host: str = ""
    slot: str = ""
    start_s: float = 0.0
    end_s: float = 0.0
    read_s: float = 0.0
    wait_s: float = 0.0
    compute_s: float = 0.0
    write_s: float = 0.0
    pad_s: float = 0.0
    input_bytes: int = 0
    output_bytes: int = 0

    def to_json(self) -> dict[str, Any]:
        """Give a JSON-ready mapping."""
        return {**asdict(self), "key": str(self.key), "state": self.state.value}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read what `to_json` gave."""
        return cls(**{**data, "key": VolumeKey.parse(data["key"]), "state": State(data["state"])})


def _never() -> bool:
    return False


def _ignore(key: VolumeKey) -> None:
    del key


@dataclass(frozen=True, slots=True)
class TaskSettings:
    """How the volumes of a task are worked on.

    Attributes
    ----------
    result_name : str
        Name of the results; the job's unless the user gave another.
    run_id : str
    force : bool
        Make results anew that are current.
    pad_to_s : float
        Sleep after each volume until it took this long, in seconds.
    host, slot : str
        For the outcomes.
    scratch : Path or None
        Folder for the volumes' scratch folders; None is the system's place for temporary files.
    on_start : callable
        Called with the key before a volume is worked on.
    stopped : callable
        Asked before each volume, and while padding: whether to stop.
    """

    result_name: str
    run_id: str
    force: bool = False
    pad_to_s: float = 0.0
    host: str = "localhost"
    slot: str = "0"
    scratch: Path | None = None
    on_start: Callable[[VolumeKey], None] = field(default=_ignore)
    stopped: Callable[[], bool] = field(default=_never)


@dataclass(slots=True)
class _Fetched:
    """A volume that was fetched, or how that failed."""

    key: VolumeKey
    record: VolumeRecord | None = None
    volume: LoadedVolume | None = None
    end: Outcome | None = None
    folder: tempfile.TemporaryDirectory[str] | None = None
    read_s: float = 0.0


def run_split(job: Job, volumes: VolumeTable, keys: Iterable[VolumeKey], settings: TaskSettings) -> Iterator[Outcome]:
    """Run a job on volumes, one after the other, and give the outcome of each.

    Memory holds the volume that is worked on and the next one.

    Raises
    ------
    StoreFullError, StorePermissionError, StoreUnavailableError
        If no other volume could succeed either.
    """
    task = _Task(job, volumes, settings)
    source = iter(keys)
    with ThreadPoolExecutor(1, "prefetch") as reader:
        coming = reader.submit(task.fetch_next, source)
        while True:
            begin = time.perf_counter()
            fetched = coming.result()
            waited = time.perf_counter() - begin
            if fetched is None:
                return
            if settings.stopped():
                _drop(fetched)
                return
            coming = reader.submit(task.fetch_next, source)
            yield task.work(fetched, waited)
            fetched = None  # else it would live on while the volume after the next one is fetched


class _Task:
    """Fetches and works on volumes."""

    def __init__(self, job: Job, volumes: VolumeTable, settings: TaskSettings) -> None:
        self._job = job
        self._volumes = volumes
        self._settings = settings

    def fetch_next(self, keys: Iterator[VolumeKey]) -> _Fetched | None:
        key = next(keys, None)
        return None if key is None else self._fetch(_Fetched(key))

    def _fetch(self, fetched: _Fetched) -> _Fetched:
        begin = time.perf_counter()
        try:
            record = fetched.record = self._volumes.record(fetched.key)
            if self._is_current(record):
                fetched.end = self._outcome(fetched, State.CURRENT)
                return fetched
            fetched.folder = tempfile.TemporaryDirectory(prefix="hbimg-", dir=self._settings.scratch)
            fetched.volume = load(self._volumes, record, self._job, Path(fetched.folder.name))
        except FATAL:
            raise
        except (HbimgError, OSError, MemoryError) as error:
            fetched.end = self._outcome(fetched, State.FAILED, _one_line(error))
        fetched.read_s = time.perf_counter() - begin
        return fetched

    def _is_current(self, record: VolumeRecord) -> bool:
        if self._settings.force or self._job.always_anew:
            return False
        try:
            manifest = manifest_of(self._volumes, record.key, self._settings.result_name)
        except VolumeNotFoundError:
            return False
        return is_current(manifest, record, self._job)

    def work(self, fetched: _Fetched, waited_s: float) -> Outcome:
        if fetched.end is not None:
            _drop(fetched)
            return replace(fetched.end, wait_s=waited_s)
        assert fetched.volume is not None
        self._settings.on_start(fetched.key)
        begin, start_s = time.perf_counter(), time.time() - waited_s
        meter = _Meter()
        try:
            output_bytes = self._make(fetched.volume, meter)
            outcome = self._outcome(fetched, State.DONE, output_bytes=output_bytes)
        except FATAL:
            raise
        except Exception as error:  # noqa: BLE001 - a job may raise anything, and only its volume fails
            outcome = self._outcome(fetched, State.FAILED, _one_line(error))
        finally:
            _drop(fetched)
        write_s = time.perf_counter() - begin - meter.compute_s
        pad_s = self._pad(waited_s + time.perf_counter() - begin)
        return replace(
            outcome,
            start_s=start_s,
            end_s=time.time(),
            read_s=fetched.read_s,
            wait_s=waited_s,
            compute_s=meter.compute_s,
            write_s=write_s,
            pad_s=pad_s,
        )

    def _make(self, volume: LoadedVolume, meter: _Meter) -> int:
        writer = ResultWriter(self._volumes, volume.record, self._settings.result_name)
        begin = time.perf_counter()
        names: set[str] = set()
        size = 0
        try:
            for artefact in meter.timed(self._job.map(volume)):
                _check_name(artefact, names)
                size += writer.add(artefact.name, meter.timed(artefact.pieces)).size_bytes
            _check_any(self._job, names)
            made = {
                "run": self._settings.run_id,
                "at": datetime.now(UTC).isoformat(timespec="seconds"),
                "seconds": round(time.perf_counter() - begin, 6),
                "by": f"hbimg {__version__}",
            }
            writer.commit(self._job.name, self._job.version, result_parameters(self._job), made)
        except BaseException:
            writer.abandon()
            raise
        return size

    def _pad(self, took_s: float) -> float:
        """Sleep until the volume took as long as it shall; stop early when the run stops."""
        begin = time.perf_counter()
        end = begin + self._settings.pad_to_s - took_s
        while (left := end - time.perf_counter()) > 0 and not self._settings.stopped():
            time.sleep(min(left, 0.05))
        return time.perf_counter() - begin

    def _outcome(self, fetched: _Fetched, state: State, reason: str = "", output_bytes: int = 0) -> Outcome:
        now = time.time()
        return Outcome(
            key=fetched.key,
            state=state,
            reason=reason,
            host=self._settings.host,
            slot=self._settings.slot,
            start_s=now,
            end_s=now,
            input_bytes=fetched.volume.size_bytes if fetched.volume else 0,
            output_bytes=output_bytes,
        )


class _Meter:
    """Adds up the seconds that a job's iterators take."""

    def __init__(self) -> None:
        self.compute_s = 0.0

    def timed(self, items: Iterable[_T]) -> Iterator[_T]:
        source = iter(items)
        while True:
            begin = time.perf_counter()
            try:
                item = next(source)
            except StopIteration:
                return
            finally:
                self.compute_s += time.perf_counter() - begin
            yield item


def is_current(manifest: Manifest, record: VolumeRecord, job: Job) -> bool:
    """Whether a stored result is what the job would give again."""
    return manifest.is_current(record, job.name, job.version, result_parameters(job))


def _drop(fetched: _Fetched) -> None:
    """Let go of a volume's memory and its scratch folder."""
    fetched.volume = None
    if fetched.folder is not None:
        fetched.folder.cleanup()


def _check_name(artefact: Artefact, names: set[str]) -> None:
    name = artefact.name
    if not name or name != name.strip() or "/" in name or "\0" in name or name in (".", ".."):
        raise VolumeFailedError(f"{name!r} is no name for an artefact: give a file name without a folder")
    if name in names:
        raise VolumeFailedError(f"two artefacts are called {name!r}: each needs a name of its own")
    names.add(name)


def _check_any(job: Job, names: set[str]) -> None:
    if not names:
        raise VolumeFailedError(f"job {job.name} gave no artefact")


def _one_line(error: BaseException) -> str:
    """Give an error in one line; one that is not ours with its kind and the place where it was raised."""
    text = " ".join(str(error).split())
    if isinstance(error, HbimgError):
        return text
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {text}{place}" if text else f"{type(error).__name__}{place}"
