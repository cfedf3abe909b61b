"""Run a job on a table: plan, record the run, let an engine work, reduce, report. The same for every engine."""

from __future__ import annotations

import getpass
import os
import platform
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from hbimg import __version__
from hbimg.errors import HbimgError, ParameterError
from hbimg.mapreduce.interrupts import counted_interrupts
from hbimg.mapreduce.job import Job, ReducingJob
from hbimg.mapreduce.local import Work, run_inline, run_processes
from hbimg.mapreduce.outcomes import Outcome, State
from hbimg.mapreduce.plan import Plan, current_partials, make_plan
from hbimg.mapreduce.reduce import reduce_partials
from hbimg.mapreduce.registry import class_path
from hbimg.mapreduce.report import make_report
from hbimg.mapreduce.splits import bytes_to_read, plan_splits
from hbimg.mapreduce.tasks import TaskSettings
from hbimg.rowkeys import check_label
from hbimg.store import Store
from hbimg.volumes import VolumeTable, Where, new_run_id, save_run, settle_results
from hbimg.volumes.owners import start_of_process

if TYPE_CHECKING:
    from hbimg.mapreduce.yarn.submission import ClusterSettings

#: Splits per worker: at the end one worker waits for another's last split, so it is at most a sixty-fourth of its work.
#: Handing one over costs a message.
_SPLITS_PER_WORKER = 64


def _stop_it() -> str:
    return "stop"


@dataclass(frozen=True, slots=True)
class RunSettings:
    """What a user may choose for a run.

    Attributes
    ----------
    where : Where
        Which volumes.
    result_name : str or None
        Name of the results; the job's if None.
    workers : int
        Processes; 0 is one for each core that this process may use.
    force : bool
        Make results anew that are current.
    pad_to_s : float
        Let every volume take at least this long, in seconds.
    stealing : bool
        Whether an idle worker of a simulated server takes what lies on another one.
    max_failures : int or None
        Stop after the current volumes when more than so many have failed; None: never.
    cluster : ClusterSettings or None
        Run on YARN with these; None: on this machine.
    on_interrupt : callable
        Asked when the user interrupts a run on a cluster: ``leave`` it to itself, ``stop`` it after the current
        volumes, or ``kill`` it.
    """

    where: Where = field(default_factory=Where)
    result_name: str | None = None
    workers: int = 0
    force: bool = False
    pad_to_s: float = 0.0
    stealing: bool = True
    max_failures: int | None = None
    cluster: ClusterSettings | None = None
    on_interrupt: Callable[[], str] = _stop_it

    def __post_init__(self) -> None:
        if self.max_failures is not None and self.max_failures < 0:
            raise ParameterError(f"at most {self.max_failures} failures: give 0 or more")
        if self.workers < 0:
            raise ParameterError(f"{self.workers} workers: give 1 or more, or 0 for one per core")
        if not 0 <= self.pad_to_s < float("inf"):
            raise ParameterError(f"padding to {self.pad_to_s} s: it must be 0 or more")
        if self.result_name is not None:
            check_label(self.result_name)


@dataclass(slots=True)
class Progress:
    """How far a run is, for a progress bar; bytes are those planned to be read."""

    total: int
    total_bytes: int
    ended: int = 0
    ended_bytes: int = 0
    failed: int = 0
    maps: int = 0
    maps_ended: int = 0

    @property
    def text(self) -> str:
        """How far it is, in a few words."""
        maps = f", {self.maps_ended} of {self.maps} maps" if self.maps else ""
        failed = f", {self.failed} failed" if self.failed else ""
        return f"{self.ended} of {self.total} volumes{maps}{failed}"


@dataclass(frozen=True, slots=True)
class RunResult:
    """How a run ended.

    Attributes
    ----------
    run_id : str
    state : str
        ``finished``, ``failed`` (some volumes did), ``interrupted``; ``running`` if a cluster goes on with it.
    report : dict
        As `hbimg.mapreduce.report.make_report` gives it.
    outputs : dict
        Name to text of what a reducing job made of all volumes.
    """

    run_id: str
    state: str
    report: dict[str, Any]
    outputs: dict[str, str]


