"""LMDB environments of this process: opened once per folder, shared, and swapped when a table is compacted.

LMDB forbids to open one environment twice in a process, and keeps no count of who uses it from other processes; both
are kept here: a registry by folder, and a shared lock on ``in-use.lock`` that a compaction or a drop needs for itself.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock
from typing import Any

import lmdb

from hbimg.errors import StoreBusyError, StoreError, TableFormatError
from hbimg.store.locks import holding_off_writers, writing

DATA = "data.mdb"
_IN_USE = "in-use.lock"
#: Below this an address-space limit is in the way, and smaller maps would not help anybody.
_SMALLEST_MAP_BYTES = 1 << 30
_MAX_READERS = 1024
#: LMDB's lock file for them: 64 bytes each, and a head.
_LOCK_FILE_BYTES = 64 * _MAX_READERS + 8192
#: Where the system does not tell the disk's size (a memory disk without a limit).
_UNKNOWN_DISK_BYTES = 1 << 40
#: What LMDB puts before a value that has pages of its own.
_PAGE_HEAD_BYTES = 16
#: Smaller writes get small pages from the kernel by themselves.
_LEAST_ROOM_BYTES = 2 << 20
#: Written at once; half of a huge page.
_ZEROS = memoryview(bytes(1 << 20))

_registry: dict[str, Environment] = {}
_registry_lock = Lock()


class Environment:
    """One LMDB environment, with its databases and the count of its users in this process."""

    def __init__(self, path: Path, map_bytes: int | None, wait_s: float) -> None:
        self.path = path
        self.read_only = not all(os.access(p, os.W_OK) for p in (path, path / DATA) if p.exists())
        # LMDB's readers write themselves into its lock file. Who may not is unseen by writers, who would reuse the
        # pages under his scan: he holds writers off instead.
        self._seen_by_writers = not self.read_only or os.access(path / "lock.mdb", os.W_OK)
        self._key = str(path.resolve())
        self._process = os.getpid()
        self._map_bytes = map_bytes
        self._users = 0
        self._transactions = 0
        self._count_lock = Lock()
        self._databases: dict[str, Any] = {}
        self._in_use = _lock_shared(path, self.read_only, wait_s)
        try:
            self._open()
            self._refuse_cut_file(wait_s)
        except BaseException:
            self._leave()
            raise

    @classmethod
    def open(cls, path: Path, map_bytes: int | None, wait_s: float) -> Environment:
        """Open the environment of a folder, or share it if this process has it open."""
        with _registry_lock:
            key = str(path.resolve())
            environment = _registry.get(key)
            if environment is None:
                environment = _registry[key] = cls(path, map_bytes, wait_s)
            environment._refuse_forked()
            environment._users += 1
            return environment

    def close(self) -> None:
        """Let go of it; the last user of this process closes the files."""
        with _registry_lock:
            self._users -= 1
            if self._users == 0:
                _registry.pop(self._key, None)
                self._leave()

    def _leave(self) -> None:
        if hasattr(self, "lmdb"):
            self.lmdb.close()
        if self._in_use is not None:
            os.close(self._in_use)
            self._in_use = None

    def database(self, family: str) -> Any:
        """Give LMDB's handle of a family's database, which `open_databases` opened."""
        return self._databases[family]

    def open_databases(self, families: Collection[str], wait_s: float) -> None:
        """Open the databases of families, and make those that are absent.

        LMDB takes its writers' lock for that, for which it would wait without end: so the one of `writing`, which
        does not, is taken before.
        """
        absent = [family for family in families if family not in self._databases]
        if not absent:
            return
        with holding_off_writers(self.path, wait_s) if self.read_only else writing(self.path, wait_s):
            for family in absent:
                self._databases[family] = self.lmdb.open_db(family.encode(), create=not self.read_only)

    @contextmanager
    def reading(self, wait_s: float, *, buffers: bool = False) -> Iterator[Any]:
        """Give a read transaction: a view of the table as it is now."""
        self._refuse_forked()
        with self._counted(), self._unless_seen(wait_s), self._begin(buffers=buffers) as txn:
            yield txn

    @contextmanager
    def writing(self, wait_s: float) -> Iterator[Any]:
        """Give a write transaction, which is undone when its block raises."""
        self._refuse_forked()
        with writing(self.path, wait_s), self._counted():
            with self._begin(write=True) as txn:
                yield txn
            self._fill_up()

    @contextmanager
    def _counted(self) -> Iterator[None]:
        with self._count_lock:
            self._transactions += 1
        try:
            yield
        finally:
            with self._count_lock:
                self._transactions -= 1

    @contextmanager
    def _unless_seen(self, wait_s: float) -> Iterator[None]:
        if self._seen_by_writers:
            yield
        else:
            with holding_off_writers(self.path, wait_s):
                yield

    def _refuse_forked(self) -> None:
        if os.getpid() != self._process:
            raise StoreError(
                f"{self.path} was open when this process was forked, which LMDB does not allow: open the store in "
                'spawned processes only (multiprocessing.get_context("spawn"))'
            )

    def _begin(self, **options: Any) -> Any:
        try:
            return self.lmdb.begin(**options)
        except lmdb.MapResizedError:  # another process, with a larger map, let the file grow beyond ours
            if self._transactions > 1:
                raise
            self.lmdb.set_mapsize(0)
            return self.lmdb.begin(**options)

    def compact(self, wait_s: float) -> None:
        """Copy what is alive into a new file, put it in the old one's place and open that. Under `locks.writing`.

        Raises
        ------
        StoreBusyError
            If others have the environment open and do not let go within `wait_s` seconds.
        """
        busy = f"{self.path} is in use: end the other commands and scans that use the table, then purge again"
        if self._users > 1 or self._transactions or self._in_use is None or not _lock_alone(self._in_use, wait_s):
            raise StoreBusyError(busy)
        draft = self.path / ".compact"
        try:
            shutil.rmtree(draft, ignore_errors=True)
            draft.mkdir()
            self.lmdb.copy(str(draft), compact=True)
            _flush(draft / DATA)
            self.lmdb.close()
            try:
                (draft / DATA).replace(self.path / DATA)
                _flush(self.path)
            finally:
                self._databases, absent = {}, list(self._databases)
                self._open()
            for family in absent:
                self._databases[family] = self.lmdb.open_db(family.encode(), create=False)
        finally:
            shutil.rmtree(draft, ignore_errors=True)  # of all times not now, when the disk is full
            fcntl.flock(self._in_use, fcntl.LOCK_SH)

    def _open(self) -> None:
        if not self.read_only:
            _allocate(self.path / "lock.mdb", _LOCK_FILE_BYTES)
        size = self._map_bytes or _disk_bytes(self.path)
        while True:
            try:
                # meminit stays on: without it, unused parts of pages carry other bytes of this process to the disk,
                # which may be a patient's name that de-identification took out.
                self.lmdb = lmdb.open(
                    str(self.path),
                    map_size=size,
                    max_dbs=16,
                    max_readers=_MAX_READERS,
                    metasync=False,
                    readonly=self.read_only,
                    lock=self._seen_by_writers,
                )
            except lmdb.MemoryError:  # the user's address space is limited (ulimit -v)
                if size < 2 * _SMALLEST_MAP_BYTES:
                    raise
                size //= 2
            else:
                self.lmdb.reader_check()  # forget readers that died
                return

    # -- the file's length --------------------------------------------------------------------------------------------

    def _missing_bytes(self) -> int:
        """Bytes by which the file is shorter than the pages that its newest state counts."""
        pages = self.lmdb.info()["last_pgno"] + 1
        return int(pages * self.lmdb.stat()["psize"] - (self.path / DATA).stat().st_size)

    def make_room(self, values: Iterable[int]) -> None:
        """Lengthen the file for values of these sizes in bytes, before a transaction writes them. In `writing`.

        LMDB writes a batch in pieces of many megabytes, for which the kernel takes huge pages. In a virtual machine
        that lends its free memory to the host, those are the pages that are gone and come back one by one: the write
        took six times as long. Pages that stand in the page cache already are written over. Without room on the disk
        nothing is done here: LMDB may have pages of its own that are free, and if not, it is the one to tell.
        """
        page_bytes = self.lmdb.stat()["psize"]
        pages = sum(-(-(size + _PAGE_HEAD_BYTES) // page_bytes) for size in values)
        if pages * page_bytes < _LEAST_ROOM_BYTES:
            return
        path, info = self.path / DATA, self.lmdb.info()
        start = path.stat().st_size
        stop = min((info["last_pgno"] + 1 + pages) * page_bytes, info["map_size"])
        if start >= stop:
            return
        descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        try:
            for offset in range(start, stop, len(_ZEROS)):
                os.pwrite(descriptor, _ZEROS[: stop - offset], offset)
        except OSError:
            os.ftruncate(descriptor, start)
        finally:
            os.close(descriptor)

    def _fill_up(self) -> None:
        """Make the file as long as LMDB counts it.

        LMDB leaves out pages at the end that one transaction took and gave back. A file that is too short is then a
        file that was cut, which can be told before a page beyond its end is touched: that would kill the process.
        """
        if (missing := self._missing_bytes()) > 0:
            os.truncate(self.path / DATA, (self.path / DATA).stat().st_size + missing)

    def _refuse_cut_file(self, wait_s: float) -> None:
        """Raise TableFormatError if the file was cut: a copy that broke off, a disk that was full."""
        if self._missing_bytes() <= 0:
            return
        cut = TableFormatError(f"{self.path / DATA} is shorter than it should be, as a broken copy is: copy it again")
        if self.read_only:
            raise cut
        with writing(self.path, wait_s):
            length = (self.path / DATA).stat().st_size
            if self._missing_bytes() <= 0:  # a writer was about to fill it up
                return
            self._fill_up()  # nothing beyond the end may be touched before
            try:
                sound = self._every_key_is_there()
            except lmdb.Error:
                sound = False
            if not sound:
                os.truncate(self.path / DATA, length)
                raise cut

    def _every_key_is_there(self) -> bool:
        """Whether each database has as many keys as it counts, in order. It reads no pixels."""
        with self.lmdb.begin(write=True) as txn:
            names = [name for name in txn.cursor().iternext(values=False) if not name.startswith(b"!")]
            for name in names:
                database = self.lmdb.open_db(name, txn=txn, create=False)
                count, last = 0, b""
                for key in txn.cursor(db=database).iternext(values=False):
                    if key <= last:
                        return False
                    count, last = count + 1, key
                if count != txn.stat(database)["entries"]:
                    return False
            txn.abort()
        return True


def remove_environment(path: Path, grave: Path) -> bool:
    """Delete an environment's folder, if no process has it open; `grave` is beside it. Tell whether."""
    descriptor = _lock_shared(path, read_only=False, wait_s=0)
    if descriptor is None:
        return False
    try:
        if not _lock_alone(descriptor, 0):
            return False
        path.rename(grave)  # who waits for the lock finds it gone
    finally:
        os.close(descriptor)
    shutil.rmtree(grave)
    return True


