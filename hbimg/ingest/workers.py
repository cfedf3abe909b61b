"""A pool of processes for the ingest, or this process itself when one worker is enough."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from importlib import import_module
from itertools import islice
from types import TracebackType
from typing import Any, Self

from hbimg.errors import IngestError


class Pool:
    """Runs tasks in `workers` spawned processes, or in this one where that is as good. A context manager.

    The processes are started with the pool, so that they import what they need while this process looks for files.
    """

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self._executor: ProcessPoolExecutor | None = None

    def __enter__(self) -> Self:
        if self.workers > 1:
            # Spawned, not forked: an open LMDB environment must not be carried into a child.
            context = multiprocessing.get_context("spawn")
            self._executor = ProcessPoolExecutor(self.workers, mp_context=context, initializer=_get_ready)
            for _ in range(self.workers):
                _submit(self._executor, _import_all)
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        if self._executor is not None:
            self._executor.shutdown(wait=True, cancel_futures=True)

    def run(
        self, function: Callable[..., Any], tasks: Iterable[tuple[Any, ...]], *, inline: bool = False
    ) -> Iterator[Any]:
        """Give the function's results for each tuple of arguments, as they come.

        With `inline` this process does the work: worth it where a task is shorter than the way to a worker.

        Raises
        ------
        IngestError
            If a worker process died.
        """
        if self._executor is None or inline:
            for arguments in tasks:
                yield function(*arguments)
            return
        try:
            yield from _in_flight(self._executor, 2 * self.workers, function, tasks)
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
    running = {_submit(executor, function, *arguments) for arguments in islice(waiting, most)}
    while running:
        done, running = wait(running, return_when=FIRST_COMPLETED)
        running |= {_submit(executor, function, *arguments) for arguments in islice(waiting, len(done))}
        for future in done:
            yield future.result()


def _submit(executor: ProcessPoolExecutor, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
    """Submit a task; a worker that this starts never gets a Ctrl-C, not even before it can ignore it.

    A child has its parent's blocked signals from its first moment; the executor starts its children in `submit`.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        return executor.submit(function, *arguments)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _get_ready() -> None:
    """Import what storing needs, and leave Ctrl-C to the parent: it stops the workers when their volumes are done."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _import_all()


def _import_all() -> None:
    import_module("hbimg.volumes.writer")
    import_module("hbimg.store.local")


def _end_with_parent() -> None:
    """End this worker when the parent is gone: a killed parent cannot tell, and nobody would ever end its workers."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
