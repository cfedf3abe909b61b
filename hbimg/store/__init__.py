"""Where rows live: one small contract and the stores behind it.

`open_store` opens one by its URL. Nothing else in hbimg knows which store it is.
"""

from __future__ import annotations

from hbimg.store.contract import (
    CHUNK_BYTES,
    FAMILIES,
    Buffer,
    Family,
    Put,
    Region,
    Row,
    Store,
    Table,
    TableSettings,
    check_table_name,
)
from hbimg.store.urls import open_store

__all__ = [
    "CHUNK_BYTES",
    "FAMILIES",
    "Buffer",
    "Family",
    "Put",
    "Region",
    "Row",
    "Store",
    "Table",
    "TableSettings",
    "check_table_name",
    "open_store",
]
