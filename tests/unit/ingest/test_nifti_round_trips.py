"""Every kind of NIfTI file comes in, is described rightly, and goes out byte for byte."""

from __future__ import annotations

import gzip
import io
import json
import struct
import zlib

import nibabel
import numpy as np
import pytest
from isal import igzip

from hbimg.ingest.nifti import nifti_candidate
from hbimg.store import CHUNK_BYTES, open_store
from hbimg.volumes import VolumeReader, VolumeTable
from hbimg.volumes.voxels import voxels
from hbimg.volumes.writer import CHUNKS_PER_PART

DTYPES = ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8", "c8", "c16"]
RGB = np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")])
RGBA = np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1"), ("A", "u1")])


def _array(shape, dtype, seed=0):
    dtype = np.dtype(dtype)
    raw = np.random.default_rng(seed).integers(0, 100, (*shape, dtype.itemsize), dtype=np.uint8)
    return raw.view(dtype).reshape(shape) if dtype.names else (raw[..., 0].astype(dtype))


def _records(hbimg):
    with open_store(hbimg.store) as store:
        volumes = VolumeTable.open(store, "t")
        for record in volumes.records():
            yield record, volumes.header(record.key), voxels(VolumeReader(volumes, record))


def _check(hbimg, folder, files):
    """Ingest files, compare what is stored with nibabel's reading, and what comes out with what went in."""
    folder.mkdir()
    for name, data in files.items():
        (folder / name).write_bytes(data)
    hbimg("ingest", folder, "--table", "t", "--strict")
    found = {record.key.scan: (record, header, stored) for record, header, stored in _records(hbimg)}
    for path in sorted(folder.iterdir()):
        if path.suffix == ".img" or path.name.endswith(".img.gz"):
            continue
        image = nibabel.load(path)
        record, header, stored = found.pop(path.name.split(".")[0])
        expected = np.asanyarray(image.dataobj.get_unscaled())
        if expected.dtype.names:
            expected = np.stack([expected[name] for name in expected.dtype.names], axis=-1)
        expected = expected.reshape(stored.shape)
        assert stored.dtype == expected.dtype
        assert stored.tobytes() == expected.tobytes()
        assert np.array_equal(record.geometry.affine, image.affine)
        slope, inter = image.dataobj.slope, image.dataobj.inter
        assert (record.geometry.slope, record.geometry.intercept) == (slope, inter)
        assert json.loads(json.dumps(header, allow_nan=False)) == header
        assert header["dim"] == image.header["dim"].tolist()
    assert found == {}
    assert hbimg.exported() == files
    hbimg.assert_sound()


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("endian", "<>")
def test_all_data_types(hbimg, tmp_path, nifti, version, endian):
    files = {
        f"x{dtype}.nii": b"".join(nifti(_array((5, 4, 3), dtype), version=version, endian=endian)) for dtype in DTYPES
    }
    files["rgb.nii"] = b"".join(nifti(_array((5, 4, 3), RGB), version=version, endian=endian))
    files["rgba.nii"] = b"".join(nifti(_array((5, 4, 3), RGBA), version=version, endian=endian))
    _check(hbimg, tmp_path / "in", files)


def test_one_to_seven_dimensions(hbimg, tmp_path, nifti):
    shape = (5, 4, 3, 2, 3, 2, 2)
    files = {f"d{n}.nii": b"".join(nifti(_array(shape[:n], "<i2"))) for n in range(1, 8)}
    _check(hbimg, tmp_path / "in", files)
    axes = {record.key.scan: (record.geometry.shape, record.geometry.axes) for record, _, _ in _records(hbimg)}
    assert axes["d1"] == ((5, 1, 1), ("i", "j", "k"))
    assert axes["d7"] == (shape, ("i", "j", "k", "t", "d5", "d6", "d7"))


def test_scaled_extended_trailing_and_odd_fields(hbimg, tmp_path, nifti):
    array = _array((5, 4, 3), "<i2")
    comment = struct.pack("<ii", 32, 6) + b"a comment".ljust(24, b"\0")
    files = {
        "scaled.nii": b"".join(nifti(array, scl_slope=0.5, scl_inter=-7)),
        "extended.nii": b"".join(nifti(array, extension=comment)),
        "trailing.nii": b"".join(nifti(array, trailing=b"left behind by some tool")),
        "far.nii": b"".join(nifti(array, extension=struct.pack("<ii", 3664, 6) + b"\0" * 3656)),
        "latin.nii": b"".join(nifti(array, descrip="Gr\xf6\xdfe".encode("latin-1"))),
    }
    _check(hbimg, tmp_path / "in", files)