def default_workers() -> int:
    """Give how many cores this process may use."""
    return len(os.sched_getaffinity(0))


def _workers_of(store: Store, settings: RunSettings) -> int:
    """Give the number of workers: as wanted, or the slots of the servers that the store simulates."""
    slots = sum(server.slots for server in store.servers)
    if slots and settings.workers not in (0, slots):
        raise ParameterError(f"{settings.workers} workers: the servers of {store.url} have {slots} slots, which decide")
    return slots or settings.workers or default_workers()


def _no_progress(progress: Progress) -> None:
    del progress


def _say_nothing(text: str) -> None:
    del text


def run_job(
    job: Job,
    store: Store,
    volumes: VolumeTable,
    settings: RunSettings,
    *,
    on_progress: Callable[[Progress], None] = _no_progress,
    say: Callable[[str], None] = _say_nothing,
) -> RunResult:
    """Run a job and record the run in the table.

    Raises
    ------
    StoreError
        If the store fails in a way that no other volume could succeed. The run is recorded as failed if that works.
    JobError
        If the job's workers cannot start.
    """
    engine: type[Run] = Run
    if settings.cluster is not None:
        from hbimg.mapreduce.yarn.engine import YarnRun

        engine = YarnRun
    return engine(job, store, volumes, settings, on_progress, say).run()


