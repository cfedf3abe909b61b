"""Ctrl-C in two steps: the first asks a run to end after the current volumes, the second kills it."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def counted_interrupts(
    say: Callable[[str], None], first: str = "stopping after the current volumes; once more kills them"
) -> Iterator[Callable[[], int]]:
    """Count SIGINT and SIGTERM (which batch systems send) instead of dying of them, say `first`, and give the counter.

    Outside of the main thread, where Python takes no signals, the count stays 0.
    """
    count = 0

    def note(number: int, frame: FrameType | None) -> None:
        nonlocal count
        del frame
        count += 1
        if count == 1:
            say(f"{signal.Signals(number).name}: {first}")

    if threading.current_thread() is not threading.main_thread():
        yield lambda: count
        return
    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: count
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
