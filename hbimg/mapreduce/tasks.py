"""Work off the volumes of a task, for any engine: fetch the next one meanwhile, store results, measure, never give up.

A volume that fails is an outcome with its line of error; only what would fail every volume (a full disk, a store that
is gone) is raised.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from hbimg import __version__
from hbimg.errors import (
    HbimgError,
    StoreFullError,
    StorePermissionError,
    StoreUnavailableError,
    VolumeFailedError,
    VolumeNotFoundError,
)
from hbimg.mapreduce.blocks import Blocks
from hbimg.mapreduce.job import Artefact, Job, LoadedVolume, result_parameters
from hbimg.mapreduce.loading import load
from hbimg.mapreduce.outcomes import Outcome, State, one_line
from hbimg.model import VolumeKey
from hbimg.volumes import Manifest, ResultWriter, VolumeRecord, VolumeTable, manifest_of

_T = TypeVar("_T")
#: Errors after which no other volume can succeed.
FATAL = (StoreFullError, StorePermissionError, StoreUnavailableError)


def _never() -> bool:
    return False


def _ignore(key: VolumeKey) -> None:
    del key


def _this_machine(key: VolumeKey) -> str:
    del key
    return ""


def _at_once(key: VolumeKey, size_bytes: int) -> None:
    del key, size_bytes


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
    transfer : callable
        Called with the key and how many of its bytes were read or written: waits as long as a simulated link does.
    stopped : callable
        Asked before each volume, and while padding: whether to stop.
    source : callable
        Asked with the key right after a volume was read: which host serves its rows.
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
    source: Callable[[VolumeKey], str] = field(default=_this_machine)
    transfer: Callable[[VolumeKey, int], None] = field(default=_at_once)


@dataclass(slots=True)
class _Fetched:
    """A volume that was fetched, or how that failed."""

    key: VolumeKey
    record: VolumeRecord | None = None
    volume: LoadedVolume | None = None
    end: Outcome | None = None
    folder: tempfile.TemporaryDirectory[str] | None = None
    read_s: float = 0.0
    input_bytes: int = 0
    source: str = ""


def run_split(job: Job, volumes: VolumeTable, keys: Iterable[VolumeKey], settings: TaskSettings) -> Iterator[Outcome]:
    """Run a job on volumes, one after the other, and give the outcome of each, in order.

    While a volume is worked on, the next one is read, and the result of the one before goes to the disk. Memory holds
    the volume that is worked on, the next one, and a batch of a result.

    Raises
    ------
    StoreFullError, StorePermissionError, StoreUnavailableError
        If no other volume could succeed either.
    """
    task = _Task(job, volumes, settings)
    source = iter(keys)
    ending: Future[Outcome] | None = None
    with ThreadPoolExecutor(1, "prefetch") as reader, ThreadPoolExecutor(1, "commit") as committer:
        coming = reader.submit(task.fetch_next, source)
        try:
            while True:
                begin = time.perf_counter()
                if ending is not None and not _is_first(coming, ending):
                    # Told at once: the next volume may be handed out only when this one is known to be done.
                    yield ending.result()
                    ending = None
                fetched = coming.result()
                waited = time.perf_counter() - begin
                if fetched is None or settings.stopped():
                    break
                coming = reader.submit(task.fetch_next, source)
                worked = task.work(fetched, waited)
                del fetched  # else it would live on while the volume after the next one is fetched
                if ending is not None:
                    yield ending.result()
                ending = committer.submit(task.end, worked)
                if settings.pad_to_s:
                    task.pad(ending.result())
            if ending is not None:
                yield ending.result()
        finally:
            coming.add_done_callback(_drop_result)


def _is_first(coming: Future[_Fetched | None], ending: Future[Outcome]) -> bool:
    """Wait for one of two and tell whether it was `coming`."""
    both: tuple[Future[Any], ...] = (coming, ending)
    return coming in wait(both, return_when=FIRST_COMPLETED).done


def _drop_result(coming: Future[_Fetched | None]) -> None:
    """Let go of a volume that was fetched and is not wanted any more."""
    if not coming.cancelled() and coming.exception() is None:
        fetched = coming.result()
        if fetched is not None:
            _drop(fetched)


@dataclass(slots=True)
class _Worked:
    """A volume that was worked on; its result waits to be committed, unless the outcome is known."""

    fetched: _Fetched
    begin: float
    wait_s: float
    meter: _Meter
    writer: ResultWriter | None = None
    outcome: Outcome | None = None
    size_bytes: int = 0
    write_s: float = 0.0


class _Task:
    """Fetches volumes, works on them and ends them; each of the three in a thread of its own."""

    def __init__(self, job: Job, volumes: VolumeTable, settings: TaskSettings) -> None:
        self._job = job
        self._volumes = volumes
        self._settings = settings
        self._blocks = Blocks()

    def fetch_next(self, keys: Iterator[VolumeKey]) -> _Fetched | None:
        key = next(keys, None)
        return None if key is None else self._fetch(_Fetched(key))

    def _fetch(self, fetched: _Fetched) -> _Fetched:
        begin = time.perf_counter()
        try:
            record = fetched.record = self._volumes.record(fetched.key)
            manifest = self._current(record)
            if manifest is not None:
                # A worker of this run may have made it and died before it could tell.
                mine = manifest.made.get("run") == self._settings.run_id
                fetched.end = self._outcome(fetched, State.DONE if mine else State.CURRENT)
                return fetched
            fetched.folder = tempfile.TemporaryDirectory(prefix="hbimg-", dir=self._settings.scratch)
            fetched.volume = load(self._volumes, record, self._job, Path(fetched.folder.name), self._blocks)
            fetched.source = self._settings.source(fetched.key)
            self._settings.transfer(fetched.key, fetched.volume.size_bytes)
        except FATAL:
            _drop(fetched)
            raise
        except (HbimgError, OSError, MemoryError) as error:
            fetched.end = self._outcome(fetched, State.FAILED, one_line(error))
            _drop(fetched)
        fetched.read_s = time.perf_counter() - begin
        return fetched

    def _current(self, record: VolumeRecord) -> Manifest | None:
        try:
            manifest = manifest_of(self._volumes, record.key, self._settings.result_name)
        except VolumeNotFoundError:
            return None
        mine = manifest.made.get("run") == self._settings.run_id
        if (self._settings.force or self._job.always_anew) and not mine:
            return None
        return manifest if is_current(manifest, record, self._job) else None

    def work(self, fetched: _Fetched, waited_s: float) -> _Worked:
        """Map the volume and write the result's pieces."""
        worked = _Worked(fetched, time.perf_counter() - waited_s, waited_s, _Meter())
        if fetched.end is not None or fetched.volume is None:
            worked.outcome = fetched.end
            return worked
        self._settings.on_start(fetched.key)
        worked.writer = ResultWriter(self._volumes, fetched.volume.record, self._settings.result_name)
        begin = time.perf_counter()
        try:
            self._make(fetched.volume, worked)
        except FATAL:
            worked.writer.abandon()
            raise
        except Exception as error:  # noqa: BLE001 - a job may raise anything, and only its volume fails
            self._fail(worked, error)
        worked.write_s = time.perf_counter() - begin - worked.meter.compute_s
        worked.meter.compute_s -= fetched.volume.streams.read_s  # it was taken from within the job
        fetched.read_s += fetched.volume.streams.read_s
        # The volume's memory is free for the volume after the next one, its scratch folder is gone.
        fetched.input_bytes = fetched.volume.size_bytes
        _drop(fetched)
        return worked

    def _make(self, volume: LoadedVolume, worked: _Worked) -> None:
        assert worked.writer is not None
        names: set[str] = set()
        for artefact in worked.meter.timed(self._job.map(volume)):
            _check_name(artefact, names)
            worked.size_bytes += worked.writer.add(artefact.name, worked.meter.timed(artefact.pieces)).size_bytes
        if not names:
            raise VolumeFailedError(f"job {self._job.name} gave no artefact")

    def _fail(self, worked: _Worked, error: Exception) -> None:
        """Take back what was written and record the failure."""
        if worked.writer is not None:
            worked.writer.abandon()
        worked.outcome = self._outcome(worked.fetched, State.FAILED, one_line(error))

    def end(self, worked: _Worked) -> Outcome:
        """Commit the result and give the outcome."""
        begin = time.perf_counter()
        if worked.outcome is None and worked.writer is not None:
            made = {
                "run": self._settings.run_id,
                "at": datetime.now(UTC).isoformat(timespec="seconds"),
                "seconds": round(begin - worked.begin, 6),
                "by": f"hbimg {__version__}",
            }
            try:
                self._settings.transfer(worked.fetched.key, worked.size_bytes)
                worked.writer.commit(self._job.name, self._job.version, result_parameters(self._job), made)
            except FATAL:
                worked.writer.abandon()
                raise
            except HbimgError as error:
                self._fail(worked, error)
        worked.write_s += time.perf_counter() - begin
        outcome = worked.outcome or self._outcome(worked.fetched, State.DONE, output_bytes=worked.size_bytes)
        took_s = time.perf_counter() - worked.begin
        pad_s = max(0.0, self._settings.pad_to_s - took_s) if worked.writer else 0.0
        return replace(
            outcome,
            start_s=time.time() - took_s,
            end_s=time.time() + pad_s,
            read_s=worked.fetched.read_s,
            wait_s=worked.wait_s,
            compute_s=worked.meter.compute_s,
            write_s=worked.write_s,
            pad_s=pad_s,
        )

    def pad(self, outcome: Outcome) -> None:
        """Sleep until the volume took as long as it shall; stop early when the run stops."""
        while (left := outcome.end_s - time.time()) > 0 and not self._settings.stopped():
            time.sleep(min(left, 0.05))

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
            input_bytes=fetched.volume.size_bytes if fetched.volume else fetched.input_bytes,
            output_bytes=output_bytes,
            source=fetched.source,
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
    if name != name.strip() or not name.isprintable() or any(part in ("", ".", "..") for part in name.split("/")):
        raise VolumeFailedError(f"{name!r} is no name for an artefact: give a file name, or one below a folder")
    if name in names:
        raise VolumeFailedError(f"two artefacts are called {name!r}: each needs a name of its own")
    names.add(name)
