"""A pool of processes for the ingest, or this process itself when one worker is enough."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from types import TracebackType
from typing import Any, Self

from hbimg.errors import IngestError


class Pool:
    """Runs tasks in `workers` spawned processes; with one worker, in this one. A context manager."""

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._executor: ProcessPoolExecutor | None = None

    def __enter__(self) -> Self:
        if self._workers > 1:
            # Spawned, not forked: an open LMDB environment must not be carried into a child.
            context = multiprocessing.get_context("spawn")
            self._executor = ProcessPoolExecutor(self._workers, mp_context=context, initializer=_ignore_interrupts)
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        if self._executor is not None:
            self._executor.shutdown(wait=True, cancel_futures=True)

    def run(self, function: Callable[..., Any], tasks: Iterable[tuple[Any, ...]]) -> Iterator[Any]:
        """Give the function's results for each tuple of arguments, as they come.

        Raises
        ------
        IngestError
            If a worker process died.
        """
        if self._executor is None:
            for arguments in tasks:
                yield function(*arguments)
            return
        try:
            yield from _in_flight(self._executor, 2 * self._workers, function, tasks)
        except BrokenProcessPool as error:
            raise IngestError(
                "a worker process was killed, perhaps for lack of memory: what is stored stays, "
                "run the same command again (with fewer --workers)"
            ) from error


def _in_flight(
    executor: ProcessPoolExecutor, most: int, function: Callable[..., Any], tasks: Iterable[tuple[Any, ...]]
) -> Iterator[Any]:
    """Keep up to `most` tasks submitted: all workers are busy, and little waits in the queue."""
    waiting = iter(tasks)
    running = {executor.submit(function, *arguments) for arguments in islice(waiting, most)}
    while running:
        done, running = wait(running, return_when=FIRST_COMPLETED)
        running |= {executor.submit(function, *arguments) for arguments in islice(waiting, len(done))}
        for future in done:
            yield future.result()


def _ignore_interrupts() -> None:
    """Leave Ctrl-C to the parent: it stops the workers when their volumes are done."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