class Run:
    """A run of the local engine; another engine overrides how the work is done."""

    def __init__(
        self,
        job: Job,
        store: Store,
        volumes: VolumeTable,
        settings: RunSettings,
        on_progress: Callable[[Progress], None] = _no_progress,
        say: Callable[[str], None] = _say_nothing,
    ) -> None:
        self._job = job
        self._store = store
        self._volumes = volumes
        self._settings = settings
        self._on_progress = on_progress
        self._say = say
        self._id = new_run_id()
        self._result_name = settings.result_name or job.name
        self._inline = store.url == "memory:"
        self._workers = 1 if self._inline else _workers_of(store, settings)
        self._outcomes: list[Outcome] = []
        self._failed = 0
        self._left = False  # a cluster goes on without us
        self._was_stopped = False  # by somebody else
        self._begin = time.perf_counter()
        self._started = _now()

    #: What is said at the first Ctrl-C.
    _on_first_interrupt = "stopping after the current volumes; once more kills them"

    @property
    def engine(self) -> str:
        """What the engine is called in the record of the run."""
        return "inline" if self._inline else "local"

    def run(self) -> RunResult:
        """Do it all and record it."""
        settle_results(self._volumes, self._settings.where)
        plan = make_plan(self._volumes, self._job, self._settings.where, self._result_name, force=self._settings.force)
        self._outcomes = list(plan.settled)
        self._save("running")
        return self._complete(lambda interrupts: self._work(plan, interrupts))

    def _complete(self, work: Callable[[Callable[[], int]], None]) -> RunResult:
        """Do the work, heed interrupts, reduce, and record how it ended."""
        try:
            with counted_interrupts(self._say, self._on_first_interrupt) as interrupts:
                work(lambda: max(interrupts(), int(self._too_many_failed)))
                interrupted = self._was_stopped or (interrupts() > 0 and not self._left)
            if self._left:
                return RunResult(self._id, "running", self._report(self._outcomes), {})
            outputs = {} if interrupted or self._too_many_failed else self._reduce()
        except BaseException as error:
            self._save("failed", error=f"{type(error).__name__}: {error}" if str(error) else type(error).__name__)
            raise
        state = self._state(interrupted)
        reason = self._stop_reason()
        if reason:
            self._say(reason)
        report = self._save(state, outputs=outputs, error=reason)
        return RunResult(self._id, state, report, outputs)

    @property
    def _too_many_failed(self) -> bool:
        return self._settings.max_failures is not None and self._failed > self._settings.max_failures

    def _stop_reason(self) -> str:
        if not self._too_many_failed:
            return ""
        return f"stopped: {self._failed} volumes failed, --max-failures allows {self._settings.max_failures}"

    def _work(self, plan: Plan, interrupts: Callable[[], int]) -> None:
        if not plan.todo:
            return
        split_bytes = max(1, plan.todo_bytes // (self._workers * _SPLITS_PER_WORKER))
        regions, scheme = self._volumes.table.regions(), self._volumes.scheme
        splits = plan_splits(plan.todo, regions, scheme, split_bytes, whole_groups=False)
        settings = TaskSettings(
            self._result_name, self._id, force=self._settings.force, pad_to_s=self._settings.pad_to_s
        )
        work = Work(
            self._job, self._store, self._volumes, tuple(splits), settings, self._workers, self._settings.stealing
        )
        engine = run_inline if self._inline else run_processes
        sizes = {record.key: bytes_to_read(record) for record in plan.todo}
        progress = Progress(len(plan.todo), plan.todo_bytes)
        self._on_progress(progress)
        for outcome in engine(work, interrupts):
            self._outcomes.append(outcome)
            progress.ended += 1
            progress.ended_bytes += sizes[outcome.key]
            progress.failed += outcome.state is State.FAILED
            self._failed = progress.failed
            self._on_progress(progress)

    def _reduce(self) -> dict[str, str]:
        if not isinstance(self._job, ReducingJob):
            return {}
        partials = current_partials(self._volumes, self._job, self._settings.where, self._result_name)
        return {artefact.name: b"".join(artefact.pieces).decode() for artefact in reduce_partials(self._job, partials)}

    def _state(self, interrupted: bool) -> str:
        if interrupted:
            return "interrupted"
        return "failed" if any(outcome.state is State.FAILED for outcome in self._outcomes) else "finished"

    def _save(self, state: str, outputs: dict[str, str] | None = None, error: str = "") -> dict[str, Any]:
        """Record the run as it is now, and give its report."""
        outcomes = sorted(self._outcomes, key=lambda outcome: outcome.key)
        report = self._report(outcomes)
        run = {
            "id": self._id,
            "state": state,
            "error": error,
            "job": self._job.name,
            "job_version": self._job.version,
            "job_class": class_path(type(self._job)),
            "parameters": self._job.parameters(),
            "result": self._result_name,
            "where": asdict(self._settings.where),
            "force": self._settings.force,
            "pad_to_s": self._settings.pad_to_s,
            "max_failures": self._settings.max_failures,
            "engine": self.engine,
            "workers": self._workers,
            "user": _user(),
            "host": socket.gethostname(),
            "process": os.getpid(),
            "start": start_of_process(os.getpid()),
            "started_at": self._started,
            "ended_at": _now() if state != "running" else None,
            "versions": {"hbimg": __version__, "python": platform.python_version(), "numpy": version("numpy")},
            "volumes": [[str(o.key), o.state.value, o.reason] for o in outcomes],
            "outputs": outputs or {},
            "report": report,
            **self._details(),
        }
        try:
            save_run(self._volumes, run)
        except HbimgError as failure:
            if state == "running":
                raise
            self._say(f"the run could not be recorded: {failure}")
        return report

    def _report(self, outcomes: list[Outcome]) -> dict[str, Any]:
        took_s = time.perf_counter() - self._begin
        return make_report(f"{self._id} {self._job.name}", outcomes, took_s)

    def _details(self) -> dict[str, Any]:
        """Give what an engine adds to the record of its run."""
        return {}


def state_of(run: Mapping[str, Any]) -> str:
    """Give a recorded run's state; ``lost`` when it says that it runs, but its process on this host is gone."""
    if (
        run["state"] == "running"
        and run["engine"] != "yarn"  # that goes on without the process that submitted it
        and run["host"] == socket.gethostname()
        and start_of_process(run["process"]) != run["start"]
    ):
        return "lost"
    return str(run["state"])


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user id without a name
        return str(os.getuid())


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
