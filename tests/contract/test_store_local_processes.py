"""The embedded store among several processes: readers, writers that wait, stop or die."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time

import local_processes as others
import pytest

from hbimg.errors import StoreBusyError, TableNotFoundError
from hbimg.rowkeys import KeyRange
from hbimg.store import TableSettings, open_store

spawn = multiprocessing.get_context("spawn")


@pytest.fixture
def start():
    """Start a function in a spawned process; what still runs at the end is ended."""
    processes = []

    def run(function, *arguments):
        process = spawn.Process(target=function, args=arguments)
        process.start()
        processes.append(process)
        return process

    yield run
    for process in processes:
        if process.is_alive():
            process.kill()
        process.join()


def test_many_readers_while_one_writes(url, start):
    outcome = spawn.Queue()
    readers = [start(others.read_until, url, 200, outcome) for _ in range(3)]
    writer = start(others.write_batches, url, 40)
    found = [outcome.get(timeout=60) for _ in readers]
    writer.join()
    assert writer.exitcode == 0
    assert [(rows, broken) for rows, _, broken in found] == [(200, [])] * 3
    assert all(scans > 0 for _, scans, _ in found)


def test_a_second_writer_waits_and_is_told(url, start):
    ready = spawn.Event()
    with open_store(f"{url}?wait_s=0.3") as store:
        table = store.table("t")
        holder = start(others.stop_within_a_write, url, ready)
        assert ready.wait(60)
        for write in (
            lambda: table.put(b"row", {b"m:q": b"v"}),
            lambda: table.check_and_put(b"row", b"m:q", None, {b"m:q": b"v"}),
            lambda: table.delete_many([b"row"]),
            table.purge,
        ):
            with pytest.raises(StoreBusyError, match=f"process {holder.pid} on .* 0.3 s"):
                write()
        assert list(table.scan(KeyRange())) == []  # readers go on
        with pytest.raises(StoreBusyError, match="in use"):
            store.drop_table("t")
        os.kill(holder.pid, signal.SIGKILL)
        holder.join()
        table = store.table("t")
        table.put(b"row", {b"m:q": b"v"})
        assert [row.key for row in table.scan(KeyRange())] == [b"row"]  # and nothing of the half write


def test_a_second_writer_waits_until_the_first_is_done(url, start):
    ready = spawn.Event()
    holder = start(others.stop_within_a_write, url, ready)
    assert ready.wait(60)
    second = start(others.write_batches, url, 1)
    second.join(1.0)
    assert second.is_alive()
    os.kill(holder.pid, signal.SIGCONT)
    second.join(60)
    holder.join(60)
    assert (holder.exitcode, second.exitcode) == (0, 0)
    with open_store(url) as store:
        assert len(list(store.table("t").scan(KeyRange()))) == 6


def test_opening_behind_a_stopped_writer_is_told_too(url, start):
    ready = spawn.Event()
    holder = start(others.stop_within_a_write, url, ready)
    assert ready.wait(60)
    with open_store(f"{url}?wait_s=0.3") as store, pytest.raises(StoreBusyError, match=f"process {holder.pid} "):
        store.table("t")


@pytest.mark.parametrize("lives_s", [0.0, 0.05, 0.2])
def test_a_killed_writer_leaves_no_half_row(url, start, lives_s):
    started = spawn.Event()
    writer = start(others.write_batches, url, None, started)
    assert started.wait(60)
    time.sleep(lives_s)
    os.kill(writer.pid, signal.SIGKILL)
    writer.join()
    with open_store(f"{url}?wait_s=5") as store:
        table = store.table("t")
        rows = [row.key for row in table.scan(KeyRange())]
        assert rows
        assert others.broken_rows(table) == []
        assert len(rows) % 5 == 0  # here a batch is one transaction too
        table.put(b"after", {b"m:q": b"v"})
        table.purge()
        assert [row.key for row in table.scan(KeyRange())] == [*rows, b"after"]


def test_a_scan_elsewhere_goes_on_through_deletes_and_holds_off_a_purge(url, start):
    with open_store(f"{url}?wait_s=0.3") as store:
        table = store.table("t")
        table.put_many(others.rows_of_batch(0))
        rows = [row.key for row in table.scan(KeyRange())]
        ready, go_on, outcome = spawn.Event(), spawn.Event(), spawn.Queue()
        reader = start(others.scan_slowly, url, ready, go_on, outcome)
        assert ready.wait(60)
        table.delete_many(rows[1:3])
        with pytest.raises(StoreBusyError, match="in use"):
            table.purge()
        with pytest.raises(StoreBusyError, match="in use"):
            open_store(url).drop_table("t")
        go_on.set()
        assert outcome.get(timeout=60) == rows
        reader.join(60)
        table.purge()
        assert [row.key for row in table.scan(KeyRange())] == [rows[0], *rows[3:]]


def test_a_refused_purge_keeps_the_table_in_use(url, start):
    """A failed lock conversion loses the lock it had: another process could then drop the table under us."""
    with open_store(f"{url}?wait_s=0.1") as store:
        table = store.table("t")
        table.put_many(others.rows_of_batch(0))
        ready, go_on, outcome = spawn.Event(), spawn.Event(), spawn.Queue()
        reader = start(others.scan_slowly, url, ready, go_on, outcome)
        assert ready.wait(60)
        with pytest.raises(StoreBusyError):
            table.purge()
        go_on.set()
        reader.join(60)
        with open_store(url) as second, pytest.raises(StoreBusyError, match="in use"):
            second.drop_table("t")


def test_own_scans_hold_off_a_purge(url):
    with open_store(f"{url}?wait_s=0.1") as store:
        table = store.table("t")
        table.put_many(others.rows_of_batch(0))
        scan = table.scan(KeyRange())
        next(scan)
        with pytest.raises(StoreBusyError, match="scans"):
            table.purge()
        assert len(list(scan)) == 4
        table.purge()
        assert len(list(table.scan(KeyRange()))) == 5


def test_two_stores_of_a_process_share_an_environment(url):
    with open_store(url) as first, open_store(f"{url}?wait_s=0.1") as second:
        first.table("t").put(b"row", {b"m:q": b"v"})
        assert second.table("t").get(b"row") == {b"m:q": b"v"}
        with pytest.raises(StoreBusyError, match="in use"):
            second.table("t").purge()
        first.close()
        assert second.table("t").get(b"row") == {b"m:q": b"v"}
        second.table("t").purge()
        second.drop_table("t")
        with pytest.raises(TableNotFoundError):
            first.table("t")


def test_a_table_that_was_dropped_and_made_again_elsewhere(url):
    with open_store(url) as one:
        one.drop_table("t")
        with open_store(url) as two:
            two.create_table("t", TableSettings()).put(b"new", {b"m:q": b"v"})
        assert one.table("t").get(b"new") == {b"m:q": b"v"}


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_is_told_to_spawn(url):
    """Spawn is what hbimg uses, but a user's own multiprocessing may fork with a table open."""
    fork = multiprocessing.get_context("fork")
    with open_store(url) as store:
        table = store.table("t")
        table.put_many(others.rows_of_batch(0))
        said = fork.Queue()
        child = fork.Process(target=others.use_inherited, args=(url, table, said))
        child.start()
        assert [said.get(timeout=60) for _ in range(3)] == ["told to spawn"] * 3
        child.join(60)
        table.put(b"after", {b"m:q": b"v"})
        assert len(list(table.scan(KeyRange()))) == 6
