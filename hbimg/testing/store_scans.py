"""The part of a store's contract test that is about scans."""

from __future__ import annotations

import pytest

from hbimg.errors import CellTooLargeError, CorruptCellError, StoreError
from hbimg.rowkeys import KeyRange
from hbimg.store.contract import (
    Family,
    Put,
    Store,
    Table,
    TableSettings,
)
from hbimg.testing.store_hooks import ALL, RANGES, ROWS, StoreHooks
from hbimg.testing.store_model import contents


class ScanContract(StoreHooks):
    """Tests of what the contract says of scans."""

    @pytest.mark.parametrize("key_range", RANGES, ids=lambda r: f"{r.start[:8]!r} to {r.stop[:8]!r}")
    def test_scan_gives_a_range_in_order(self, table: Table, key_range: KeyRange) -> None:
        table.put_many([Put(row, {b"m:a": row, b"i:b": row + b"!"}) for row in reversed(ROWS)])
        inside = [row for row in ROWS if row in key_range]
        assert [row.key for row in table.scan(key_range)] == inside
        assert [row.key for row in table.scan(key_range, ["i"])] == inside
        assert contents(table, key_range) == {row: {b"i:b": row + b"!", b"m:a": row} for row in inside}

    def test_scan_gives_chosen_families_only(self, table: Table) -> None:
        table.put(b"both", {b"m:a": b"1", b"i:b": b"2", b"i:a": b"3"})
        table.put(b"meta", {b"m:a": b"4"})
        table.put(b"pixels", {b"i:a": b"5"})
        assert contents(table, ALL, ["m"]) == {b"both": {b"m:a": b"1"}, b"meta": {b"m:a": b"4"}}
        assert contents(table, ALL, {"i"}) == {b"both": {b"i:a": b"3", b"i:b": b"2"}, b"pixels": {b"i:a": b"5"}}
        assert contents(table, ALL, ("m", "i", "m")) == contents(table)
        assert contents(table, ALL, ["r", "h"]) == contents(table, ALL, []) == {}
        assert [list(row.cells) for row in table.scan(ALL)] == [[b"i:a", b"i:b", b"m:a"], [b"m:a"], [b"i:a"]]

    def test_scan_refuses_unknown_families_at_once(self, table: Table) -> None:
        with pytest.raises(StoreError, match="no family 'x'"):
            table.scan(ALL, ["m", "x"])
        with pytest.raises(TypeError):
            table.scan(ALL, "m")

    def test_families_with_a_common_start(self, store: Store, table_name: str) -> None:
        table = store.create_table(table_name, TableSettings((Family("f"), Family("f1"), Family("F"))))
        table.put(b"row", {b"f:1": b"a", b"f1:1": b"b", b"F:1": b"c"})
        assert list(table.get(b"row")) == [b"F:1", b"f1:1", b"f:1"]
        assert [list(row.cells) for row in table.scan(ALL)] == [[b"F:1", b"f1:1", b"f:1"]]
        assert contents(table, ALL, ["f"]) == {b"row": {b"f:1": b"a"}}

    def test_cells_of_a_scan_are_valid_until_it_goes_on(self, table: Table) -> None:
        values = {f"{number:04d}".encode(): bytes([number % 251]) * 5000 for number in range(40)}
        table.put_many(Put(row, {b"i:0": value, b"m:0": row}) for row, value in values.items())
        kept = {}
        for row in table.scan(ALL, ["i"]):
            table.put(b"9999", {b"i:0": b"written meanwhile"})
            cell = row.cells[b"i:0"]
            assert memoryview(cell).nbytes in (5000, 17)
            kept[row.key] = bytes(cell)
        kept.pop(b"9999", None)
        assert kept == values

    def test_rows_that_stand_are_seen_once_while_others_change(self, table: Table) -> None:
        standing = [f"{number:03d}".encode() for number in range(0, 100, 2)]
        table.put_many(Put(row, {b"m:q": row}) for row in standing)
        seen = []
        for row in table.scan(ALL):
            seen.append(row.key)
            number = int(row.key[:3])
            table.put(f"{number + 1:03d}".encode(), {b"m:q": b"ahead"})
            table.put(f"{number:03d}".encode() + b"+", {b"m:q": b"ahead"})
            table.delete_many([f"{number - 1:03d}".encode() if number else b"none"])
            if len(seen) > 1000:
                break
        assert [row for row in seen if row in standing] == standing
        assert seen == sorted(set(seen))

    def test_scans_may_interleave_and_be_left(self, table: Table) -> None:
        table.put_many(Put(row, {b"m:q": row}) for row in ROWS)
        first, second = table.scan(ALL), table.scan(ALL)
        pairs = [(next(first).key, next(second).key) for _ in ROWS[:3]]
        assert pairs == [(row, row) for row in ROWS[:3]]
        first.close()  # type: ignore[attr-defined]
        table.delete_many(ROWS)
        table.put(b"new", {b"m:q": b"v"})
        del second
        assert contents(table) == {b"new": {b"m:q": b"v"}}

    def test_puts_may_come_from_a_scan_of_the_same_table(self, table: Table) -> None:
        table.put_many(Put(b"a" + row, {b"m:q": row}) for row in ROWS)
        table.put_many(Put(b"b" + row.key[1:], {c: bytes(v) for c, v in row.cells.items()}) for row in table.scan(ALL))
        table.delete_many(row.key for row in table.scan(KeyRange(b"a", b"b")))
        assert contents(table) == {b"b" + row: {b"m:q": row} for row in ROWS}

    # -- into an array -----------------------------------------------------------------------------------------------

    def test_cells_are_received_into_an_array(self, table: Table) -> None:
        """Cells of all sizes, of one and of several columns, one behind the other, their last bytes beside it."""
        sizes = [3, 100, 5000, 1 << 20, 4096, 3, 250_000]
        rows = {
            b"%02d" % n: {b"i:%04d" % k: bytes([n + k]) * size for k in range(n % 3 + 1)}
            for n, size in enumerate(sizes)
        }
        table.put_many(Put(row, {**cells, b"m:q": b"not wanted"}) for row, cells in rows.items())
        values = [cell for cells in rows.values() for cell in cells.values()]
        target = bytearray(sum(len(cell) - 3 for cell in values) + 3)
        seen: dict[bytes, dict[bytes, bytes]] = {}
        for row in table.receive(ALL, "i", memoryview(target), 3):
            seen[row.key] = {column: bytes(payload) + tail for column, (payload, tail) in row.cells.items()}
        assert seen == rows
        assert bytes(target[:-3]) == b"".join(cell[:-3] for cell in values)

    def test_what_does_not_fit_the_array_is_an_error(self, table: Table) -> None:
        table.put_many([Put(b"a", {b"i:0": bytes(100)}), Put(b"b", {b"i:0": bytes(100)})])
        with pytest.raises(CellTooLargeError, match="only 99 are left"):
            list(table.receive(ALL, "i", memoryview(bytearray(199))))
        with pytest.raises(CorruptCellError, match="only 100 bytes"):
            list(table.receive(ALL, "i", memoryview(bytearray(1000)), 101))
        with pytest.raises(StoreError, match="family 'x'"):
            table.receive(ALL, "x", memoryview(bytearray(10)))
        assert [row.key for row in table.receive(KeyRange(b"b"), "i", memoryview(bytearray(100)))] == [b"b"]
        assert list(table.receive(KeyRange(b"c"), "i", memoryview(bytearray(0)))) == []
