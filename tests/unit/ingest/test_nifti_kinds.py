"""NIfTI that is more than grey planes: colour, complex, vectors and warps, CIFTI, 128-bit floats, bgzip."""

from __future__ import annotations

import csv
import gzip
import io
import struct
import zlib

import nibabel
import numpy as np
import pytest
from PIL import Image

RGB = np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")])
RGBA = np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1"), ("A", "u1")])
SHAPE = (6, 5, 4)


def _random(shape, seed=1):
    return np.random.default_rng(seed).normal(100, 30, shape)


def _colour(dtype):
    samples = np.random.default_rng(2).integers(0, 256, (*SHAPE, len(dtype)), dtype=np.uint8)
    return samples, samples.view(dtype).reshape(SHAPE)


def _luma(samples):
    return samples[..., :3].astype(float) @ [0.299, 0.587, 0.114]


def _kinds():
    """Name to (array as NIfTI holds it, header fields, the values that statistics are of, words of `show`)."""
    rgb, rgb_array = _colour(RGB)
    rgba, rgba_array = _colour(RGBA)
    waves = (_random(SHAPE) + 1j * _random(SHAPE, 3)).astype("<c8")
    scaled = waves.astype("<c16")
    warp = _random((*SHAPE, 1, 3)).astype("<f4")
    return {
        "rgb": (rgb_array, {}, _luma(rgb), "3 samples of colour"),
        "rgba": (rgba_array, {}, _luma(rgba), "4 samples of colour"),
        "complex": (waves, {}, np.abs(waves.astype(complex)), "<c8"),
        "scaledcomplex": (scaled, {"scl_slope": 2, "scl_inter": 1}, np.abs(scaled * 2 + 1), "<c16"),
        "double": (_random(SHAPE), {"scl_slope": 0.5, "scl_inter": -3}, _random(SHAPE) * 0.5 - 3, "<f8"),
        "warp": (warp, {"intent_code": 1006}, warp.astype(float), "intent displacement vector"),
        "vector": (warp, {"intent_code": 1007}, warp.astype(float), "intent vector"),
        "tstatistic": (_random(SHAPE).astype("<f4"), {"intent_code": 3}, None, "intent t test"),
    }


@pytest.mark.parametrize("kind", _kinds())
@pytest.mark.parametrize("packed", [False, True])
def test_every_kind_is_shown_counted_compressed_and_given_back(hbimg, tmp_path, nifti, kind, packed):
    array, fields, values, words = _kinds()[kind]
    data = b"".join(nifti(array, **fields))
    name, original = (f"{kind}.nii.gz", gzip.compress(data)) if packed else (f"{kind}.nii", data)
    (tmp_path / name).write_bytes(original)
    hbimg("ingest", tmp_path / name, "--table", "t", "--strict")
    key = f"t/-/-/{kind}"
    assert words in hbimg("show", key, "--table", "t", "--png", tmp_path / "x.png").out
    with Image.open(tmp_path / "x.png") as picture:
        assert picture.width > 300
    if values is not None:
        hbimg("run", "stats", "--table", "t", "-w", "1")
        (row,) = csv.DictReader(io.StringIO(hbimg("run", "stats", "--table", "t", "-w", "1").out))
        assert int(row["voxels"]) == values.size
        assert float(row["mean"]) == pytest.approx(values.mean())
        assert float(row["maximum"]) == pytest.approx(values.max())
        assert float(row["variance"]) == pytest.approx(values.var(), rel=1e-6)
    hbimg("run", "compress", "--table", "t", "-w", "1")
    hbimg("export", "--table", "t", "--result", "compress", "--to", tmp_path / "out")
    assert gzip.decompress((tmp_path / f"out/t/-/-/{kind}/{kind}.nii.gz").read_bytes()) == data
    assert hbimg.exported() == {name: original}


def _cifti(rows: int) -> bytes:
    scalars = nibabel.cifti2.ScalarAxis([f"map{n}" for n in range(rows)])
    mask = np.ones((3, 3, 2), bool)
    brain = nibabel.cifti2.BrainModelAxis.from_mask(mask, affine=np.eye(4), name="thalamus_left")
    data = np.arange(rows * 18, dtype="f4").reshape(rows, 18)
    image = nibabel.Cifti2Image(data, header=(scalars, brain))
    image.nifti_header.set_intent("ConnDenseScalar")
    return image.to_bytes()


