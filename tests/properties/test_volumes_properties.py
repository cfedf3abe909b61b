"""Any files, cut into any frames, packed or not, come back byte for byte from any store, in any size of batches."""

from __future__ import annotations

import gzip
import secrets

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hbimg.model import VolumeKey
from hbimg.store import open_store
from hbimg.testing.volumes import MemorySource
from hbimg.volumes import FrameRun, SourceFile, VolumeContent, VolumeReader, VolumeTable, store_content
from hbimg.volumes import writer as writer_module
from hbimg.volumes.verify import orphans, verify_volumes

KEY = VolumeKey("p", "s", "-", "x")


@st.composite
def _files(draw: st.DrawFn) -> tuple[bytes, tuple[FrameRun, ...], dict[str, object] | None]:
    """Give a file's unpacked bytes, frames in it, and how it is packed."""
    runs, position = [], 0
    for _ in range(draw(st.integers(0, 3))):
        offset = position + draw(st.integers(0, 50))
        length, count = draw(st.integers(0, 70)), draw(st.integers(1, 4))
        stride = length + draw(st.integers(0, 30))
        runs.append(FrameRun(offset, length, count, stride))
        position = offset + (count - 1) * stride + length
    size = position + draw(st.integers(0, 200))
    data = draw(st.binary(min_size=size, max_size=size))
    packing = draw(st.sampled_from([None, {"kind": "gzip", "kept": True}]))
    return data, tuple(runs), packing


def _source(number: int, data: bytes, runs: tuple[FrameRun, ...], packing: dict[str, object] | None) -> SourceFile:
    packed = gzip.compress(data, mtime=0) if packing else data
    return SourceFile(f"f{number}", MemorySource(packed, data), len(packed), "", runs, packing)


@pytest.fixture(scope="module", params=["memory:", "local:"])
def store(request, tmp_path_factory):
    url = "memory:" if request.param == "memory:" else f"local://{tmp_path_factory.mktemp('store')}"
    with open_store(url) as opened:
        yield opened


@pytest.fixture(scope="module")
def volumes(store):
    return VolumeTable.create(store, f"t{secrets.token_hex(4)}")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=40)
@given(files=st.lists(_files(), max_size=4), chunk=st.sampled_from([1, 7, 64, 1 << 20]), parts=st.integers(1, 3))
def test_any_files_come_back(volumes, monkeypatch, files, chunk, parts):
    monkeypatch.setattr(writer_module, "CHUNK_BYTES", chunk)
    monkeypatch.setattr("hbimg.store.cells.CHUNK_BYTES", chunk)
    monkeypatch.setattr(writer_module, "CHUNKS_PER_PART", parts)
    sources = tuple(_source(number, *file) for number, file in enumerate(files))
    content = VolumeContent(KEY, "volume", "made", sources)
    record = store_content(volumes, content, replace=True)
    if record is None:  # the same files as in the example before, but perhaps cut otherwise
        volumes.remove(KEY)
        record = store_content(volumes, content)
    assert record is not None
    reader = VolumeReader(volumes, record)
    assert [b"".join(pieces) for _, pieces in reader.unpacked()] == [data for data, _, _ in files]
    originals = [(stored.name, b"".join(pieces)) for stored, pieces in reader.originals()]
    assert originals == [(source.name, source.source.packed) for source in sources]
    frames = [
        data[run.offset + n * run.stride : run.offset + n * run.stride + run.length]
        for data, runs, _ in files
        for run in runs
        for n in range(run.count)
    ]
    assert [bytes(frame) for frame in reader.frames()] == frames
    assert reader.frame_bytes().tobytes() == b"".join(frames)
    assert [stored.frames for stored in reader.files()] == [sum(run.count for run in runs) for _, runs, _ in files]
    assert [item.faults for item in verify_volumes(volumes)] == [()]
    assert list(orphans(volumes)) == []
