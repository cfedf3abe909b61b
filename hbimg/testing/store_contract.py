"""The contract test of a store: subclass it, say how to open yours, and every promise of the contract is tested.

For example::

    class TestMyStore(StoreContract):
        def make_store(self) -> Store:
            return MyStore(self.folder)  # a fixture of the subclass may set attributes first

        def raw_get(self, table_name, row, column): ...  # read underneath the interface
        def raw_put(self, table_name, row, column, value): ...  # write there

Tables have a name of their own per test, so that the tests may run against a service that others use; where making one
takes seconds, `shared_table` makes most tests use the same. What is written stays small but for one cell of the largest
size.
"""

from __future__ import annotations

import threading
from itertools import count

import numpy as np
import pytest

from hbimg.errors import (
    CellTooLargeError,
    ConfigError,
    HbimgError,
    StoreError,
    TableExistsError,
    TableNotFoundError,
)
from hbimg.rowkeys import MAX_ROW_BYTES, KeyRange
from hbimg.store.contract import (
    FAMILIES,
    MAX_CELL_BYTES,
    MAX_QUALIFIER_BYTES,
    Buffer,
    Family,
    Put,
    Store,
    Table,
    TableSettings,
)
from hbimg.testing.store_hooks import ALL, RANGES, ROWS
from hbimg.testing.store_model import check_against_model, contents
from hbimg.testing.store_scans import ScanContract


