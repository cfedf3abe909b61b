"""Settings of all tests."""

from __future__ import annotations

from hypothesis import settings

# No timed asserts: a busy machine is no fault of the code.
settings.register_profile("hbimg", deadline=None)
settings.load_profile("hbimg")
