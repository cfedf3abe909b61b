"""LMDB environments of this process: opened once per folder, shared, and swapped when a table is compacted.

LMDB forbids to open one environment twice in a process, and keeps no count of who uses it from other processes; both
are kept here: a registry by folder, and a shared lock on ``in-use.lock`` that a compaction needs for itself.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections.abc import Collection
from pathlib import Path
from threading import Lock
from typing import Any

import lmdb

from hbimg.errors import StoreBusyError

_IN_USE = "in-use.lock"
#: Below this an address-space limit is in the way, and smaller maps would not help anybody.
_SMALLEST_MAP_BYTES = 1 << 30

_registry: dict[str, Environment] = {}
_registry_lock = Lock()


class Environment:
    """One LMDB environment, with its databases and the count of its users in this process."""

    def __init__(self, path: Path, map_bytes: int | None) -> None:
        self.path = path
        self.read_only = not os.access(path, os.W_OK)
        self._map_bytes = map_bytes
        self._users = 0
        self._databases: dict[str, Any] = {}
        self._in_use = _lock_shared(path, self.read_only)
        self._open()

    @classmethod
    def open(cls, path: Path, map_bytes: int | None) -> Environment:
        """Open the environment of a folder, or share it if this process has it open."""
        with _registry_lock:
            key = str(path.resolve())
            environment = _registry.get(key)
            if environment is None:
                environment = _registry[key] = cls(path, map_bytes)
            environment._users += 1
            return environment

    def close(self) -> None:
        """Let go of it; the last user of this process closes the files."""
        with _registry_lock:
            self._users -= 1
            if self._users == 0:
                del _registry[str(self.path.resolve())]
                self.lmdb.close()
                if self._in_use is not None:
                    os.close(self._in_use)

    def database(self, family: str) -> Any:
        """Give LMDB's handle of a family's database, which `open_databases` opened."""
        return self._databases[family]

    def open_databases(self, families: Collection[str]) -> None:
        """Open the databases of families, and make those that are absent. Not within a transaction: LMDB would hang."""
        for family in families:
            if family not in self._databases:
                self._databases[family] = self.lmdb.open_db(family.encode(), create=not self.read_only)

    def compact(self, wait_s: float) -> None:
        """Copy what is alive into a new file, put it in the old one's place and open that.

        Raises
        ------
        StoreBusyError
            If others have the environment open and do not let go within `wait_s` seconds.
        """
        if self._users > 1 or self._in_use is None or not _lock_alone(self._in_use, wait_s):
            raise StoreBusyError(f"{self.path} is in use: end the other commands that use the table, then purge again")
        try:
            draft = self.path / ".compact"
            shutil.rmtree(draft, ignore_errors=True)
            draft.mkdir()
            self.lmdb.copy(str(draft), compact=True)
            _flush(draft / "data.mdb")
            self.lmdb.close()
            (draft / "data.mdb").replace(self.path / "data.mdb")
            _flush(self.path)
            shutil.rmtree(draft)
            families = list(self._databases)
            self._databases.clear()
            self._open()
            self.open_databases(families)
        finally:
            fcntl.flock(self._in_use, fcntl.LOCK_SH)

    def _open(self) -> None:
        size = self._map_bytes or _disk_bytes(self.path)
        while True:
            try:
                self.lmdb = lmdb.open(
                    str(self.path),
                    map_size=size,
                    max_dbs=16,
                    max_readers=1024,
                    meminit=False,
                    metasync=False,
                    readonly=self.read_only,
                    lock=not self.read_only or os.access(self.path / "lock.mdb", os.W_OK),
                )
            except lmdb.MemoryError:  # the user's address space is limited (ulimit -v)
                if size < 2 * _SMALLEST_MAP_BYTES:
                    raise
                size //= 2
            else:
                self.lmdb.reader_check()  # forget readers that died
                return


def table_in_use(path: Path) -> bool:
    """Whether any process has the environment of a folder open."""
    descriptor = _lock_shared(path, read_only=False)
    if descriptor is None:
        return False
    try:
        return not _lock_alone(descriptor, 0)
    finally:
        os.close(descriptor)


def _lock_shared(path: Path, read_only: bool) -> int | None:
    if read_only and not (path / _IN_USE).exists():
        return None
    flags = os.O_RDONLY if read_only else os.O_RDWR | os.O_CREAT
    descriptor = os.open(path / _IN_USE, flags | os.O_CLOEXEC, 0o666)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    return descriptor


def _lock_alone(descriptor: int, wait_s: float) -> bool:
    end = time.monotonic() + wait_s
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= end:
                return False
            time.sleep(0.05)
        else:
            return True


def _disk_bytes(path: Path) -> int:
    """Size of the disk, so that the disk is full before the map is."""
    found = os.statvfs(path)
    return max(found.f_blocks * found.f_frsize, _SMALLEST_MAP_BYTES)


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
