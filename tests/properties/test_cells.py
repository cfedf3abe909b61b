"""A sealed cell is whole and where it belongs, or it is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hbimg.errors import CellTooLargeError, CorruptCellError
from hbimg.store import CHUNK_BYTES, cells

rows = st.binary(min_size=1, max_size=40).filter(lambda row: b"\0" not in row)
columns = st.sampled_from([b"m:q", b"i:0000", b"i:0001", b"h:0000"])
payloads = st.binary(max_size=300)


@given(rows, columns, payloads)
def test_round_trip(row, column, payload):
    cell = cells.seal(row, column, payload)
    assert len(cell) == len(payload) + cells.SEAL_BYTES
    assert cell.startswith(payload)
    for buffer in (cell, bytearray(cell), memoryview(cell)):
        assert cells.unseal(row, column, buffer) == payload


@given(rows, columns, payloads, st.data())
def test_every_flipped_bit_is_found(row, column, payload, data):
    cell = bytearray(cells.seal(row, column, payload))
    bit = data.draw(st.integers(0, 8 * len(cell) - 1))
    cell[bit // 8] ^= 1 << bit % 8
    with pytest.raises(CorruptCellError) as caught:
        cells.unseal(row, column, cell)
    assert "\n" not in str(caught.value).replace(row.decode(errors="replace"), "")


@given(rows, columns, payloads, st.integers(1, 20))
def test_cut_and_longer_cells_are_found(row, column, payload, count):
    cell = cells.seal(row, column, payload)
    for wrong in (cell[:-count], cell[count:], cell + b"\0" * count, b"\0" * count + cell):
        with pytest.raises(CorruptCellError):
            cells.unseal(row, column, wrong)


@given(rows, rows, columns, columns, payloads)
def test_a_cell_in_another_place_is_found(row, other_row, column, other_column, payload):
    cell = cells.seal(row, column, payload)
    if (row, column) == (other_row, other_column):
        assert cells.unseal(other_row, other_column, cell) == payload
    else:
        with pytest.raises(CorruptCellError):
            cells.unseal(other_row, other_column, cell)


@pytest.mark.parametrize("cell", [b"", b"1234567", b"\0" * 8])
def test_what_was_never_sealed(cell):
    with pytest.raises(CorruptCellError, match="m:q"):
        cells.unseal(b"row", b"m:q", cell)


@pytest.mark.parametrize("size", [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES])
@pytest.mark.parametrize("first", [0, 7])
def test_chunks_join_to_the_payload(size, first):
    payload = bytes(range(251)) * (size // 251 + 1)
    chunks = list(cells.chunk_columns("i", payload[:size], first))
    assert b"".join(chunk for _, chunk in chunks) == payload[:size]
    assert [column for column, _ in chunks] == [b"i:%04d" % (first + n) for n in range(max(1, -(-size // CHUNK_BYTES)))]
    assert [column for column, _ in chunks] == sorted(column for column, _ in chunks)
    assert all(0 < len(chunk) <= CHUNK_BYTES for _, chunk in chunks) or size == 0


def test_chunks_of_an_array_are_its_bytes():
    view = memoryview(bytes(range(240))).cast("H", (4, 30))
    assert b"".join(chunk for _, chunk in cells.chunk_columns("i", view)) == bytes(range(240))
    assert cells.unseal(b"r", b"i:0", cells.seal(b"r", b"i:0", view)) == bytes(range(240))


def test_chunks_that_four_digits_cannot_count():
    assert [column for column, _ in cells.chunk_columns("i", b"x", 9999)] == [b"i:9999"]
    for payload, first in ((b"x", 10_000), (bytes(CHUNK_BYTES + 1), 9999)):
        with pytest.raises(CellTooLargeError):
            list(cells.chunk_columns("i", payload, first))


def test_seal_all():
    sealed = cells.seal_all(b"row", {b"m:a": b"1", b"m:b": memoryview(b"22")})
    assert {column: bytes(cells.unseal(b"row", column, cell)) for column, cell in sealed.items()} == {
        b"m:a": b"1",
        b"m:b": b"22",
    }
