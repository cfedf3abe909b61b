"""Cells as they travel: HBase's KeyValueCodec, one length and one KeyValue after the other.

A KeyValue is the lengths of key and value (4 bytes each), the key (length of the row in 2 bytes, row, length of the
family in 1 byte, family, qualifier, timestamp in 8 bytes, kind in 1 byte) and the value.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from hbimg.errors import StoreUnavailableError
from hbimg.store.contract import Buffer, Cells
from hbimg.store.rpc.wire import Connection

#: The whole, the key, the value, and the row in it: four lengths.
_LENGTHS = struct.Struct(">IIIH")
_BEFORE_KEY = 12
#: Timestamp and kind, at the end of a key.
_STAMP = struct.Struct(">QB")
_LATEST = (1 << 63) - 1
_PUT = 4


class CellHead(NamedTuple):
    """A cell but for its value, of which the length is told."""

    row: bytes
    column: bytes
    value_bytes: int


def block_buffer(size_bytes: int) -> memoryview:
    """Give room for a cell block: memory is taken as it fills, so that a promise alone costs nothing."""
    return np.empty(size_bytes, np.uint8).data


def encode_put(row: bytes, cells: Cells) -> Iterator[Buffer]:
    """Give the parts of a cell block for one row: for each cell its key, and its value as it is, without a copy."""
    for column, value in cells.items():
        family, _, qualifier = column.partition(b":")
        key_bytes = 2 + len(row) + 1 + len(family) + len(qualifier) + _STAMP.size
        view = memoryview(value)
        lengths = _LENGTHS.pack(8 + key_bytes + view.nbytes, key_bytes, view.nbytes, len(row))
        yield b"".join((lengths, row, bytes((len(family),)), family, qualifier, _STAMP.pack(_LATEST, _PUT)))
        if view.nbytes:
            yield view.cast("B")


def next_head(connection: Connection) -> CellHead:
    """Take the next cell's head off a connection; its value has to be received next.

    Raises
    ------
    StoreUnavailableError
        If the lengths do not fit each other.
    """
    whole, key_bytes, value_bytes, row_bytes = _LENGTHS.unpack(connection.peek(_LENGTHS.size))
    head = connection.peek(_BEFORE_KEY + key_bytes)
    parsed = _parse(head, 0, (whole, key_bytes, value_bytes, row_bytes))
    connection.skip(_BEFORE_KEY + key_bytes)
    return parsed


def cells_in(block: memoryview) -> Iterator[tuple[bytes, bytes, memoryview]]:
    """Give row, column and value of each cell of a block; values are views of it.

    Raises
    ------
    StoreUnavailableError
        If the lengths do not fit each other.
    """
    start, size_bytes = 0, len(block)
    while start < size_bytes:
        if size_bytes - start < _LENGTHS.size:
            raise _damaged()
        lengths = _LENGTHS.unpack_from(block, start)
        whole, key_bytes, _, _ = lengths
        if start + 4 + whole > size_bytes:
            raise _damaged()
        head = _parse(block, start, lengths)
        value = start + _BEFORE_KEY + key_bytes
        start += 4 + whole
        yield head.row, head.column, block[value:start]


def _parse(block: memoryview, start: int, lengths: tuple[int, int, int, int]) -> CellHead:
    whole, key_bytes, value_bytes, row_bytes = lengths
    row = start + _LENGTHS.size
    family = row + row_bytes + 1
    end = start + _BEFORE_KEY + key_bytes - _STAMP.size
    if whole != 8 + key_bytes + value_bytes or family > end:
        raise _damaged()
    qualifier = family + block[family - 1]
    if qualifier > end:
        raise _damaged()
    column = b":".join((block[family:qualifier], block[qualifier:end]))
    return CellHead(bytes(block[row : family - 1]), column, value_bytes)


def _damaged() -> StoreUnavailableError:
    return StoreUnavailableError("a server of HBase sent cells whose lengths do not fit each other: run again")
