"""Looking at the tables of a cluster while others delete some."""

from __future__ import annotations

import sys
from contextlib import contextmanager

from hbimg.doctor.cluster import Cluster
from hbimg.doctor.examine import with_tables
from hbimg.errors import TableNotFoundError
from hbimg.store.hbase_address import HBaseAddress

LISTED = [f"t{number}" for number in range(40)]
DELETED = {"t3", "t30"}


class Store:
    """All tables are there when they are listed first, and none can be opened."""

    def __init__(self):
        self.was_listed = False

    def tables(self):
        if self.was_listed:
            return [name for name in LISTED if name not in DELETED]
        self.was_listed = True
        return LISTED

    def attributes(self, name):
        raise TableNotFoundError(f"no region of {name} is known")


def test_a_table_that_was_deleted_is_no_finding_one_that_is_damaged_is(monkeypatch):
    addresses = []

    @contextmanager
    def opened(address):
        addresses.append(address)
        yield Store()

    monkeypatch.setattr(sys.modules[with_tables.__module__], "open_address", opened)
    address = HBaseAddress.parse("hbase://head?wait_s=100&timeout_s=50")
    cluster = with_tables(Cluster(address), timeout_s=3)
    assert [table.name for table in cluster.tables] == [name for name in LISTED if name not in DELETED]
    assert cluster.tables[0].trouble == "no region of t0 is known"
    assert (addresses[0].wait_s, addresses[0].timeout_s) == (10, 3)