def test_numbers_that_are_none_become_null_in_the_header(hbimg, tmp_path, nifti):
    (tmp_path / "x.nii").write_bytes(b"".join(nifti(_array((5, 4, 3), "<i2"), scl_slope=np.nan, cal_max=np.inf)))
    hbimg("ingest", tmp_path / "x.nii", "--table", "t")
    ((record, header, _),) = _records(hbimg)
    assert (header["scl_slope"], header["cal_max"]) == (None, None)
    assert (record.geometry.slope, record.geometry.intercept) == (1.0, 0.0)
    assert hbimg("show", record.key, "--table", "t", "--json").json


def test_time_step(tmp_path, nifti):
    for units, step, expected in ((8, 2.5, 2.5), (16, 800, 0.8), (24, 5e5, 0.5), (0, 2, None), (8, 0, None)):
        pixdim = [1, 1, 1, 1, step, 1, 1, 1]
        path = tmp_path / "x.nii"
        path.write_bytes(b"".join(nifti(_array((3, 3, 3, 4), "<i2"), xyzt_units=units | 2, pixdim=pixdim)))
        assert nifti_candidate(path).geometry.time_step_s == pytest.approx(expected)


@pytest.mark.parametrize("version", [1, 2])
def test_pairs(hbimg, tmp_path, nifti, version):
    files = {}
    for name, pack in (("plain", bytes), ("packed", lambda data: gzip.compress(data, mtime=0))):
        head, voxels_ = nifti(_array((5, 4, 3), "<i2", seed=len(name)), version=version, pair=True, trailing=b"more")
        suffix = ".gz" if name == "packed" else ""
        files[f"{name}.hdr{suffix}"] = pack(head)
        files[f"{name}.img{suffix}"] = pack(voxels_)
    folder = tmp_path / "in"
    folder.mkdir()
    for name, data in files.items():
        (folder / name).write_bytes(data)
    said = hbimg("ingest", folder, "--table", "t", "--strict", "--json").json
    assert {outcome: item["count"] for outcome, item in said["summary"].items()} == {"stored": 2}
    assert hbimg.exported() == files
    hbimg.assert_sound()


def test_pairs_that_differ_in_case_keep_their_own_voxels(hbimg, tmp_path, nifti):
    files = {}
    for seed, name in enumerate(("a", "A")):
        files[f"{name}.hdr"], files[f"{name}.img"] = nifti(_array((5, 4, 3), "<i2", seed), pair=True)
    folder = tmp_path / "in"
    folder.mkdir()
    for name, data in files.items():
        (folder / name).write_bytes(data)
    hbimg("ingest", folder, "--table", "t")
    stored = {record.key.scan: array.tobytes(order="F") for record, _, array in _records(hbimg)}
    assert stored == {"a": files["a.img"], "A": files["A.img"]}
    (folder / "B.HDR").write_bytes(files["a.hdr"])
    (folder / "B.IMG").write_bytes(files["a.img"])
    assert nifti_candidate(folder / "B.HDR").files[1].path.name == "B.IMG"


def _member(data, level=6, **parts):
    """Give a gzip member with any of extra, name, comment, header checksum."""
    flags = 4 * ("extra" in parts) | 8 * ("name" in parts) | 16 * ("comment" in parts) | 2 * ("crc" in parts)
    head = b"\x1f\x8b\x08" + bytes([flags]) + b"\1\2\3\4\0\xff"
    if "extra" in parts:
        head += struct.pack("<H", len(parts["extra"])) + parts["extra"]
    head += parts.get("name", b"") + parts.get("comment", b"")
    if "crc" in parts:
        head += struct.pack("<H", zlib.crc32(head) & 0xFFFF)
    packer = zlib.compressobj(level, zlib.DEFLATED, -15)
    return head + packer.compress(data) + packer.flush() + struct.pack("<II", zlib.crc32(data), len(data))


def _python_gzip(data):
    out = io.BytesIO()
    with gzip.GzipFile("some name.nii", "wb", 9, out, mtime=12345) as stream:
        stream.write(data)
    return out.getvalue()