@pytest.mark.parametrize("packed", [False, True])
def test_cifti_is_kept_whole_as_no_image_of_planes(hbimg, tmp_path, packed):
    data = _cifti(3)
    name, original = ("sub-01.dscalar.nii.gz", gzip.compress(data)) if packed else ("sub-01.dscalar.nii", data)
    (tmp_path / name).write_bytes(original)
    said = hbimg("ingest", tmp_path / name, "--table", "t")
    assert "CIFTI-2 (ConnDenseScalar)" in said.line_with("set aside:")
    shown = hbimg("show", "t/-/-/sub-01.dscalar", "--table", "t", "--json").json
    assert (shown["record"]["kind"], shown["record"]["format"], shown["record"]["frames"]) == ("series", "cifti2", 0)
    assert shown["header"]["dim"][5:7] == [3, 18]
    assert shown["header"]["intent_code"] == 3006
    picture = hbimg("show", "t/-/-/sub-01.dscalar", "--table", "t", "--png", tmp_path / "x.png", code=1)
    assert "is no volume" in picture.err
    assert "CIFTI-2" in picture.err
    assert hbimg.exported() == {name: original}
    hbimg.assert_sound()


def test_a_cut_cifti_file_is_refused(hbimg, tmp_path):
    (tmp_path / "x.dscalar.nii").write_bytes(_cifti(3)[:-1])
    assert "promises" in hbimg("ingest", tmp_path / "x.dscalar.nii", "--table", "t", code=1).err


def test_128_bit_floats_are_kept_whole_where_numpy_has_none(hbimg, tmp_path, nifti):
    """Two float64 stand for one quadruple: what the bytes mean does not matter to what is tested."""
    data = b"".join(nifti(np.zeros((6, 5, 8)), datatype=1536, bitpix=128, dim=[3, 6, 5, 4, 1, 1, 1, 1]))
    (tmp_path / "x.nii").write_bytes(data)
    said = hbimg("ingest", tmp_path / "x.nii", "--table", "t", "--json").json
    has_quadruple = np.finfo(np.longdouble).nmant == 112
    assert said["items"][0]["outcome"] == ("stored" if has_quadruple else "set aside")
    assert has_quadruple or "128-bit floats" in said["items"][0]["reason"]
    assert hbimg.exported() == {"x.nii": data}


def _bgzip(data: bytes) -> bytes:
    """Give blocks as samtools' bgzip writes them: each a member that tells its size, an empty one last."""
    blocks = []
    for piece in [*(data[i : i + 0xFF00] for i in range(0, len(data), 0xFF00)), b""]:
        packer = zlib.compressobj(6, zlib.DEFLATED, -15)
        packed = packer.compress(piece) + packer.flush()
        head = b"\x1f\x8b\x08\4\0\0\0\0\0\xff" + struct.pack("<H2sHH", 6, b"BC", 2, len(packed) + 25)
        blocks.append(head + packed + struct.pack("<II", zlib.crc32(piece), len(piece)))
    return b"".join(blocks)


@pytest.mark.parametrize("mode", ["keep", "reproduce"])
def test_bgzip_comes_back_as_the_same_stream(hbimg, tmp_path, nifti, mode):
    data = b"".join(nifti(_random((60, 50, 40)).astype("<i2")))
    packed = _bgzip(data)
    assert gzip.decompress(packed) == data
    (tmp_path / "x.nii.gz").write_bytes(packed)
    hbimg("ingest", tmp_path / "x.nii.gz", "--table", "t", "--gzip-stream", mode)
    assert hbimg.exported() == {"x.nii.gz": packed}
    hbimg("run", "compress", "--table", "t", "-w", "1")
    hbimg("export", "--table", "t", "--result", "compress", "--to", tmp_path / "out")
    assert gzip.decompress((tmp_path / "out/t/-/-/x/x.nii.gz").read_bytes()) == data
