"""Open stores of this process, shared by all that reads from Python, and let go when nobody reads for a while.

A notebook is open for days: it must not hold a table from being compacted or dropped all that time. And loaders fork: a
store that is open then is of no use to the child, so those at rest are closed before, and opened by who reads next.
"""

from __future__ import annotations

import atexit
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

# The embedded store takes a lock of its own before a fork. What is registered last comes first then, so it is loaded
# before this module registers: stores are closed before that lock is taken, which closing needs.
import hbimg.store.environments  # noqa: F401
from hbimg.config import Config
from hbimg.store import Store, open_store
from hbimg.volumes import VolumeTable

#: How long a store stays open that nobody reads from, in seconds.
IDLE_S = 5.0


@dataclass(slots=True)
class _Session:
    store: Store
    tables: dict[str, VolumeTable] = field(default_factory=dict)
    users: int = 0
    used_at: float = 0.0


_sessions: dict[str, _Session] = {}
#: Sessions that were in use at a fork: the child leaves them alone, and keeps them from being closed.
_of_parent: list[_Session] = []
_lock = threading.RLock()


def store_url(choice: str | None) -> str:
    """Give the URL of the store that a user chose, by URL, by profile, or not at all; ConfigError if it is none."""
    return Config.load().store_url(choice)


@contextmanager
def reading_store(url: str) -> Iterator[Store]:
    """Give an open store; it stays open while the block runs."""
    with _using(url) as session:
        yield session.store


@contextmanager
def reading_table(url: str, name: str) -> Iterator[VolumeTable]:
    """Give an open table of volumes; it stays open while the block runs.

    Raises
    ------
    TableNotFoundError, TableFormatError
        As `VolumeTable.open` does.
    """
    with _using(url) as session:
        with _lock:
            table = session.tables.get(name)
            if table is None:
                table = session.tables[name] = VolumeTable.open(session.store, name)
        yield table


@contextmanager
def _using(url: str) -> Iterator[_Session]:
    with _lock:
        session = _sessions.get(url)
        if session is None:
            session = _sessions[url] = _Session(open_store(url))
            _look_later()
        session.users += 1
    try:
        yield session
    finally:
        with _lock:
            session.users -= 1
            session.used_at = time.monotonic()


def _look_later() -> None:
    timer = threading.Timer(IDLE_S, _look)
    timer.daemon = True
    timer.start()


def _look() -> None:
    """Close what nobody used for a while, and look again later while anything is open."""
    with _lock:
        close_idle(IDLE_S)
        if _sessions:
            _look_later()


def close_idle(idle_s: float = 0.0) -> None:
    """Close the stores that nobody has read from for so many seconds."""
    with _lock:
        for url, session in list(_sessions.items()):
            if session.users == 0 and time.monotonic() - session.used_at >= idle_s:
                del _sessions[url]
                session.store.close()


def _before_fork() -> None:
    _lock.acquire()
    close_idle()


def _after_fork_in_child() -> None:
    _of_parent.extend(_sessions.values())
    _sessions.clear()
    _lock.release()


atexit.register(close_idle)
os.register_at_fork(before=_before_fork, after_in_parent=_lock.release, after_in_child=_after_fork_in_child)
