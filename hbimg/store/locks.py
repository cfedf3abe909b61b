"""One writer at a time: a lock beside each table, with the holder's name in it.

LMDB has a writers' lock of its own, but it waits for ever and tells nobody. This one is taken before it: who waits too
long is told which process writes.
"""

from __future__ import annotations

import fcntl
import os
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import RLock

from hbimg.errors import StoreBusyError

_LOCK = "writer.lock"
#: Threads of this process queue here, so that the file's lock has one taker per process.
_threads: dict[str, RLock] = {}


@contextmanager
def writing(path: Path, wait_s: float) -> Iterator[None]:
    """Hold a table's writer lock.

    Raises
    ------
    StoreBusyError
        If another process holds it for longer than `wait_s` seconds; the message names that process.
    """
    threads = _threads.setdefault(str(path), RLock())
    if not threads.acquire(timeout=wait_s):
        raise StoreBusyError(f"{path} is being written by another thread of this process for over {wait_s:g} s")
    try:
        descriptor = os.open(path / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            _take(descriptor, path, wait_s)
            yield
        finally:
            os.close(descriptor)
    finally:
        threads.release()


def _take(descriptor: int, path: Path, wait_s: float) -> None:
    end = time.monotonic() + wait_s
    pause_s = 0.0005
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= end:
                holder = os.pread(descriptor, 500, 0).decode(errors="replace").strip() or "another process"
                raise StoreBusyError(
                    f"{path} is being written by {holder} for over {wait_s:g} s: wait for it or end it, then run again"
                ) from None
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, 0.02)
        else:
            break
    name = f"process {os.getpid()} on {socket.gethostname()} ({Path(sys.argv[0]).name})\n".encode()
    os.pwrite(descriptor, name.ljust(200), 0)
