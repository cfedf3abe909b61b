"""A small measurement of a disk or of mounted storage: write a file, read it back, several times.

Owns the temporary file and removes it whatever happens. The file is written through to the device (fsync) and dropped
from the page cache before reading, so what is measured is the device and not the memory.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from typing import TYPE_CHECKING

from hbimg.errors import ConfigError
from hbimg.perfmodel.fit import Fitted
from hbimg.perfmodel.simulate import estimate
from hbimg.perfmodel.units import MIB, human_size

if TYPE_CHECKING:
    from pathlib import Path

_CHUNK = int(4 * MIB)


def probe_disk(directory: Path, size_bytes: int, repeats: int = 5) -> list[Fitted]:
    """Read and write speed of `directory`'s device, as `disk_read_bytes_per_s` and `disk_write_bytes_per_s`."""
    reads, writes = probe(directory, size_bytes, repeats)
    basis = f"{repeats} files of {human_size(size_bytes)} in {directory}"
    return [
        Fitted("disk_read_bytes_per_s", "bytes/s", estimate(reads), basis),
        Fitted("disk_write_bytes_per_s", "bytes/s", estimate(writes), basis),
    ]


def probe_storage(directory: Path, size_bytes: int, repeats: int = 5) -> list[Fitted]:
    """Reading speed of the mounted storage `directory`, taken as the bandwidth: one client's, so at least that."""
    reads, _ = probe(directory, size_bytes, repeats)
    basis = f"{repeats} files of {human_size(size_bytes)} in {directory}, one reader"
    return [Fitted("bandwidth_bytes_per_s", "bytes/s", estimate(reads), basis)]


def probe(directory: Path, size_bytes: int, repeats: int) -> tuple[list[float], list[float]]:
    """Speeds in bytes/s of reading and of writing; ConfigError when `directory` cannot be used or is too full."""
    if repeats < 1:
        raise ConfigError(f"probe: {repeats} repeats: at least one is needed")
    try:
        free_bytes = shutil.disk_usage(directory).free
        if free_bytes < 2 * size_bytes:
            raise ConfigError(
                f"probe: {directory} has {human_size(free_bytes)} free and {human_size(2 * size_bytes)} are wanted:"
                " use a smaller --probe-size or another folder"
            )
        pairs = [_once(directory, size_bytes) for _ in range(repeats)]
    except OSError as error:
        raise ConfigError(f"probe: cannot write and read a file in {directory}: {error.strerror}") from error
    return [read for read, _ in pairs], [write for _, write in pairs]


def _once(directory: Path, size_bytes: int) -> tuple[float, float]:
    chunk = os.urandom(_CHUNK)
    with tempfile.TemporaryFile(dir=directory, prefix=".hbimg-probe-", buffering=0) as file:
        begin = time.perf_counter()
        left = size_bytes
        while left > 0:
            left -= file.write(chunk[: min(left, _CHUNK)]) or 0
        os.fsync(file.fileno())
        written = time.perf_counter()
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        file.seek(0)
        reading = time.perf_counter()
        while file.read(_CHUNK):
            pass
        done = time.perf_counter()
    return size_bytes / max(done - reading, 1e-9), size_bytes / max(written - begin, 1e-9)
