"""The helper beside these tests is found by name."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from recorded_cluster import Recorded


@pytest.fixture
def cluster():
    return Recorded()
