"""The contract of volumes on the stores that need no service."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from hbimg.store import Store, open_store
from hbimg.store.memory import MemoryStore
from hbimg.testing.volumes_contract import VolumesContract


class TestVolumesInMemory(VolumesContract):
    def make_store(self) -> Store:
        return MemoryStore()


class TestVolumesEmbedded(VolumesContract):
    stride = 4

    @pytest.fixture(autouse=True)
    def _folder(self):
        # Writers are stopped thousands of times here, each write flushed to the disk: to one in memory if there is one.
        shared = Path("/dev/shm")
        place = shared if shared.is_dir() and os.access(shared, os.W_OK) else None
        with tempfile.TemporaryDirectory(dir=place, ignore_cleanup_errors=True) as folder:
            self.folder = folder
            yield

    def make_store(self) -> Store:
        return open_store(f"local://{self.folder}/store")
