"""The local engine: worker processes on this machine, supervised one by one.

Each worker is a fresh interpreter that opens the store by its URL and asks for one split after the other. A worker that
dies costs nothing but its volume: the volume it was on is tried once more, alone in a new worker, then recorded as
failed; everything else that it still had goes back into the queue (docs/decisions/0007).
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from hbimg import errors
from hbimg.errors import HbimgError, JobError
from hbimg.mapreduce.job import Job
from hbimg.mapreduce.outcomes import Outcome, State
from hbimg.mapreduce.registry import class_path
from hbimg.mapreduce.splits import Split
from hbimg.mapreduce.tasks import TaskSettings, run_split
from hbimg.mapreduce.tools import end_tools
from hbimg.mapreduce.waiting import WaitingSplits
from hbimg.mapreduce.worker import COMMAND, Channel
from hbimg.model import VolumeKey
from hbimg.store import Store
from hbimg.volumes import VolumeTable

#: How often the supervisor looks whether the user pressed Ctrl-C, in seconds.
_TICK_S = 0.2
#: Deaths of workers that were on no volume, after which the engine gives up.
_MAX_IDLE_DEATHS = 3


@dataclass(frozen=True, slots=True)
class Work:
    """What an engine is to do; `settings` lack host, slot and scratch, which the engine knows.

    Where the store simulates servers, the workers are their slots, and `stealing` says whether an idle one takes what
    lies on another server.
    """

    job: Job
    store: Store
    volumes: VolumeTable
    splits: tuple[Split, ...]
    settings: TaskSettings
    workers: int
    stealing: bool = True


#: Tells how often the user asked to stop: at 1 the current volumes are ended, from 2 on all is killed.
Interrupts = Callable[[], int]


def run_inline(work: Work, interrupts: Interrupts) -> Iterator[Outcome]:
    """Work in this process: for stores that live in it, and for debugging a job."""
    settings = replace(work.settings, host=socket.gethostname(), slot="0", stopped=lambda: interrupts() > 0)
    keys = (key for split in work.splits for key in split.keys)
    yield from run_split(work.job, work.volumes, keys, settings)


def run_processes(work: Work, interrupts: Interrupts) -> Iterator[Outcome]:
    """Work in processes and give the outcomes as they come; after a stop, those that came.

    Raises
    ------
    JobError
        If workers cannot start.
    StoreFullError, StorePermissionError, StoreUnavailableError
        If no volume could succeed.
    """
    with tempfile.TemporaryDirectory(prefix="hbimg-run-") as scratch:
        pool = _Pool(work, Path(scratch))
        try:
            yield from pool.run(interrupts)
        finally:
            pool.kill()


#: Unless the user says otherwise, a worker keeps the memory that it frees: a store's batch is as large as a result, and
#: fresh memory for each, zeroed by the kernel, took a tenth of a worker's time. And numpy's BLAS, which jobs hardly
#: use, starts no threads: the workers fill the processors already.
_THRIFTY = {
    "MALLOC_TRIM_THRESHOLD_": str(256 << 20),
    "MALLOC_MMAP_THRESHOLD_": str(64 << 20),
    "OPENBLAS_NUM_THREADS": "1",
}


@dataclass(frozen=True, slots=True)
class _Place:
    """A worker's host, its slot there, and its simulated server (or none)."""

    host: str
    slot: str
    server: str = ""

    @property
    def scratch(self) -> str:
        return f"{self.server}-{self.slot}" if self.server else self.slot


