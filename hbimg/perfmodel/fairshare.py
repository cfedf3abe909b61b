"""A resource that its users share at the same moment: a network link or a disk, as a fluid.

Owns the virtual-time method (as in weighted fair queueing): every unit of weight has been served the same amount V
since the start, so a transfer that comes at V with amount a and weight w ends when V reaches V + a/w. Coming and going
cost O(log n), whatever the number of transfers; nothing is recomputed for those under way.
"""

from __future__ import annotations

import math
from heapq import heappop, heappush
from typing import Protocol


class Mover(Protocol):
    """What a transfer belongs to; `dead` is set when it was cancelled."""

    dead: bool


class FairShare:
    """`rate` units per second shared in proportion to weights; n transfers together get at most n times `limit`.

    `scheduled_s` belongs to the event loop: the earliest time for which it holds a wake-up of this resource.
    """

    __slots__ = (
        "_count",
        "_heap",
        "_limit",
        "_rate",
        "_sequence",
        "_updated_s",
        "_virtual",
        "_weight",
        "busy_s",
        "scheduled_s",
    )

    def __init__(self, rate: float, limit: float = math.inf) -> None:
        self._rate = rate
        self._limit = limit
        self._virtual = 0.0
        self._updated_s = 0.0
        self._weight = 0.0
        self._count = 0
        self._sequence = 0
        self._heap: list[tuple[float, int, float, Mover]] = []
        self.busy_s = 0.0
        self.scheduled_s = math.inf

    @property
    def active(self) -> int:
        """Transfers under way."""
        return self._count

    def add(self, now_s: float, amount: float, weight: float, mover: Mover) -> None:
        """Begin to move `amount` units for `mover` at `now_s`."""
        self._update(now_s)
        self._weight += weight
        self._count += 1
        self._sequence += 1
        heappush(self._heap, (self._virtual + amount / weight, self._sequence, weight, mover))

    def cancel(self, now_s: float, weight: float) -> None:
        """Forget one transfer of `weight` whose mover has just been marked dead."""
        self._update(now_s)
        self._leave(weight)

    def next_finish_s(self) -> float:
        """When the next transfer ends if none comes or goes; infinity when idle."""
        heap = self._heap
        while heap and heap[0][3].dead:
            heappop(heap)
        if not heap:
            return math.inf
        return self._updated_s + max(0.0, heap[0][0] - self._virtual) / self._speed()

    def take_finished(self, now_s: float) -> list[Mover]:
        """Remove and return the movers whose transfers have ended by `now_s`, first come first."""
        self._update(now_s)
        # Two times this close cannot be told apart in a float that also counts the seconds of the run.
        reached = self._virtual + (1e-9 + 1e-12 * now_s) * self._speed() if self._count else 0.0
        finished: list[Mover] = []
        heap = self._heap
        while heap and (heap[0][0] <= reached or heap[0][3].dead):
            _, _, weight, mover = heappop(heap)
            if not mover.dead:
                self._leave(weight)
                finished.append(mover)
        return finished

    def _speed(self) -> float:
        return min(self._rate, self._limit * self._count) / self._weight

    def _update(self, now_s: float) -> None:
        if self._count:
            self._virtual += (now_s - self._updated_s) * self._speed()
            self.busy_s += now_s - self._updated_s
        self._updated_s = now_s

    def _leave(self, weight: float) -> None:
        self._weight -= weight
        self._count -= 1
        if self._count == 0:
            # An idle resource forgets its history, so rounding errors do not pile up over a long run.
            self._weight = 0.0
            self._virtual = 0.0
            self._heap.clear()
