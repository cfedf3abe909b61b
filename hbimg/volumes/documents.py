"""JSON documents that stand in one row of a table: written at once, compressed, in chunks, each cell with its checksum.

The number of chunks stands before the JSON, so that chunks left of a longer, earlier state are not read.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from typing import Any

from hbimg.store import Table
from hbimg.store.cells import chunk_columns, seal_all, unseal

_COUNT = b"m:0000"


def save_document(table: Table, row: bytes, document: Mapping[str, Any]) -> None:
    """Write a document; a later state takes the place of an earlier one."""
    packed = zlib.compress(json.dumps(document, ensure_ascii=False).encode())
    chunks = dict(chunk_columns("m", packed, first=1))
    table.put(row, seal_all(row, {_COUNT: str(len(chunks)).encode(), **chunks}))


def document_in(row: bytes, cells: Mapping[bytes, Any]) -> dict[str, Any]:
    """Read a document from the cells of its row; CorruptCellError if one is damaged."""
    count = int(bytes(unseal(row, _COUNT, cells[_COUNT])))
    columns = [f"m:{number:04d}".encode() for number in range(1, count + 1)]
    packed = b"".join(unseal(row, column, cells[column]) for column in columns)
    document: dict[str, Any] = json.loads(zlib.decompress(packed))
    return document