@dataclass(eq=False)
class _Worker:
    """A worker process as its parent sees it."""

    place: _Place
    process: subprocess.Popen[bytes]
    channel: Channel
    scratch: Path
    outstanding: list[VolumeKey] = field(default_factory=list)  # handed over, no outcome yet
    current: VolumeKey | None = None
    alone: bool = False  # what it has is a volume that is tried a second time
    asks: bool = False  # it waits for its next split
    draining: bool = False  # it was told that there is no more
    ended: bool = False

    def answer(self, keys: Iterable[VolumeKey]) -> None:
        self.asks = False
        keys = list(keys)
        self.outstanding += keys
        self.draining = not keys
        self.tell({"keys": [str(key) for key in keys]})

    def tell(self, message: Mapping[str, Any]) -> None:
        """Send a message. A worker that died (of the user's Ctrl-C, while it was born) is seen when we listen next."""
        with suppress(BrokenPipeError, ConnectionResetError):
            self.channel.send(message)


class _Pool:
    """Hands out splits and keeps workers alive."""

    def __init__(self, work: Work, scratch: Path) -> None:
        self._work = work
        self._scratch = scratch
        names = [server.name for server in work.store.servers]
        self._queue = WaitingSplits(work.splits, names, stealing=work.stealing)
        self._alone: deque[VolumeKey] = deque()
        self._deaths: Counter[VolumeKey] = Counter()
        self._idle_deaths = 0
        self._workers: dict[Connection, _Worker] = {}
        places = _places(work)
        self._slots = Counter(place.server for place in places)
        self._free = list(reversed(places))
        self._stopping = False

    def run(self, interrupts: Interrupts) -> Iterator[Outcome]:
        while True:
            self._heed(interrupts())
            self._start_workers()
            if not self._workers:
                return
            for connection in wait(list(self._workers), timeout=_TICK_S):
                assert isinstance(connection, Connection)
                yield from self._listen(self._workers[connection])
            self._answer_all()

    def kill(self) -> None:
        """Kill whatever still runs."""
        self._stopping = True
        for worker in list(self._workers.values()):
            worker.process.kill()
            self._bury(worker)

    def _heed(self, interrupts: int) -> None:
        if interrupts > 1:
            self.kill()
        elif interrupts and not self._stopping:
            self._stop()

    def _stop(self) -> None:
        self._stopping = True
        for worker in self._workers.values():
            worker.process.send_signal(signal.SIGTERM)

    def _start_workers(self) -> None:
        if self._stopping:
            return
        serving = sum(not worker.draining for worker in self._workers.values())
        useful = min(self._work.workers, len(self._queue) + len(self._alone))
        for _ in range(min(useful - serving, self._work.workers - len(self._workers))):
            place = self._next_place()
            if place is None:
                return
            self._free.remove(place)
            worker = self._spawn(place)
            self._workers[worker.channel.connection] = worker

    def _next_place(self) -> _Place | None:
        """Give a free slot: of a server that still has work, else one whose worker would get some of another's."""
        own = [place for place in self._free if self._queue.own(place.server)]
        others = [place for place in self._free if self._alone or self._queue.can_take(place.server)]
        return next(reversed(own or others), None)

    def _spawn(self, place: _Place) -> _Worker:
        ours, theirs = Pipe()
        scratch = self._scratch / place.scratch
        scratch.mkdir(exist_ok=True)
        process = subprocess.Popen(
            [sys.executable, "-P", "-c", COMMAND, str(theirs.fileno()), _module_path()],
            stdin=subprocess.DEVNULL,
            stdout=2,  # what a job prints is words, not data
            pass_fds=[theirs.fileno()],
            process_group=0,  # Ctrl-C in the terminal is for the parent alone
            env=_THRIFTY | os.environ,
        )
        theirs.close()
        worker = _Worker(place, process, Channel(ours), scratch)
        worker.tell(self._order(worker))
        return worker

    def _order(self, worker: _Worker) -> Mapping[str, Any]:
        work, settings = self._work, self._work.settings
        return {
            "job": class_path(type(work.job)),
            "parameters": work.job.parameters(),
            "store": work.store.url,
            "table": work.volumes.name,
            "scratch": str(worker.scratch),
            "links": str(self._scratch),
            "settings": {
                "result_name": settings.result_name,
                "run_id": settings.run_id,
                "force": settings.force,
                "pad_to_s": settings.pad_to_s,
                "host": worker.place.host,
                "slot": worker.place.slot,
            },
        }

    def _listen(self, worker: _Worker) -> Iterator[Outcome]:
        try:
            message = worker.channel.receive()
        except (EOFError, OSError):
            yield from self._bury(worker)
            return
        event = message["event"]
        if event == "start":
            worker.current = VolumeKey.parse(message["key"])
        elif event == "outcome":
            outcome = Outcome.from_json(message["outcome"])
            worker.outstanding.remove(outcome.key)
            if worker.current == outcome.key:
                worker.current = None  # else it is at work on the next one already
            yield outcome
        elif event == "next":
            worker.asks = True
        elif event == "end":
            worker.ended = True
        elif event == "fatal":
            raise _error_of(message)

    def _answer_all(self) -> None:
        for worker in self._workers.values():
            if worker.asks:
                self._answer(worker)

    def _answer(self, worker: _Worker) -> None:
        """Hand over a split. A volume that is tried again goes to a worker that has nothing else, and alone."""
        if self._stopping:
            worker.answer(())
        elif worker.outstanding and (worker.alone or self._is_scarce(worker.place.server)):
            return  # it waits until what it has is done
        elif self._alone and not worker.outstanding:
            worker.alone = True
            worker.answer([self._alone.popleft()])
        else:
            worker.alone = False
            worker.answer(self._queue.take(worker.place.server))

    def _is_scarce(self, server: str) -> bool:
        """Whether so little waits that it goes to workers with nothing to do, not ahead to one that is still at work.

        Else the last volumes, which may take hours each, would wait for a busy worker while another one is idle.
        """
        return self._queue.own(server) < self._slots[server]

    def _bury(self, worker: _Worker) -> list[Outcome]:
        """Clean up behind a worker that ended, and give its guilty volume's outcome when that died twice."""
        status = worker.process.wait()
        worker.channel.connection.close()
        self._workers.pop(worker.channel.connection, None)
        self._free.append(worker.place)
        end_tools(worker.scratch)
        if worker.ended or self._stopping:
            return []
        return self._blame(worker, status)

    def _blame(self, worker: _Worker, status: int) -> list[Outcome]:
        suspect = worker.current or (worker.outstanding[0] if worker.outstanding else None)
        if suspect is None:
            self._idle_deaths += 1
            if self._idle_deaths >= _MAX_IDLE_DEATHS:
                raise JobError(f"worker processes end before they begin ({_cause(status)}): nothing was run")
            return []
        rest = tuple(key for key in worker.outstanding if key != suspect)
        if rest:
            self._queue.put_back(worker.place.server, rest)
        self._deaths[suspect] += 1
        if self._deaths[suspect] == 1:
            self._alone.append(suspect)
            return []
        reason = f"the worker process ended twice on this volume, the second time alone ({_cause(status)})"
        return [Outcome(suspect, State.FAILED, reason, host=worker.place.host, slot=worker.place.slot)]


def _places(work: Work) -> list[_Place]:
    """Give where workers run: the slots of the simulated servers, in turn, or as many on this host as wanted."""
    if not work.store.servers:
        return [_Place(socket.gethostname(), str(slot)) for slot in range(work.workers)]
    most = max(server.slots for server in work.store.servers)
    return [_Place(s.name, str(slot), s.name) for slot in range(most) for s in work.store.servers if slot < s.slots]


def _module_path() -> str:
    """Give where modules are found as JSON; the empty entry means the current folder."""
    return json.dumps([entry if entry else str(Path.cwd()) for entry in sys.path])


def _cause(status: int) -> str:
    if status >= 0:
        return f"exit status {status}"
    name = signal.Signals(-status).name if -status in set(signal.Signals) else str(-status)
    return f"killed by {name}" + (": out of memory?" if name == "SIGKILL" else "")


def _error_of(message: Mapping[str, Any]) -> HbimgError:
    error_class = getattr(errors, str(message["error"]), JobError)
    error: HbimgError = error_class(message["message"])
    return error
