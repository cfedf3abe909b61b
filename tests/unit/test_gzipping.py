"""Gzip levels: what is written opens anywhere, is the same every time, and says no time."""

from __future__ import annotations

import gzip

import pytest

from hbimg.errors import ParameterError
from hbimg.mapreduce.jobs.gzipping import LEVELS, GzipLevel
from hbimg.testing.volumes import nifti_bytes_of, smooth_voxels

DATA = nifti_bytes_of(smooth_voxels((64, 64, 8)))
ALL = [f"{name}-{level}" for name, levels in LEVELS.items() for level in levels]


CASES = [(text, data) for text in ALL for data in (DATA, b"", b"x")]
CASES += [(f"{name}-1", DATA * 33) for name in LEVELS]  # several of the blocks in which input is fed


@pytest.mark.parametrize(("text", "data"), CASES, ids=[f"{text}, {len(data)} bytes" for text, data in CASES])
def test_every_level_round_trips_and_is_repeatable(text, data):
    level = GzipLevel.parse(text)
    packed = b"".join(level.compress(data))
    assert gzip.decompress(packed) == data
    assert packed[4:8] == b"\0\0\0\0"  # no time of modification
    assert not packed[3] & 8  # no file name
    assert b"".join(level.compress(memoryview(bytearray(data)))) == packed


@pytest.mark.parametrize(
    "text", ["", "6", "gzip", "gzip-0", "gzip-10", "igzip-4", "libdeflate-13", "igzip--1", "zip-1"]
)
def test_what_is_no_level_is_refused_with_the_choices(text):
    with pytest.raises(ParameterError, match="igzip-0 to igzip-3, gzip-1 to gzip-9, libdeflate-1 to libdeflate-12"):
        GzipLevel.parse(text)


@pytest.mark.parametrize("size", [1, 1000, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 3 << 20])
@pytest.mark.parametrize("name", LEVELS)
def test_how_the_input_is_cut_makes_no_difference(name, size):
    data = DATA * (80 if size > 1 else 1)
    level = GzipLevel.parse(f"{name}-1")
    pieces = [data[start : start + size] for start in range(0, len(data), size)]
    assert b"".join(level.compress_pieces(pieces)) == b"".join(level.compress(data))