def _pigz_like(data):
    """Blocks that are flushed one by one, as pigz's threads leave them."""
    packer = zlib.compressobj(6, zlib.DEFLATED, 31)
    pieces = [packer.compress(data[i : i + 1000]) + packer.flush(zlib.Z_SYNC_FLUSH) for i in range(0, len(data), 1000)]
    return b"".join(pieces) + packer.flush()


@pytest.mark.parametrize("mode", ["keep", "reproduce"])
def test_gzip_streams_come_back_as_they_were(hbimg, tmp_path, nifti, mode):
    data = b"".join(nifti(_array((40, 30, 20), "<i2"), trailing=b"end"))
    packs = {f"level{level}": gzip.compress(data, level, mtime=0) for level in (1, 6, 9)}
    packs |= {f"igzip{level}": igzip.compress(data, level) for level in (0, 3)}
    packs["python"] = _python_gzip(data)
    packs["pigz"] = _pigz_like(data)
    packs["extra"] = _member(data, extra=b"x" * 500)
    packs["longextra"] = _member(data, extra=b"x" * 65535, name=b"n" * 5000 + b"\0", comment=b"c" * 3000 + b"\0")
    packs["everything"] = _member(data, extra=b"BC\2\0\1\2", name=b"name\0", comment=b"comment\0", crc=True)
    packs["members"] = b"".join(gzip.compress(data[i : i + 20000], mtime=0) for i in range(0, len(data), 20000))
    packs["tinymembers"] = b"".join(
        gzip.compress(part, mtime=0) for part in (b"", data[:100], data[100:400], data[400:])
    )
    packs["padded"] = gzip.compress(data, mtime=0) + b"\0" * 600
    files = {f"{name}.nii.gz": packed for name, packed in packs.items()}
    folder = tmp_path / "in"
    folder.mkdir()
    for name, packed in files.items():
        (folder / name).write_bytes(packed)
    hbimg("ingest", folder, "--table", "t", "--gzip-stream", mode)
    assert hbimg.exported() == files
    hbimg.assert_sound()
    with open_store(hbimg.store) as store:
        volumes = VolumeTable.open(store, "t")
        kept = set()
        for record in volumes.records():
            reader = VolumeReader(volumes, record)
            stored, pieces = next(reader.unpacked())
            assert b"".join(pieces) == data
            kept |= {record.key.scan} if stored.packing.get("kept") else set()
    # Where zlib can make the stream again it is not kept; several members, or another deflate, it cannot.
    reproduced = {"level1", "level6", "level9", "python", "extra", "longextra", "everything"}
    assert kept == (set(packs) - reproduced if mode == "reproduce" else set(packs))


def test_small_planes_are_gathered(hbimg, tmp_path, nifti):
    array = _array((4, 3, 50, 200), "<i2")
    (tmp_path / "x.nii").write_bytes(b"".join(nifti(array)))
    hbimg("ingest", tmp_path / "x.nii", "--table", "t")
    ((record, _, stored),) = _records(hbimg)
    assert record.frames == -(-10_000 // record.encoding.planes) < 10
    assert np.array_equal(stored, array)
    assert hbimg.exported() == {"x.nii": (tmp_path / "x.nii").read_bytes()}


def test_large_frames_and_many_literal_bytes(hbimg, tmp_path, nifti):
    """Frames above the chunk size, and more bytes beside them than one row of a file holds."""
    array = _array((1024, 1025, 3), "<i2")
    trailing = bytes(range(256)) * (CHUNKS_PER_PART * CHUNK_BYTES // 256) + b"and one row more"
    data = b"".join(nifti(array, trailing=trailing * 2))
    (tmp_path / "x.nii").write_bytes(data)
    hbimg("ingest", tmp_path / "x.nii", "--table", "t")
    ((record, _, stored),) = _records(hbimg)
    assert record.frames == 3
    assert np.array_equal(stored, array)
    assert hbimg.exported() == {"x.nii": data}
    hbimg.assert_sound()


@pytest.mark.parametrize("position", [CHUNKS_PER_PART * CHUNK_BYTES - 352, CHUNKS_PER_PART * CHUNK_BYTES - 351])
def test_literal_bytes_that_just_fill_a_row(hbimg, tmp_path, nifti, position):
    data = b"".join(nifti(_array((2, 2, 2), "<i2"), trailing=b"t" * position))
    (tmp_path / "x.nii").write_bytes(data)
    hbimg("ingest", tmp_path / "x.nii", "--table", "t")
    assert hbimg.exported() == {"x.nii": data}
    hbimg.assert_sound()
