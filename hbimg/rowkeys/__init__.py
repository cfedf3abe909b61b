"""Keys to bytes and back: labels, the row-key scheme, ranges.

Owns the byte format of row keys. `tests/golden/rowkeys-1.txt` pins it: changing a golden key breaks every table that
was ever written, so it takes a new scheme version. Properties are held by `tests/properties/test_rowkeys.py`.
"""

from __future__ import annotations

from hbimg.rowkeys.labels import check_label, is_hashed, label_of, text_of
from hbimg.rowkeys.ranges import KeyRange
from hbimg.rowkeys.scheme import (
    MAX_ROW_BYTES,
    RowKey,
    RowKeyScheme,
    RowKind,
    check_generation,
    layout_lock_row,
    layout_row,
    layouts_range,
    new_generation,
    run_row,
    runs_range,
    settings_row,
    stop_row,
)

__all__ = [
    "MAX_ROW_BYTES",
    "KeyRange",
    "RowKey",
    "RowKeyScheme",
    "RowKind",
    "check_generation",
    "check_label",
    "is_hashed",
    "label_of",
    "layout_lock_row",
    "layout_row",
    "layouts_range",
    "new_generation",
    "run_row",
    "runs_range",
    "settings_row",
    "stop_row",
    "text_of",
]
