"""How many rows to ask for, and what to send at once: batches by bytes, since HBase's Thrift counts rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from hbimg.store.contract import Buffer, Put

#: What one answer or one call should hold: enough to hide the round trip, little enough for the servers' memory.
BATCH_BYTES = 4 << 20
_FIRST_ROWS = 8
#: The size of rows to come is a guess. So many of the largest common ones (a chunk of 1 MiB) still fit the servers.
_MOST_ROWS = 64


class RowCount:
    """Tells how many rows to ask for next, from the size of those that came."""

    def __init__(self) -> None:
        self.rows = _FIRST_ROWS

    def saw(self, rows: int, size_bytes: int) -> None:
        """Learn from an answer: it had so many rows and bytes."""
        if rows:
            fitting = BATCH_BYTES * rows // max(size_bytes, 1)
            # Growing by steps, so that a few small rows before large ones do little harm.
            self.rows = max(1, min(fitting, 4 * self.rows, _MOST_ROWS))


def put_batches(puts: Iterable[Put]) -> Iterator[dict[bytes, dict[bytes, Buffer]]]:
    """Gather puts into calls of about `BATCH_BYTES`, each row once, the later value of a cell over the earlier."""
    rows: dict[bytes, dict[bytes, Buffer]] = {}
    size_bytes = 0
    for put in puts:
        if rows and size_bytes + put.size_bytes > BATCH_BYTES:
            yield rows
            rows, size_bytes = {}, 0
        rows.setdefault(put.row, {}).update(put.cells)
        size_bytes += put.size_bytes
    if rows:
        yield rows
