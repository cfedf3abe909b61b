"""The proof that what was written without a log is in files: who waits for whom, and what stays refused."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from hbimg.errors import StoreError, StoreUnavailableError
from hbimg.rowkeys import KeyRange
from hbimg.store.rpc.locations import RegionPlace, ServerName
from hbimg.store.rpc.unlogged import UnloggedWrites

ONE = RegionPlace(b"t,,1.%032x." % 1, "t", KeyRange(b"", b"m"), ServerName("h", 1, 1), "OPEN", 10, 1)
TWO = replace(ONE, name=b"t,m,2.%032x." % 2, range=KeyRange(b"m", b""))


class Regions:
    """Stands for the calls to the servers: tells its regions, and what was flushed."""

    def __init__(self):
        self.now = [ONE, TWO]
        self.flushed = []
        self.on_flush = lambda: None

    def places(self, table):
        return self.now

    def flush_region(self, place):
        self.on_flush()
        self.flushed.append(place)


@pytest.fixture
def regions():
    return Regions()


@pytest.fixture
def unlogged(regions):
    return UnloggedWrites("t", regions)


def test_each_region_is_flushed_once(regions, unlogged):
    for place in (ONE, TWO, ONE, TWO):
        unlogged.record(place)
    unlogged.prove()
    assert sorted(regions.flushed, key=lambda place: place.name) == [ONE, TWO]
    unlogged.prove()
    assert len(regions.flushed) == 2


def test_a_thread_waits_for_the_proof_of_another_one(regions, unlogged):
    """Its writes may be among those that the other one is flushing."""
    flushing, go_on = threading.Event(), threading.Event()

    def wait():
        flushing.set()
        assert go_on.wait(10)

    regions.on_flush = wait
    unlogged.record(ONE)
    first = threading.Thread(target=unlogged.prove)
    first.start()
    assert flushing.wait(10)
    second = threading.Thread(target=unlogged.prove)
    second.start()
    second.join(0.2)
    assert second.is_alive()
    go_on.set()
    for thread in (first, second):
        thread.join(10)
        assert not thread.is_alive()
    assert regions.flushed == [ONE]


@pytest.mark.parametrize(
    "now",
    [
        [replace(ONE, opened_at_sequence=11), TWO],
        [replace(ONE, server=ServerName("h", 1, 2)), TWO],
        [replace(ONE, server=ServerName("other", 1, 1)), TWO],
        [replace(ONE, server=None), TWO],
        [TWO],
    ],
    ids=["opened anew", "server restarted", "moved", "on no server", "gone"],
)
def test_a_region_that_was_opened_anew_stays_refused(regions, unlogged, now):
    unlogged.record(ONE)
    unlogged.refuse_lost()
    regions.now = now
    for _ in range(2):
        with pytest.raises(StoreError, match=r"opened anew.*run the same command again"):
            unlogged.prove()
    # Written to again, as it is now: what was lost before stays lost.
    unlogged.record(now[0])
    for refused in (unlogged.prove, unlogged.refuse_lost):
        with pytest.raises(StoreError, match="opened anew"):
            refused()


def test_a_flush_that_failed_is_made_again_for_the_region_as_it_was(regions, unlogged):
    """Another thread may have written meanwhile, to the region as it is later."""

    def fail():
        unlogged.record(replace(ONE, opened_at_sequence=11))
        raise StoreUnavailableError("gone")

    unlogged.record(ONE)
    regions.on_flush = fail
    with pytest.raises(StoreUnavailableError):
        unlogged.prove()
    regions.on_flush = lambda: None
    unlogged.prove()
    assert regions.flushed == [ONE]
    regions.now = [replace(ONE, opened_at_sequence=11), TWO]
    unlogged.record(ONE)
    with pytest.raises(StoreError, match="opened anew"):
        unlogged.prove()
