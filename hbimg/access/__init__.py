"""Stored volumes from Python without an export: nibabel images that read when asked, volumes to iterate, files."""

from __future__ import annotations

from hbimg.access.images import open_image
from hbimg.access.listing import Volume, volumes

__all__ = ["Volume", "open_image", "volumes"]