def _lock_shared(path: Path, read_only: bool, wait_s: float) -> int | None:
    if read_only and not (path / _IN_USE).exists():
        return None
    flags = os.O_RDONLY if read_only else os.O_RDWR | os.O_CREAT
    while True:
        descriptor = os.open(path / _IN_USE, flags | os.O_CLOEXEC, 0o666)
        if not _try_lock(descriptor, fcntl.LOCK_SH, wait_s):
            os.close(descriptor)
            raise StoreBusyError(f"{path} is being purged or dropped by another process: wait for it, then run again")
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(descriptor), (path / _IN_USE).stat()):
                return descriptor
        os.close(descriptor)  # dropped while we waited; perhaps another table has its name by now


def _lock_alone(descriptor: int, wait_s: float) -> bool:
    """Turn the shared lock into one for this process alone, or keep it shared; tell which."""
    if _try_lock(descriptor, fcntl.LOCK_EX, wait_s):
        return True
    fcntl.flock(descriptor, fcntl.LOCK_SH)  # a failed conversion has lost the shared lock
    return False


def _try_lock(descriptor: int, kind: int, wait_s: float) -> bool:
    end = time.monotonic() + wait_s
    while True:
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= end:
                return False
            time.sleep(0.02)
        else:
            return True


def _disk_bytes(path: Path) -> int:
    """Size of the disk, so that the disk is full before the map is."""
    found = os.statvfs(path)
    return max(found.f_blocks * found.f_frsize or _UNKNOWN_DISK_BYTES, _SMALLEST_MAP_BYTES)


def _allocate(path: Path, size_bytes: int) -> None:
    """Give a file that is written through memory its place on the disk; when that is full later, it has it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        os.posix_fallocate(descriptor, 0, size_bytes)
    finally:
        os.close(descriptor)


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


# So that no child of a fork inherits the lock from a thread that it has not.
os.register_at_fork(
    before=_registry_lock.acquire, after_in_parent=_registry_lock.release, after_in_child=_registry_lock.release
)
