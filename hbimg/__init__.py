"""hbimg keeps medical images where they are processed.

From Python, `hbimg.open(url)` gives a stored volume as a nibabel image that is read when it is asked for, and
`hbimg.volumes(table, where)` the volumes of a table; docs/python.md shows both. They are loaded when they are used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hbimg.access import open_image as open  # noqa: A004 - users write hbimg.open

__version__ = "0.1.0"

__all__ = ["__version__", "open", "volumes"]


def __getattr__(name: str) -> Any:
    """Load what is asked for."""
    from importlib import import_module

    if name == "open":
        return import_module("hbimg.access").open_image
    if name == "volumes":
        return import_module("hbimg.volumes")
    raise AttributeError(f"module 'hbimg' has no attribute {name!r}")
