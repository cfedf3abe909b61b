"""Cells that end up in an array, one behind the other: what `Table.receive` gives, or how a store copies them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hbimg.errors import CellTooLargeError, CorruptCellError

if TYPE_CHECKING:
    from hbimg.store.contract import Row


@dataclass(frozen=True, slots=True)
class ReceivedRow:
    """A row whose cells were received into an array: for each column the payload, a view of the array, and the tail."""

    key: bytes
    cells: dict[bytes, tuple[memoryview, bytes]]


def copied_rows(rows: Iterable[Row], target: memoryview, tail_bytes: int) -> Iterator[ReceivedRow]:
    """Copy the cells of a scan into an array, as `Table.receive` says."""
    for row in rows:
        received = ReceivedRow(row.key, {})
        for column, cell in row.cells.items():
            view = memoryview(cell)
            payload = received_view(row.key, column, len(view), target, tail_bytes)
            payload[:] = view[: len(payload)]
            received.cells[column] = payload, bytes(view[len(payload) :])
            target = target[len(payload) :]
        yield received


def received_view(row: bytes, column: bytes, size_bytes: int, target: memoryview, tail_bytes: int) -> memoryview:
    """Give the part of an array that a cell's payload is for; errors as `Table.receive` says."""
    payload_bytes = size_bytes - tail_bytes
    cell = f"cell {column.decode(errors='replace')} of row {row.decode(errors='replace')}"
    if payload_bytes < 0:
        raise CorruptCellError(
            f"{cell} has only {size_bytes} bytes: run `hbimg verify`, and ingest the volume again with --replace"
        )
    if size_bytes > len(target):
        raise CellTooLargeError(f"{cell} has {size_bytes:,} bytes, and only {len(target):,} are left for it")
    return target[:payload_bytes]
