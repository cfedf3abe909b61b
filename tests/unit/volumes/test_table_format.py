"""A table that another hbimg made is told in one line, whatever stands in its settings."""

from __future__ import annotations

import json

import pytest

from hbimg.errors import TableFormatError
from hbimg.rowkeys import settings_row
from hbimg.store.cells import seal_all, unseal
from hbimg.store.memory import MemoryStore
from hbimg.volumes import VolumeTable


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"version": 0}, "-0, this hbimg reads"),
        ({"version": 99, "written_by": "hbimg 9"}, r"\(hbimg 9\)"),
        ({"scheme": "other"}, "scheme other-1"),
        ({"scheme": None, "version": None, "written_by": None}, "scheme unknown-unknown"),
    ],
)
def test_another_format_is_one_line(changed, said):
    store = MemoryStore()
    table = VolumeTable.create(store, "t").table
    row = settings_row()
    ((column, cell),) = table.get(row).items()
    settings = {**json.loads(bytes(unseal(row, column, cell))), **changed}
    settings = {name: value for name, value in settings.items() if value is not None}
    table.put(row, seal_all(row, {column: json.dumps(settings).encode()}))
    with pytest.raises(TableFormatError, match=said) as caught:
        VolumeTable.open(store, "t")
    assert "\n" not in str(caught.value)
