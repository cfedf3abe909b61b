"""Sealed cells: every value carries a checksum, and large values are cut into chunks.

A cell is its payload followed by 8 bytes: XXH3-64 of the payload, seeded with XXH3-64 of row and column, big-endian.
The seed makes a cell that turned up in another place as wrong as one with a flipped bit. The checksum stands behind
the payload so that the payload can be received straight into an array.
"""

from __future__ import annotations

from collections.abc import Iterator

import xxhash

from hbimg.errors import CellTooLargeError, CorruptCellError
from hbimg.store.contract import CHUNK_BYTES, Buffer

SEAL_BYTES = 8
#: What four digits count: more would not sort by number.
MAX_CHUNKS = 10_000


def _digest(row: bytes, column: bytes, payload: Buffer) -> bytes:
    return xxhash.xxh3_64_digest(payload, _seed(row, column))


def _seed(row: bytes, column: bytes) -> int:
    return xxhash.xxh3_64_intdigest(row + b"\0" + column)


def seal(row: bytes, column: bytes, *payload: Buffer) -> bytes:
    """Give the cell for a payload, whole or in parts, that will stand at (row, column). It copies once."""
    digest = xxhash.xxh3_64(seed=_seed(row, column))
    for part in payload:
        digest.update(part)
    return b"".join((*payload, digest.digest()))


def unseal(row: bytes, column: bytes, cell: Buffer) -> memoryview:
    """Give the payload of a cell, as a view of it.

    Raises
    ------
    CorruptCellError
        If payload and checksum disagree.
    """
    view = memoryview(cell)
    payload = view[:-SEAL_BYTES]
    check_seal(row, column, payload, bytes(view[len(payload) :]))
    return payload


def check_seal(row: bytes, column: bytes, payload: Buffer, seal: bytes) -> None:
    """Make sure that a payload is the one that was sealed; CorruptCellError if it is not."""
    if seal != _digest(row, column, payload):
        raise CorruptCellError(
            f"cell {column.decode(errors='replace')} of row {row.decode(errors='replace')} is damaged: its checksum "
            "does not agree with its bytes; run `hbimg verify`, and ingest the volume again with --replace"
        )


def seal_all(row: bytes, payloads: dict[bytes, Buffer]) -> dict[bytes, Buffer]:
    """Seal the payloads of one row, by column."""
    return {column: seal(row, column, payload) for column, payload in payloads.items()}


def chunk_columns(family: str, payload: Buffer, first: int = 0) -> Iterator[tuple[bytes, memoryview]]:
    """Cut a payload into chunks of at most `CHUNK_BYTES`, named ``family:0000``, ``family:0001``, ...

    An empty payload gives one empty chunk, so that it is told from an absent one.

    Raises
    ------
    CellTooLargeError
        If the row would have more than `MAX_CHUNKS` of them.
    """
    view = memoryview(payload)
    view = view.cast("B") if view.nbytes else memoryview(b"")
    if first + -(-len(view) // CHUNK_BYTES) > MAX_CHUNKS:
        raise CellTooLargeError(f"{len(view):,} bytes are too many for one row: it takes {MAX_CHUNKS:,} chunks")
    for number, start in enumerate(range(0, max(len(view), 1), CHUNK_BYTES), start=first):
        yield f"{family}:{number:04d}".encode(), view[start : start + CHUNK_BYTES]
