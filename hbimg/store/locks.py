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
from threading import TIMEOUT_MAX, Lock

from hbimg.errors import StoreBusyError

_LOCK = "writer.lock"
_NAME_BYTES = 400
_NAMELESS = "another process, or read by a user who may not write there,"
#: Threads of this process queue here, so that the file's lock has one taker per process.
_threads: dict[str, Lock] = {}
# A thread that held one at a fork does not exist in the child.
os.register_at_fork(after_in_child=_threads.clear)


@contextmanager
def writing(path: Path, wait_s: float) -> Iterator[None]:
    """Hold a table's writer lock.

    Raises
    ------
    StoreBusyError
        If another process holds it for longer than `wait_s` seconds; the message names that process.
    """
    end = time.monotonic() + wait_s
    threads = _threads.setdefault(str(path), Lock())
    if not threads.acquire(timeout=min(wait_s, TIMEOUT_MAX)):
        raise StoreBusyError(f"{path} is being written by another thread of this process for over {wait_s:g} s")
    try:
        descriptor = os.open(path / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            _take(descriptor, fcntl.LOCK_EX, path, end, wait_s)
            name = f"process {os.getpid()} on {socket.gethostname()} ({Path(sys.argv[0]).name})\n".encode()
            os.pwrite(descriptor, name.ljust(_NAME_BYTES), 0)
            try:
                yield
            finally:
                os.pwrite(descriptor, b" " * _NAME_BYTES, 0)
        finally:
            os.close(descriptor)
    finally:
        threads.release()


@contextmanager
def holding_off_writers(path: Path, wait_s: float) -> Iterator[None]:
    """Keep writers of other processes waiting, for a reader whom they cannot see; StoreBusyError as for `writing`."""
    try:
        descriptor = os.open(path / _LOCK, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:  # a copy without its locks, in a folder that nobody here can write
        yield
        return
    try:
        _take(descriptor, fcntl.LOCK_SH, path, time.monotonic() + wait_s, wait_s)
        yield
    finally:
        os.close(descriptor)


def _take(descriptor: int, kind: int, path: Path, end: float, wait_s: float) -> None:
    pause_s = 0.0005
    while True:
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= end:
                holder = os.pread(descriptor, _NAME_BYTES, 0).decode(errors="replace").strip() or _NAMELESS
                raise StoreBusyError(
                    f"{path} is being written by {holder} for over {wait_s:g} s: wait for it or end it, then run again"
                ) from None
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, 0.02)
        else:
            return
