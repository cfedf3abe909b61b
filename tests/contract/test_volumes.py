"""The contract of volumes on the stores that need no service."""

from __future__ import annotations

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
    def _folder(self, tmp_path):
        self.folder = tmp_path / "store"

    def make_store(self) -> Store:
        return open_store(f"local://{self.folder}")
