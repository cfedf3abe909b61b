"""The proof that what was written without a log is in files: who waits for whom, and what stays refused."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from hbimg.errors import StoreError, StoreUnavailableError
from hbimg.rowkeys import KeyRange
from hbimg.store.rpc.locations import RegionPlace, ServerName
from hbimg.store.rpc.unlogged import UnloggedWrites

HERE, THERE = ServerName("here", 1, 1), ServerName("there", 1, 1)
ONE = RegionPlace(b"t,,1.%032x." % 1, "t", KeyRange(b"", b"m"), HERE, "OPEN", 10, 1)
TWO = replace(ONE, name=b"t,m,2.%032x." % 2, range=KeyRange(b"m", b""))


class Regions:
    """Stands for the calls to the servers: tells who lives, and what was flushed."""

    def __init__(self):
        self.live = {HERE, THERE}
        self.flushed = []
        self.on_flush = lambda: None

    def live_servers(self):
        return self.live

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
    for place in (ONE, TWO, ONE, TWO, replace(TWO, server=THERE)):
        unlogged.record(place)
    unlogged.prove()
    assert sorted(place.name for place in regions.flushed) == [ONE.name, TWO.name]
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


@pytest.mark.parametrize("live", [{THERE}, {THERE, HERE._replace(start_code=2)}], ids=["ended", "started again"])
def test_a_server_that_ended_stays_refused(regions, unlogged, live):
    """Though its region is elsewhere by now, and was written to there."""
    unlogged.record(ONE)
    unlogged.record(replace(ONE, server=THERE))
    unlogged.refuse_lost()
    regions.live = live
    for _ in range(2):
        with pytest.raises(StoreError, match=r"here,1,1 ended.*run the same command again"):
            unlogged.prove()
    regions.live = {HERE, THERE}
    for refused in (unlogged.prove, unlogged.refuse_lost):
        with pytest.raises(StoreError, match="ended"):
            refused()


def test_a_flush_that_failed_is_made_again_with_all_servers_remembered(regions, unlogged):
    """Another thread may have written to the region meanwhile, at another server."""

    def fail():
        unlogged.record(replace(ONE, server=THERE))
        raise StoreUnavailableError("gone")

    unlogged.record(ONE)
    regions.on_flush = fail
    with pytest.raises(StoreUnavailableError):
        unlogged.prove()
    regions.on_flush = lambda: None
    regions.live = {THERE}
    with pytest.raises(StoreError, match="here,1,1 ended"):
        unlogged.prove()
