"""Who gets which job next: the grid's one queue, or hbimg's queue per machine with delay scheduling and stealing.

Owns the order of jobs and the idle slots; knows nothing of time passing but the `now_s` it is told. Jobs and machines
are numbers. Both dispatchers have the same five moves, so the event loop does not ask which one it has.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from heapq import heapify, heappush, heapreplace
from typing import Protocol


class JobQueue:
    """Jobs `first` to `end` (exclusive) in order, and jobs that came back: taken first, as they are the oldest."""

    __slots__ = ("_end", "_first", "_returned")

    def __init__(self, first: int = 0, end: int = 0) -> None:
        self._first = first
        self._end = end
        self._returned: deque[int] = deque()

    def __len__(self) -> int:
        return self._end - self._first + len(self._returned)

    def take(self) -> int:
        """The next job; the queue must not be empty."""
        if self._returned:
            return self._returned.popleft()
        self._first += 1
        return self._first - 1

    def take_last(self) -> int:
        """The job that would wait longest; the queue must not be empty."""
        if self._first < self._end:
            self._end -= 1
            return self._end
        return self._returned.pop()

    def put(self, job: int) -> None:
        """Add a job that became available or came back."""
        self._returned.append(job)


class Dispatcher(Protocol):
    """Hands jobs to slots through `start(job, machine, local)`, which it was given."""

    def begin(self) -> None:
        """Fill all slots at time 0."""

    def slot_freed(self, machine: int) -> None:
        """A slot of `machine` became free: start a job on it, or keep it idle."""

    def job_ready(self, job: int) -> None:
        """`job` became available, or must run again."""

    def retry(self, machine: int) -> None:
        """The locality delay of an idle slot of `machine` is over."""

    def machine_lost(self, machine: int) -> list[int]:
        """`machine` runs nothing any more; the jobs that waited for it."""


Start = Callable[[int, int, bool], None]


class GridDispatcher:
    """One queue in order of submission; the slot that has been idle longest takes the next job."""

    def __init__(self, queue: JobQueue, slots: Sequence[int], most: int, start: Start) -> None:
        # Slots are dealt out machine by machine in turn, as grid engines spread load; `most` is the throttle.
        order = [machine for layer in range(max(slots)) for machine, count in enumerate(slots) if layer < count]
        self._idle: deque[int] = deque(order[:most])
        self._queue = queue
        self._start = start
        self._lost: set[int] = set()

    def begin(self) -> None:
        self._match()

    def slot_freed(self, machine: int) -> None:
        if machine not in self._lost:
            self._idle.append(machine)
            self._match()

    def job_ready(self, job: int) -> None:
        self._queue.put(job)
        self._match()

    def retry(self, machine: int) -> None:
        """Nothing waits for locality here."""

    def machine_lost(self, machine: int) -> list[int]:
        self._lost.add(machine)
        self._idle = deque(each for each in self._idle if each != machine)
        return []

    def _match(self) -> None:
        while self._idle and self._queue:
            self._start(self._queue.take(), self._idle.popleft(), False)


@dataclass(frozen=True)
class StealingRules:
    """When an idle machine takes work placed elsewhere: `wait(machine)` asks for `retry` after the locality delay.

    `worth_it(backlog, victim)` says whether the last of `backlog` jobs per slot of `victim` is better run elsewhere.
    """

    enabled: bool
    wait: Callable[[int], None]
    worth_it: Callable[[float, int], bool]


class LocalDispatcher:
    """A queue per machine: a slot takes its own machine's jobs; an idle one steals from the longest queue."""

    def __init__(self, queues: list[JobQueue], homes: Callable[[int], int], slots: Sequence[int], start: Start) -> None:
        self._queues = queues
        self._home = homes
        self._slots = slots
        self._idle = [0] * len(slots)
        self._start = start
        self._lost: set[int] = set()
        self._moved = 0
        self.rules = StealingRules(False, lambda _: None, lambda _backlog, _victim: False)
        self._longest: list[tuple[float, int]] = []

    def begin(self) -> None:
        self._longest = [(-self._backlog(machine), machine) for machine in range(len(self._queues))]
        heapify(self._longest)
        for machine, count in enumerate(self._slots):
            for _ in range(count):
                self.slot_freed(machine)

    def slot_freed(self, machine: int) -> None:
        if machine in self._lost:
            return
        if self._queues[machine]:
            self._start(self._queues[machine].take(), machine, True)
            return
        self._idle[machine] += 1
        if self.rules.enabled:
            self.rules.wait(machine)

    def job_ready(self, job: int) -> None:
        machine = self._home(job)
        if machine in self._lost:
            machine = self._next_alive()
        self._queues[machine].put(job)
        if self._idle[machine]:
            self._idle[machine] -= 1
            self.slot_freed(machine)
        elif self.rules.enabled:
            heappush(self._longest, (-self._backlog(machine), machine))
            waiting = next((m for m, count in enumerate(self._idle) if count), None)
            if waiting is not None:
                self.rules.wait(waiting)

    def retry(self, machine: int) -> None:
        if not self._idle[machine] or machine in self._lost:
            return
        if self._queues[machine]:
            self._idle[machine] -= 1
            self._start(self._queues[machine].take(), machine, True)
            return
        victim = self._victim()
        if victim is not None:
            self._idle[machine] -= 1
            self._start(self._queues[victim].take_last(), machine, False)

    def machine_lost(self, machine: int) -> list[int]:
        self._lost.add(machine)
        self._idle[machine] = 0
        queue = self._queues[machine]
        return [queue.take() for _ in range(len(queue))]

    def _backlog(self, machine: int) -> float:
        return len(self._queues[machine]) / self._slots[machine]

    def _next_alive(self) -> int:
        """Machines in turn, so that what a lost machine held is spread over all others."""
        count = len(self._slots)
        for _ in range(count):
            self._moved = (self._moved + 1) % count
            if self._moved not in self._lost:
                break
        return self._moved

    def _victim(self) -> int | None:
        """The machine with the longest backlog per slot, within a tenth; None when no job is worth taking.

        Entries of the heap are upper bounds, as queues shrink unseen: a stale top is corrected and looked at again.
        """
        heap = self._longest
        while heap:
            bound, machine = heap[0]
            backlog = self._backlog(machine)
            if backlog == 0:
                heapreplace(heap, (0.0, machine))
                if bound == 0:
                    return None
            elif backlog >= -bound * 0.9:
                return machine if self.rules.worth_it(backlog, machine) else None
            else:
                heapreplace(heap, (-backlog, machine))
        return None