class StoreContract(ScanContract):
    """Tests of everything that `hbimg.store.contract` promises."""

    # -- tables ------------------------------------------------------------------------------------------------------

    def test_table_is_made_listed_opened_and_dropped(self, store: Store, table_name: str) -> None:
        made = store.create_table(table_name, TableSettings())
        made.put(b"row", {b"m:q": b"value"})
        assert made.name == table_name
        assert table_name in store.tables()
        assert store.tables() == sorted(store.tables())
        assert store.table(table_name).get(b"row") == {b"m:q": b"value"}
        store.drop_table(table_name)
        assert table_name not in store.tables()
        with pytest.raises(TableNotFoundError, match=table_name):
            store.table(table_name)
        assert contents(store.create_table(table_name, TableSettings())) == {}

    def test_table_exists_already(self, store: Store, table: Table) -> None:
        table.put(b"row", {b"m:q": b"kept"})
        with pytest.raises(TableExistsError, match=table.name):
            store.create_table(table.name, TableSettings())
        assert store.table(table.name).get(b"row") == {b"m:q": b"kept"}

    def test_table_is_absent(self, store: Store, table_name: str) -> None:
        with pytest.raises(TableNotFoundError, match=table_name):
            store.table(table_name)
        with pytest.raises(TableNotFoundError, match=table_name):
            store.drop_table(table_name)
        assert table_name not in store.tables()

    @pytest.mark.parametrize(
        "name", ["", "a/b", "../up", ".", "..", "-a", "a b", "a:b:c", ":a", "a:", "ä", "a\n", "x" * 101]
    )
    def test_table_names_that_a_store_refuses(self, store: Store, name: str) -> None:
        for use in (store.table, store.drop_table, lambda name: store.create_table(name, TableSettings())):
            with pytest.raises(ConfigError):
                use(name)

    def test_settings_come_back(self, store: Store, table_name: str) -> None:
        families = (Family("m", "gz", "fast_diff"), Family("pixels"))
        given = TableSettings(families, (b"b", b"m,x"), {"hbimg.note": "kept as it is"})
        store.create_table(table_name, given)
        with self.reopen(store) if self.persistent else store as again:
            found = again.table(table_name).settings
        assert [family.name for family in found.families] == ["m", "pixels"]
        assert found.split_points == given.split_points
        assert dict(found.attributes).items() >= given.attributes.items()

    @pytest.mark.parametrize("points", [(), (b"b",), (b"a", b"m,x", b"t")])
    def test_regions_hold_every_row_once(self, store: Store, table_name: str, points: tuple[bytes, ...]) -> None:
        table = store.create_table(table_name, TableSettings(split_points=points))
        table.put_many([Put(row, {b"m:q": row}) for row in ROWS])
        regions = table.regions()
        assert regions[0].range.start == b""
        assert regions[-1].range.stop == b""
        assert [region.range.stop for region in regions[:-1]] == [region.range.start for region in regions[1:]]
        assert [region.range.start for region in regions[1:]] == list(points)
        assert all(region.server for region in regions)
        assert [row.key for region in regions for row in table.scan(region.range)] == ROWS

    # -- cells -------------------------------------------------------------------------------------------------------

    def test_puts_add_columns_and_replace_values(self, table: Table) -> None:
        table.put(b"row", {b"m:a": b"1", b"i:a": b"pixels"})
        table.put(b"row", {b"m:b": b"2", b"i:a": b"other pixels"})
        assert table.get(b"row") == {b"i:a": b"other pixels", b"m:a": b"1", b"m:b": b"2"}
        assert list(table.get(b"row")) == [b"i:a", b"m:a", b"m:b"]
        assert table.get(b"ro") == table.get(b"row1") == table.get(b"row,") == {}

    def test_later_puts_of_a_batch_stand(self, table: Table) -> None:
        table.put_many(Put(b"row", {b"m:a": str(number).encode() * number}) for number in range(1, 9))
        assert table.get(b"row") == {b"m:a": b"8" * 8}

    def test_values_are_any_buffer(self, table: Table) -> None:
        plane = np.arange(12, dtype="<u2").reshape(3, 4)
        given: dict[bytes, Buffer] = {
            b"i:bytes": b"",
            b"i:array": bytearray(b"\0\1\xff"),
            b"i:view": memoryview(b"0123")[1:3],
            b"i:plane": plane.data,
        }
        table.put(b"row", given)
        assert Put(b"row", given).size_bytes == 3 + sum(map(len, given)) + 0 + 3 + 2 + plane.nbytes
        assert table.get(b"row") == {
            b"i:bytes": b"",
            b"i:array": b"\0\1\xff",
            b"i:view": b"12",
            b"i:plane": plane.tobytes(),
        }

    def test_longest_and_oddest_names(self, table: Table) -> None:
        every_byte = bytes(range(1, 256))
        rows = [every_byte, b"r" * MAX_ROW_BYTES, b"\xff" * MAX_ROW_BYTES]
        column = b"m:" + every_byte[-MAX_QUALIFIER_BYTES:]
        for row in rows:
            table.put(row, {column: b"v", b"i::": b"w"})
        assert contents(table) == {row: {column: b"v", b"i::": b"w"} for row in rows}

    @pytest.mark.parametrize("row", [b"", b"a\0b", b"\0", b"r" * (MAX_ROW_BYTES + 1)])
    def test_rows_that_are_refused(self, table: Table, row: bytes) -> None:
        for write in (
            lambda: table.put(row, {b"m:q": b"v"}),
            lambda: table.check_and_put(row, b"m:q", None, {b"m:q": b"v"}),
            lambda: table.delete_many([row]),
            lambda: table.delete_cells(row, [b"m:q"]),
        ):
            with pytest.raises(StoreError, match="row key"):
                write()
        assert table.get(row) == {}
        assert contents(table) == {}

    @pytest.mark.parametrize(
        "column", [b"", b"m", b":q", b"q:m", b"\xff:q", b"m:", b"m:a\0b", b"m:" + b"q" * (MAX_QUALIFIER_BYTES + 1)]
    )
    def test_columns_that_are_refused(self, table: Table, column: bytes) -> None:
        for write in (
            lambda: table.put(b"row", {b"m:good": b"v", column: b"v"}),
            lambda: table.check_and_put(b"row", column, None, {b"m:q": b"v"}),
            lambda: table.check_and_put(b"row", b"m:q", None, {column: b"v"}),
            lambda: table.delete_cells(b"row", [column]),
        ):
            with pytest.raises(StoreError, match="column"):
                write()
        assert contents(table) == {}

    def test_a_put_without_cells_is_refused(self, table: Table) -> None:
        with pytest.raises(StoreError, match="without cells"):
            table.put(b"row", {})
        assert contents(table) == {}

    def test_largest_cell(self, table: Table) -> None:
        largest = np.arange(MAX_CELL_BYTES // 4, dtype="<u4")
        table.put(b"row", {b"i:0": largest.data})
        assert table.get(b"row")[b"i:0"] == largest.tobytes()
        too_large = np.zeros(MAX_CELL_BYTES // 4 + 1, dtype="<u4")
        for write in (
            lambda: table.put(b"other", {b"m:q": b"v", b"i:0": too_large.data}),
            lambda: table.check_and_put(b"other", b"m:q", None, {b"i:0": too_large.data}),
        ):
            with pytest.raises(CellTooLargeError, match="chunks"):
                write()
        assert table.get(b"other") == {}

    # -- one row at once ---------------------------------------------------------------------------------------------

    def test_no_reader_sees_half_a_row(self, table: Table) -> None:
        columns = [f"{family.name}:q".encode() for family in FAMILIES]
        table.put(b"row", dict.fromkeys(columns, b"0"))
        stop = threading.Event()
        halves: list[dict[bytes, bytes]] = []

        def read() -> None:
            while not stop.is_set():
                found = [table.get(b"row"), contents(table).get(b"row", {})]
                halves.extend(row for row in found if len(row) != len(columns) or len(set(row.values())) != 1)

        reader = threading.Thread(target=read)
        reader.start()
        try:
            for number in range(60):
                table.put(b"row", dict.fromkeys(columns, str(number).encode()))
        finally:
            stop.set()
            reader.join()
        assert not halves

    def test_check_and_put(self, table: Table) -> None:
        assert not table.check_and_put(b"row", b"m:c", b"1", {b"m:c": b"2"})
        assert table.get(b"row") == {}
        assert table.check_and_put(b"row", b"m:c", None, {b"m:c": b"1", b"i:x": b"along"})
        assert table.get(b"row") == {b"m:c": b"1", b"i:x": b"along"}
        for wrong in (None, b"2", b"11", b"0"):
            assert not table.check_and_put(b"row", b"m:c", wrong, {b"m:c": b"no", b"m:d": b"no"})
        assert table.get(b"row") == {b"m:c": b"1", b"i:x": b"along"}
        assert table.check_and_put(b"row", b"m:c", b"1", {b"m:c": b"2"})
        assert table.check_and_put(b"row", b"m:c", b"2", {b"r:other": b"3"})
        assert table.check_and_put(b"row", b"h:absent", None, {b"m:d": b"4"})
        assert table.get(b"row") == {b"m:c": b"2", b"i:x": b"along", b"r:other": b"3", b"m:d": b"4"}
        table.delete_cells(b"row", [b"m:c"])
        assert table.check_and_put(b"row", b"m:c", None, {b"m:c": b"anew"})
        assert table.get(b"row")[b"m:c"] == b"anew"

    def test_check_and_put_refuses_empty_values(self, table: Table) -> None:
        table.put(b"row", {b"m:c": b"1"})
        for expected, value in ((b"", b"2"), (b"1", b"")):
            with pytest.raises(StoreError, match="empty"):
                table.check_and_put(b"row", b"m:c", expected, {b"m:c": value})
        with pytest.raises(StoreError, match="without cells"):
            table.check_and_put(b"row", b"m:c", b"1", {})
        assert table.check_and_put(b"row", b"m:c", b"1", {b"m:other": b""})

    def test_check_and_delete(self, table: Table) -> None:
        table.put(b"row", {b"m:c": b"1", b"i:x": b"along"})
        table.put(b"row2", {b"m:c": b"1"})
        assert not table.check_and_delete(b"row", b"m:c", b"2")
        assert not table.check_and_delete(b"row", b"m:absent", b"1")
        assert not table.check_and_delete(b"absent", b"m:c", b"1")
        assert contents(table) == {b"row": {b"i:x": b"along", b"m:c": b"1"}, b"row2": {b"m:c": b"1"}}
        assert table.check_and_delete(b"row", b"m:c", b"1")
        assert contents(table) == {b"row2": {b"m:c": b"1"}}

    def test_one_of_many_wins_a_check_and_put(self, table: Table) -> None:
        start, won = threading.Barrier(4), []

        def claim(name: bytes) -> None:
            start.wait()
            if table.check_and_put(b"row", b"m:claim", None, {b"m:claim": name}):
                won.append(name)

        threads = [threading.Thread(target=claim, args=(f"{number}".encode(),)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(won) == 1
        assert table.get(b"row") == {b"m:claim": won[0]}

    # -- deletes -----------------------------------------------------------------------------------------------------

    def test_delete_rows(self, table: Table) -> None:
        table.put_many(Put(row, {b"m:a": row, b"i:0": b"x" * 9000}) for row in ROWS)
        table.delete_many([b"a", b"absent", b"\xff", b"a"])
        assert list(contents(table)) == [row for row in ROWS if row not in (b"a", b"\xff")]
        assert table.get(b"a") == {}

    def test_delete_cells(self, table: Table) -> None:
        table.put(b"row", {b"m:a": b"1", b"m:ab": b"2", b"i:a": b"3"})
        table.delete_cells(b"row", [b"m:a", b"m:absent"])
        table.delete_cells(b"absent", [b"m:a"])
        assert contents(table) == {b"row": {b"i:a": b"3", b"m:ab": b"2"}}
        table.delete_cells(b"row", [b"m:ab", b"i:a"])
        assert contents(table) == {}

    @pytest.mark.parametrize("key_range", RANGES, ids=lambda r: f"{r.start[:8]!r} to {r.stop[:8]!r}")
    def test_delete_range(self, table: Table, key_range: KeyRange) -> None:
        table.put_many(Put(row, {b"m:a": row, b"i:a": row}) for row in ROWS)
        outside = [row for row in ROWS if row not in key_range]
        assert table.delete_range(key_range) == len(ROWS) - len(outside)
        assert list(contents(table)) == outside
        assert table.delete_range(key_range) == 0

    def test_delete_range_of_many_rows(self, table: Table) -> None:
        table.put_many(Put(f"{number:05d}".encode(), {b"m:a": b"x"}) for number in range(2345))
        assert table.delete_range(KeyRange(b"00001", b"02344")) == 2343
        assert list(contents(table)) == [b"00000", b"02344"]

    def test_put_after_delete_is_seen_however_often(self, table: Table) -> None:
        for number in range(25):
            value = str(number).encode()
            table.put(b"row", {b"m:a": value, b"i:0": value})
            table.delete_many([b"row"])
            assert table.get(b"row") == {}
            table.put(b"row", {b"m:a": value})
            assert contents(table) == {b"row": {b"m:a": value}}
            table.delete_cells(b"row", [b"m:a"])
            assert table.check_and_put(b"row", b"m:a", None, {b"m:a": value + b"!"})
            assert table.get(b"row") == {b"m:a": value + b"!"}

    # -- underneath the interface ------------------------------------------------------------------------------------

    def test_what_is_put_stands_underneath(self, table: Table) -> None:
        table.put(b"row", {b"m:q": b"value\0\xff"})
        assert self.raw_get(table.name, b"row", b"m:q") == b"value\0\xff"
        assert self.raw_get(table.name, b"row", b"m:other") is None
        table.delete_many([b"row"])
        assert self.raw_get(table.name, b"row", b"m:q") is None

    def test_what_stands_underneath_is_got(self, table: Table) -> None:
        self.raw_put(table.name, b"row", b"i:q", b"from below")
        assert table.get(b"row") == {b"i:q": b"from below"}
        assert contents(table) == {b"row": {b"i:q": b"from below"}}
        assert table.check_and_put(b"row", b"i:q", b"from below", {b"i:q": b"from above"})
        assert self.raw_get(table.name, b"row", b"i:q") == b"from above"

    def test_what_was_written_is_there_after_reopening(self, store: Store, table: Table) -> None:
        if not self.persistent:
            pytest.skip("this store ends with its process")
        table.put_many(Put(row, {b"m:q": row, b"i:0": row * 100}) for row in ROWS)
        table.delete_many([b"a"])
        before = contents(table)
        with self.reopen(store) as again:
            assert contents(again.table(table.name)) == before

    def test_purge_keeps_what_lives_and_wipes_what_was_deleted(self, table: Table) -> None:
        def marker(number: int) -> bytes:
            return b"<patient %05d of %s>" % (number, table.name.encode())

        numbers = range(300)
        gone = [number for number in numbers if number % 7]
        table.put_many(Put(b"%05d" % n, {b"m:q": marker(n), b"i:0": marker(n) * 200}) for n in numbers)
        table.put(b"00000", {b"m:replaced": marker(99_999)})
        table.put(b"00000", {b"m:replaced": b"new"})
        table.delete_many(b"%05d" % number for number in gone)
        live = contents(table)
        if not table.can_purge:
            with pytest.raises(StoreError, match=table.name):
                table.purge()
            assert contents(table) == live
            return
        table.purge()
        assert contents(table) == live
        table.put(b"after", {b"m:q": b"v"})
        assert table.get(b"after") == {b"m:q": b"v"}
        raw = self.raw_files(table.name)
        if raw is not None:
            assert marker(7) in raw
            assert [number for number in [*gone, 99_999] if marker(number) in raw] == []

    # -- anything ----------------------------------------------------------------------------------------------------

    def test_random_operations_agree_with_a_dict(self, store: Store, table_name: str) -> None:
        names = (f"{table_name}_{number}" for number in count())
        check_against_model(
            lambda: self.empty_table(store, next(names)),
            lambda table: self.put_away(store, table),
            purges=1000 if self.shared_table is None else 1,
        )

    def test_errors_are_ours_and_of_one_line(self, store: Store, table: Table) -> None:
        for wrong in (
            lambda: store.table("no_such_table"),
            lambda: store.create_table(table.name, TableSettings()),
            lambda: table.put(b"", {b"m:q": b""}),
            lambda: table.put(b"row", {b"x:q": b""}),
            lambda: table.scan(ALL, ["x"]),
        ):
            with pytest.raises(HbimgError) as caught:
                wrong()
            assert "\n" not in str(caught.value)
