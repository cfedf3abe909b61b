"""What LMDB and the system complain of, as errors of ours, each with the fix."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import lmdb

from hbimg.errors import (
    HbimgError,
    StoreBusyError,
    StoreError,
    StoreFullError,
    StorePermissionError,
    TableFormatError,
    TableNotFoundError,
)

#: Each batch costs one flush to disk, so they are large; a writer holds one in memory.
BATCH_BYTES = 32 << 20
_FULL = ("No space left", "File too large", "Disk quota")
_DENIED = ("Permission denied", "Read-only file system", "Operation not permitted")
_UNSOUND = (
    lmdb.CorruptedError,
    lmdb.InvalidError,
    lmdb.VersionMismatchError,
    lmdb.PageNotFoundError,
    lmdb.IncompatibleError,
    lmdb.PanicError,
)


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn LMDB's and the system's errors into ours."""
    try:
        yield
    except (lmdb.Error, OSError) as error:
        if isinstance(error, HbimgError):
            raise
        raise _translate(error, path) from error


def _translate(error: Exception, path: Path) -> StoreError:
    text = str(error)
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return TableNotFoundError(f"{path} is not there: {text}")
    if isinstance(error, lmdb.MapFullError):
        return StoreFullError(f"{path} has reached its map_bytes: nothing of this batch was written; raise map_bytes")
    if any(word in text for word in _FULL) or ("Input/output error" in text and _nearly_full(path)):
        return StoreFullError(f"no space left in {path}: nothing of this batch was written; free space and run again")
    if isinstance(error, lmdb.ReadonlyError | PermissionError) or any(w in text for w in _DENIED):
        return StorePermissionError(f"{path} cannot be used by this user: {text}")
    if isinstance(error, _UNSOUND):
        return TableFormatError(f"{path} is no sound LMDB environment: {text}; restore it from a copy")
    if isinstance(error, lmdb.ReadersFullError):
        return StoreBusyError(f"{path} has too many readers: end some of the commands that use it")
    if isinstance(error, lmdb.MemoryError | lmdb.MapResizedError):
        return StoreError(f"{path} does not fit the address space it may use: raise `ulimit -v`, or map_bytes ({text})")
    return StoreError(f"{path}: {text}")


def _nearly_full(path: Path) -> bool:
    """Whether a batch may not have fitted: LMDB calls it an input/output error if only a part of it did."""
    found = os.statvfs(path)
    return found.f_bavail * found.f_frsize < 2 * BATCH_BYTES
