"""What other processes do to an embedded store in the tests; run as spawned processes."""

from __future__ import annotations

import os
import resource
import signal
import time
from pathlib import Path

import lmdb

from hbimg.errors import HbimgError, StoreError
from hbimg.rowkeys import KeyRange
from hbimg.store import Put, TableSettings, open_store
from hbimg.store import local as _loaded_while_the_user_can_read_it  # noqa: F401

COLUMNS = (b"m:q", b"h:q", b"i:q", b"r:q")


def rows_of_batch(batch, rows=5):
    """A batch whose every row has the same value in all families."""
    value = str(batch).encode() * 300
    return [Put(b"%06d" % (rows * batch + row), dict.fromkeys(COLUMNS, value)) for row in range(rows)]


def broken_rows(table):
    """Rows that are not whole."""
    return [
        row.key
        for row in table.scan(KeyRange())
        if len({bytes(v) for v in row.cells.values()}) != 1 or len(row.cells) != 4
    ]


def write_batches(url, batches, started=None):
    """Write batches one after the other; for ever with None."""
    with open_store(url) as store:
        table = store.table("t")
        batch = 0
        while batches is None or batch < batches:
            table.put_many(rows_of_batch(batch))
            if started is not None:
                started.set()
            batch += 1


def read_until(url, count, outcome):
    """Scan until all rows are there; put ``(rows, scans, broken)`` into a queue."""
    broken, scans, found = [], 0, 0
    with open_store(url) as store:
        table = store.table("t")
        end = time.monotonic() + 60
        while found < count and time.monotonic() < end:
            broken += broken_rows(table)
            found = sum(1 for _ in table.scan(KeyRange(), ["m"]))
            scans += 1
    outcome.put((found, scans, broken))


def stop_within_a_write(url, ready):
    """Take the writers' lock, say so and stop, as a paused process does."""
    with open_store(url) as store:
        table = store.table("t")
        with table._writing() as txn:
            table._put(txn, b"half", {b"m:q": b"x"})
            ready.set()
            os.kill(os.getpid(), signal.SIGSTOP)


def scan_slowly(url, ready, go_on, outcome):
    """Begin a scan, wait, and finish it."""
    with open_store(url) as store:
        scan = store.table("t").scan(KeyRange())
        first = next(scan).key
        ready.set()
        go_on.wait(60)
        outcome.put([first, *(row.key for row in scan)])


def use_inherited(url, table, said):
    """Use a table of the parent's after a fork, in three ways."""
    for use in (
        lambda: table.get(b"000000"),
        lambda: table.put(b"row", {b"m:q": b"v"}),
        lambda: open_store(url).table("t"),
    ):
        try:
            said.put(f"worked: {use()}")
        except StoreError as error:
            said.put("told to spawn" if "spawn" in str(error) else str(error))


def as_user(user_id, url, outcome):
    """Drop root, use the store as somebody else, and tell what happened to each attempt."""
    os.setgroups([])
    os.setgid(user_id)
    os.setuid(user_id)
    with open_store(url) as store:
        table = store.table("t")
        told = {
            "tables": store.tables(),
            "rows": [row.key for row in table.scan(KeyRange())],
            "get": table.get(b"000000"),
        }
        for name, attempt in {
            "put": lambda: table.put(b"row", {b"m:q": b"v"}),
            "check_and_put": lambda: table.check_and_put(b"row", b"m:q", None, {b"m:q": b"v"}),
            "delete": lambda: table.delete_many([b"000000"]),
            "purge": table.purge,
            "create": lambda: store.create_table("new", TableSettings()),
            "drop": lambda: store.drop_table("t"),
        }.items():
            try:
                told[name] = attempt()
            except HbimgError as error:
                told[name] = f"{type(error).__name__}: {error}"
    outcome.put(told)


def scan_slowly_as_user(user_id, url, *events):
    """Drop root, then `scan_slowly`."""
    os.setgroups([])
    os.setgid(user_id)
    os.setuid(user_id)
    scan_slowly(url, *events)


def fill_within_limit(url, address_space_bytes, outcome):
    """Open, write and read a table with little address space."""
    resource.setrlimit(resource.RLIMIT_AS, (address_space_bytes, address_space_bytes))
    try:
        with open_store(url) as store:
            table = store.table("t")
            table.put_many(rows_of_batch(0))
            outcome.put([row.key for row in table.scan(KeyRange())])
    except HbimgError as error:
        outcome.put(f"{type(error).__name__}: {error}")


def read_all(url, outcome):
    """Read every cell of the table; tell how it ended."""
    try:
        with open_store(url) as store:
            outcome.put(sum(len(bytes(v)) for row in store.table("t").scan(KeyRange()) for v in row.cells.values()))
    except HbimgError as error:
        outcome.put(f"{type(error).__name__}: {error}")


def leave_short(folder):
    """Write with plain LMDB as it is apt to leave its file too short; give the length that it counts."""
    with lmdb.open(folder, max_dbs=16, map_size=1 << 30) as plain:
        database = plain.open_db(b"i")
        with plain.begin(write=True) as txn:
            for number in range(50):
                txn.put(b"%06d\0q" % number, b"x" * 5000, db=database)
            for number in range(50):
                txn.delete(b"%06d\0q" % number, db=database)
        length = (plain.info()["last_pgno"] + 1) * plain.stat()["psize"]
    assert (Path(folder) / "data.mdb").stat().st_size < length
    return length


def tell_left_short(folder, outcome):
    outcome.put(leave_short(folder))
