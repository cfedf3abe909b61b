"""Fixtures of the store tests."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from hbimg.store import TableSettings, open_store

# Spawned processes import what they run by name.
sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def url(tmp_path):
    """An embedded store with the empty table ``t``, closed."""
    url = f"local://{tmp_path}/store"
    with open_store(url) as store:
        store.create_table("t", TableSettings())
    return url
