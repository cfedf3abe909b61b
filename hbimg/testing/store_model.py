"""Random operations on a table, held against a plain dict of dicts."""

from __future__ import annotations

from collections.abc import Callable, Collection

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from hbimg.rowkeys import KeyRange
from hbimg.store.contract import Put, Table

Contents = dict[bytes, dict[bytes, bytes]]

#: Few rows that clash often: starts of one another, bytes around our separators, the lowest and highest.
_rows = st.text("\x01!,a~\xff", min_size=1, max_size=3).map(lambda text: text.encode("latin-1"))
_columns = st.sampled_from([b"m:a", b"m:ab", b"h:a", b"i:0000", b"i:0001"])
_values = st.sampled_from([b"1", b"22", b"\0" * 700, b"x" * 5000])
_cells = st.dictionaries(_columns, _values, min_size=1, max_size=3)
_bounds = st.one_of(st.just(b""), _rows, _rows.map(lambda row: row + b"\0"))
_ranges = st.builds(KeyRange, _bounds, _bounds)
_families = st.one_of(st.none(), st.sets(st.sampled_from(["m", "h", "i", "r"])))


def contents(table: Table, key_range: KeyRange = KeyRange(), families: Collection[str] | None = None) -> Contents:  # noqa: B008 - frozen
    """Give what a scan gives, copied."""
    return {row.key: {c: bytes(v) for c, v in row.cells.items()} for row in table.scan(key_range, families)}


def check_against_model(begin: Callable[[], Table], end: Callable[[Table], None], purges: int = 1000) -> None:
    """Do random operations on empty tables; raises where a dict does otherwise.

    Parameters
    ----------
    begin, end : callable
        Give an empty table, and put it away.
    purges : int
        How often the files of one table are rewritten at most; HBase takes seconds for that.
    """

    class Machine(TableMachine):
        def make_table(self) -> Table:
            return begin()

        def teardown(self) -> None:
            end(self.table)

    Machine.purges_left = purges
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=8,
            stateful_step_count=30,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


class TableMachine(RuleBasedStateMachine):
    """A table and the dict it should equal."""

    purges_left = 1000

    def __init__(self) -> None:
        super().__init__()
        self.table = self.make_table()
        self.model: Contents = {}

    def make_table(self) -> Table:
        """Give an empty table with the families m, h, i, r."""
        raise NotImplementedError

    def _apply(self, row: bytes, cells: dict[bytes, bytes]) -> None:
        self.model.setdefault(row, {}).update(cells)

    @rule(puts=st.lists(st.tuples(_rows, _cells), max_size=4))
    def put_many(self, puts: list[tuple[bytes, dict[bytes, bytes]]]) -> None:
        self.table.put_many([Put(row, cells) for row, cells in puts])
        for row, cells in puts:
            self._apply(row, cells)

    @rule(row=_rows, column=_columns, cells=_cells, wrong=st.one_of(st.none(), st.none(), _values))
    def check_and_put(self, row: bytes, column: bytes, cells: dict[bytes, bytes], wrong: bytes | None) -> None:
        found = self.model.get(row, {}).get(column)
        expected = found if wrong is None else wrong
        done = self.table.check_and_put(row, column, expected, cells)
        assert done == (expected == found)
        if done:
            self._apply(row, cells)

    @rule(rows=st.lists(_rows, max_size=4))
    def delete_many(self, rows: list[bytes]) -> None:
        self.table.delete_many(rows)
        for row in rows:
            self.model.pop(row, None)

    @rule(row=_rows, columns=st.sets(_columns, max_size=3))
    def delete_cells(self, row: bytes, columns: set[bytes]) -> None:
        self.table.delete_cells(row, columns)
        cells = self.model.get(row, {})
        for column in columns:
            cells.pop(column, None)
        if not cells:
            self.model.pop(row, None)

    @rule(key_range=_ranges)
    def delete_range(self, key_range: KeyRange) -> None:
        doomed = [row for row in self.model if row in key_range]
        assert self.table.delete_range(key_range) == len(doomed)
        for row in doomed:
            del self.model[row]

    @precondition(lambda self: self.table.can_purge and self.purges_left > 0)
    @rule()
    def purge(self) -> None:
        self.purges_left -= 1
        self.table.purge()

    @rule(key_range=_ranges, families=_families)
    def scan(self, key_range: KeyRange, families: set[str] | None) -> None:
        expected = {}
        for row, cells in sorted(self.model.items()):
            chosen = {
                c: v for c, v in sorted(cells.items()) if families is None or c.split(b":")[0].decode() in families
            }
            if row in key_range and chosen:
                expected[row] = chosen
        found = contents(self.table, key_range, families)
        assert found == expected
        assert list(found) == list(expected)

    @rule(row=_rows)
    def get(self, row: bytes) -> None:
        assert self.table.get(row) == self.model.get(row, {})

    @invariant()
    def same(self) -> None:
        assert contents(self.table) == self.model
