"""A second writer of one volume waits for the first one, or is told who writes."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from hbimg.errors import KeyClashError, VolumeBusyError
from hbimg.model import VolumeKey
from hbimg.store import open_store
from hbimg.testing.volumes import nifti_content, smooth_voxels
from hbimg.volumes import VolumeTable, store_content

KEY = VolumeKey("made", "sub-1", "-", "T1w")
CONTENT = nifti_content(KEY, smooth_voxels((6, 5, 4)))
OTHER = nifti_content(KEY, smooth_voxels((6, 5, 4), seed=1))


@pytest.fixture
def volumes():
    with open_store("memory:") as store:
        yield VolumeTable.create(store, "t")


def test_who_does_not_wait_is_told_who_writes(volumes):
    volumes.claim(KEY)
    for wait_s in (0.0, 0.3):
        with pytest.raises(VolumeBusyError, match=f"made/sub-1/-/T1w is being written by process {os.getpid()} on "):
            store_content(volumes, CONTENT, wait_s=wait_s)


def test_a_writer_that_gives_up_makes_room(volumes):
    claim = volumes.claim(KEY)
    with ThreadPoolExecutor(1) as pool:
        second = pool.submit(store_content, volumes, CONTENT, wait_s=60)
        with pytest.raises(TimeoutError):
            second.result(0.3)
        claim.abandon()
        assert second.result(30) is not None


@pytest.mark.parametrize("first", [CONTENT, OTHER], ids=["the same", "another"])
def test_what_the_first_writer_stored_is_seen_by_the_second(volumes, first):
    record = store_content(volumes, first)
    header = volumes.header(KEY)
    volumes.remove(KEY)
    claim = volumes.claim(KEY)
    with ThreadPoolExecutor(1) as pool:
        second = pool.submit(store_content, volumes, CONTENT, wait_s=60)
        with pytest.raises(TimeoutError):
            second.result(0.3)
        claim.commit(record, header, None)
        if first is CONTENT:
            assert second.result(30) is None
        else:
            with pytest.raises(KeyClashError):
                second.result(30)
