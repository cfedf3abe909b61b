"""Pictures: single ones and packages come in by what they hold, are decoded, and go out byte for byte."""

from __future__ import annotations

import csv
import io
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from hbimg.ingest.pictures import candidates, examine, is_picture
from hbimg.store import open_store
from hbimg.volumes import VolumeReader, VolumeTable
from hbimg.volumes.pictures import decode_picture
from hbimg.volumes.voxels import voxels

FORMATS = {"jpg": "JPEG", "png": "PNG", "tif": "TIFF", "ppm": "PPM"}


def pixels(seed=0, rows=6, columns=9, samples=3, dtype="u1"):
    shape = (rows, columns, samples) if samples > 1 else (rows, columns)
    return np.random.default_rng(seed).integers(0, np.iinfo(dtype).max + 1, shape, dtype=dtype)


def encoded(array, suffix="png", **options):
    out = io.BytesIO()
    picture = array if isinstance(array, Image.Image) else Image.fromarray(array)
    picture.save(out, FORMATS[suffix], **options)
    return out.getvalue()


def written(folder, files):
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def listed(hbimg, table="t"):
    return {item["key"]: item for item in hbimg("ls", "--table", table, "--json").json}


def stored_voxels(hbimg, key):
    with open_store(hbimg.store) as store:
        volumes = VolumeTable.open(store, "t")
        (record,) = [record for record in volumes.records() if str(record.key) == key]
        return record, voxels(VolumeReader(volumes, record))


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_single_picture_of_each_format(hbimg, tmp_path, suffix):
    data = encoded(pixels(), suffix)
    written(tmp_path, {f"photo.{suffix}": data})
    hbimg("ingest", tmp_path / f"photo.{suffix}", "--table", "t", "--strict")
    record, array = stored_voxels(hbimg, f"t/-/-/photo.{suffix}")
    assert record.geometry.shape == (9, 6, 1)
    expected = np.asarray(Image.open(io.BytesIO(data)))
    assert np.array_equal(array[:, :, 0], expected.swapaxes(0, 1))
    assert suffix == "jpg" or np.array_equal(expected, pixels())
    assert hbimg.exported() == {f"photo.{suffix}": data}
    hbimg.assert_sound()


def test_packages_by_folder(hbimg, tmp_path):
    """Numbers in names count, and no more than --package files make one volume."""
    files = {f"p01/{n}.png": encoded(pixels(n)) for n in range(25)}
    files |= {"p02/night/a.jpg": encoded(pixels(90), "jpg"), "p02/day/b.jpg": encoded(pixels(91), "jpg")}
    folder = written(tmp_path / "in", files | {"p01/notes.txt": b"left alone"})
    said = hbimg("ingest", folder, "--table", "t", "--package", 10, "--json").json
    assert said["summary"]["left alone"]["count"] == 1
    found = listed(hbimg)
    assert {key: item["frames"] for key, item in found.items()} == {
        "t/p01/-/pictures-0001": 10,
        "t/p01/-/pictures-0002": 10,
        "t/p01/-/pictures-0003": 5,
        "t/p02/day/b.jpg": 1,
        "t/p02/night/a.jpg": 1,
    }
    _, array = stored_voxels(hbimg, "t/p01/-/pictures-0002")
    assert array.shape == (9, 6, 10, 3)
    for position in range(10):
        assert np.array_equal(array[:, :, position].swapaxes(0, 1), pixels(10 + position))
    assert _names(hbimg, "t/p01/-/pictures-0001")[:3] == ["p01/0.png", "p01/1.png", "p01/2.png"]
    assert hbimg.exported() == files
    again = hbimg("ingest", folder, "--table", "t", "--package", 10, "--json").json["summary"]
    assert again["present"]["count"] == 5
    hbimg.assert_sound()


def _names(hbimg, key):
    return [file["name"] for file in hbimg("show", key, "--table", "t", "--json").json["files"]]


def test_a_package_of_many_sizes_is_one_volume_without_one_array(hbimg, tmp_path):
    shapes = [(6, 9, 3), (4, 4, 1), (7, 2, 4)]
    files = {f"{n}.png": encoded(pixels(n, *shape)) for n, shape in enumerate(shapes)}
    folder = written(tmp_path / "in", files)
    assert "3 sizes" in hbimg("ingest", folder, "--table", "t").line_with("remark:")
    item = listed(hbimg)["t/-/-/pictures"]
    assert (item["shape"], item["frames"], item["format"]) == ([], 3, "png")
    assert hbimg("show", "t/-/-/pictures", "--table", "t", "--png", tmp_path / "x.png").err.startswith("3 of 3")
    with Image.open(tmp_path / "x.png") as picture:
        assert picture.height >= 200
    (row,) = csv.DictReader(io.StringIO(hbimg("run", "stats", "--table", "t", "-w", "1").out))
    values = [pixels(n, *shape).reshape(shape) for n, shape in enumerate(shapes)]
    luma = [v[..., 0] if v.shape[2] == 1 else v[..., :3] @ [0.299, 0.587, 0.114] for v in values]
    every = np.concatenate([one.ravel() for one in luma])
    assert int(row["voxels"]) == every.size == 6 * 9 + 16 + 14
    assert float(row["mean"]) == pytest.approx(every.mean())
    assert hbimg.exported() == files


def test_jobs_say_what_they_do_not_do(hbimg, tmp_path):
    written(tmp_path / "in", {"a.png": encoded(pixels()), "b.png": encoded(pixels(1))})
    hbimg("ingest", tmp_path / "in", "--table", "t")
    for job, words in (("compress", "no NIfTI is made"), ("dicom2nifti", "no DICOM but png")):
        report = hbimg("run", job, "--table", "t", "-w", "1", "--json").out
        assert words in report
    checked = json.loads(hbimg("run", "checksum", "--table", "t", "-w", "1", "--json").out)
    assert checked["report"]["volumes"]["done"] == 1


@pytest.mark.parametrize(("form", "ending"), [("original", "jpg"), ("image", "png")])
def test_a_command_for_each_picture(hbimg, tmp_path, form, ending):
    files = {f"{n}.jpg": encoded(pixels(n), "jpg") for n in range(3)}
    written(tmp_path / "in", files)
    hbimg("ingest", tmp_path / "in", "--table", "t")
    options = ["--table", "t", "-w", "1", "--per", "frame", "--input-as", form]
    hbimg("run", "exec", *options, "--", "cp", "{input}", f"{{output:copy.{ending}}}")
    hbimg("export", "--table", "t", "--result", "exec", "--to", tmp_path / "out")
    copies = sorted(path for path in (tmp_path / "out").rglob("*") if path.is_file())
    assert len(copies) == 3
    for copy, (name, data) in zip(copies, files.items(), strict=True):
        assert form == "image" or copy.read_bytes() == data, name
        assert np.array_equal(decode_picture(copy.read_bytes()), decode_picture(data))


def test_keys_from_a_table(hbimg, tmp_path):
    files = {f"raw/{n}.png": encoded(pixels(n)) for n in range(6)} | {"extra/x.png": encoded(pixels(9))}
    folder = written(tmp_path / "in", files)
    lines = ["file,subject,session,scan", *(f"raw/{n}.png,p{n % 2},visit 1," for n in range(6)), "extra,p9,,atlas"]
    (tmp_path / "keys.csv").write_text("\n".join(lines) + "\n")
    hbimg("ingest", folder, "--table", "t", "--keys-from", tmp_path / "keys.csv", "--package", 2)
    assert {key: item["frames"] for key, item in listed(hbimg).items()} == {
        "t/p0/visit=201/pictures-0001": 2,
        "t/p0/visit=201/pictures-0002": 1,
        "t/p1/visit=201/pictures-0001": 2,
        "t/p1/visit=201/pictures-0002": 1,
        "t/p9/-/atlas": 1,
    }
    assert _names(hbimg, "t/p1/visit=201/pictures-0001") == ["raw/1.png", "raw/3.png"]
    assert hbimg.exported() == files


def test_keys_from_a_table_of_other_images(hbimg, tmp_path, image):
    folder = written(tmp_path / "in", {"a/x.nii": image(1), "b/x.nii": image(2)})
    (tmp_path / "keys.tsv").write_text("file\tsubject\tscan\na/x.nii\tone\tT1\nb\ttwo\tT2\n")
    hbimg("ingest", folder, "--table", "t", "--keys-from", tmp_path / "keys.tsv")
    assert set(listed(hbimg)) == {"t/one/-/T1", "t/two/-/T2"}


def test_what_a_table_does_not_name_or_names_in_vain_is_refused(hbimg, tmp_path):
    folder = written(tmp_path / "in", {f"{n}.png": encoded(pixels(n)) for n in range(3)})
    (tmp_path / "keys.csv").write_text("file,subject\n0.png,a\n1.png,a\ngone.png,b\n")
    said = hbimg("ingest", folder, "--table", "t", "--keys-from", tmp_path / "keys.csv", code=1)
    assert "2.png is not in" in said.line_with("refused: 2.png")
    assert "not there" in said.line_with("refused: gone.png")
    assert {key: item["frames"] for key, item in listed(hbimg).items()} == {"t/a/-/pictures": 2}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "cannot be read"),
        ("", "has the columns none"),
        ("name,subject\nx,y\n", "has the columns name, subject"),
        ("file\nx\n", "has the columns file"),
        ("file,subject,colour\nx,y,z\n", "has the columns file, subject, colour"),
        ("file,subject,subject\nx,y,z\n", "has the columns"),
        ("file,subject\n", "names no file"),
        ("file,subject\nx\n", "line 2: it has not as many fields"),
        ("file,subject\nx,y,z\n", "line 2: it has not as many fields"),
        ("file,subject\nx,y\nx,z\n", "line 3: x was given another key"),
        ('file,subject\n"x,y\n', "is no CSV table"),
        (b"file,subject\n\xff,y\n", "is no CSV table"),
    ],
)
def test_broken_tables_of_keys(hbimg, tmp_path, text, words):
    written(tmp_path / "in", {"x": encoded(pixels())})
    if text is not None:
        (tmp_path / "keys.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    said = hbimg("ingest", tmp_path / "in", "--table", "t", "--keys-from", tmp_path / "keys.csv", code=1)
    assert words in said.err
    assert len(said.err.splitlines()) == 1


def test_a_table_and_a_pattern_exclude_each_other(hbimg, tmp_path):
    said = hbimg("ingest", tmp_path, "-t", "t", "--keys-from", tmp_path / "x", "--pattern", "{scan}", code=1)
    assert "--pattern and --keys-from" in said.err


def test_pictures_by_pattern(hbimg, tmp_path):
    folder = written(tmp_path / "in", {f"s{n % 2}/v1/{n}.png": encoded(pixels(n)) for n in range(4)})
    hbimg("ingest", folder, "--table", "t", "--pattern", "{subject}/{session}/*")
    assert {key: item["frames"] for key, item in listed(hbimg).items()} == {
        "t/s0/v1/pictures": 2,
        "t/s1/v1/pictures": 2,
    }
    hbimg("ingest", folder, "--table", "u", "--pattern", "{subject}/*/{scan}.png")
    assert set(listed(hbimg, "u")) == {"u/s0/-/0", "u/s0/-/2", "u/s1/-/1", "u/s1/-/3"}


def _sixteen_bit_png():
    """A colour PNG of 16 bits, which Pillow cannot write."""
    import struct
    import zlib

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + bytes(range(18)) for _ in range(2))
    header = struct.pack(">IIBBBBB", 3, 2, 16, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


ODD = {
    "grey16.png": (encoded(pixels(1, samples=1, dtype="u2")), "<u2", 1, 1, ""),
    "float.tif": (encoded(pixels(1, samples=1).astype("f4"), "tif"), "<f4", 1, 1, ""),
    "bits.png": (encoded(pixels(1, samples=1) > 100), "|u1", 1, 1, ""),
    "rgba.png": (encoded(pixels(1, samples=4)), "|u1", 4, 1, ""),
    "greyalpha.png": (encoded(pixels(1, samples=2)), "|u1", 4, 1, ""),
    "colour16.png": (_sixteen_bit_png(), "|u1", 3, 1, "16-bit colour"),
    "colour16.ppm": (b"P6\n2 1\n65535\n" + bytes(range(12)), "|u1", 3, 1, "16-bit colour"),
    "grey16.pgm": (b"P5 # made by hand\n2 1\n65535\n\1\2\3\4", "<u2", 1, 1, ""),
    "scaled.pgm": (b"P5\n2 1\n100\n\1\2", "|u1", 1, 1, "its largest value is 100"),
    "text.ppm": (b"P3\n1 1\n255\n1 2 3\n", "|u1", 3, 1, ""),
    "bits.pbm": (b"P4\n9 2\n\1\2\3\4", "|u1", 1, 1, ""),
    "trailing.jpg": (encoded(pixels(2), "jpg") + b"what a phone adds", "|u1", 3, 1, ""),
    "palette.png": (
        encoded(Image.fromarray(pixels(3)).quantize(8)),
        "|u1",
        3,
        1,
        "",
    ),
    "pages.tif": (
        encoded(pixels(1), "tif", save_all=True, append_images=[Image.fromarray(pixels(n)) for n in (2, 3)]),
        "|u1",
        3,
        3,
        "",
    ),
    "pyramid.tif": (
        encoded(pixels(1), "tif", save_all=True, append_images=[Image.fromarray(pixels(2, 3, 4))]),
        "|u1",
        3,
        1,
        "2 pages of several sizes",
    ),
}


@pytest.mark.parametrize("name", ODD)
def test_odd_pictures_say_what_arrays_do_not_show(hbimg, tmp_path, name):
    data, dtype, samples, pages, remark = ODD[name]
    written(tmp_path, {name: data})
    said = hbimg("ingest", tmp_path / name, "--table", "t", "--json").json
    assert remark in said["items"][0]["reason"]
    assert bool(remark) == bool(said["items"][0]["reason"])
    record, array = stored_voxels(hbimg, f"t/-/-/{name}")
    assert (array.dtype.str, record.encoding.samples, record.geometry.shape[2]) == (dtype, samples, pages)
    decoded = decode_picture(data)
    assert np.array_equal(array.swapaxes(0, 1), np.moveaxis(decoded, 0, 2))
    assert hbimg.exported() == {name: data}


def test_grey_values_are_those_of_the_file(tmp_path):
    assert decode_picture(ODD["grey16.png"][0])[0].tolist() == pixels(1, samples=1, dtype="u2").tolist()
    assert decode_picture(ODD["grey16.pgm"][0])[0].tolist() == [[258, 772]]
    assert set(np.unique(decode_picture(ODD["bits.png"][0]))) == {0, 255}


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_cut_picture_is_refused(hbimg, tmp_path, suffix):
    """At many places, and each with one line that names it; the whole ones beside it are stored."""
    data = encoded(pixels(0, 40, 50), suffix)
    cuts = sorted({4, 12, len(data) // 3, len(data) // 2, len(data) - 2})
    files = {f"cut{n}.{suffix}": data[:n] for n in cuts}
    folder = written(tmp_path / "in", files | {f"whole.{suffix}": data})
    if suffix == "tif":  # the table of its contents may stand at either end
        files = {name: cut for name, cut in files.items() if len(cut) < len(data) - 2}
        (folder / f"cut{len(data) - 2}.tif").unlink()
    said = hbimg("ingest", folder, "--table", "t", code=1)
    for name in files:
        assert said.line_with(f"{name}").startswith("refused: ")
    assert list(listed(hbimg)) == [f"t/-/-/whole.{suffix}"]


def test_a_damaged_picture_fails_alone_and_is_named(hbimg, tmp_path):
    bad = bytearray(encoded(pixels(0, 40, 50)))
    bad[60:80] = b"\0" * 20
    written(tmp_path / "in", {"bad/x.png": bytes(bad), "good/x.png": encoded(pixels(1))})
    hbimg("ingest", tmp_path / "in", "--table", "t")
    said = hbimg("run", "stats", "--table", "t", "-w", "1", code=1)
    assert "frame 0 cannot be decoded" in said.err
    assert "frame 0 cannot be decoded" in hbimg("show", "t/bad/-/x.png", "-t", "t", "--png", tmp_path / "x", code=1).err
    assert hbimg.exported()["bad/x.png"] == bytes(bad)


def test_a_picture_that_promises_too_many_pixels_is_kept_and_never_decoded(hbimg, tmp_path):
    data = bytearray(encoded(pixels(0, samples=1)))
    data[16:24] = (60000).to_bytes(4, "big") * 2
    import zlib

    data[29:33] = zlib.crc32(bytes(data[12:29])).to_bytes(4, "big")
    written(tmp_path / "in", {"bomb.png": bytes(data)})
    said = hbimg("ingest", tmp_path / "in", "--table", "t")
    assert "pixels that are ever decoded" in said.line_with("set aside:")
    assert hbimg.exported() == {"bomb.png": bytes(data)}


@pytest.mark.parametrize(
    "data", [b"P5 is a postcode", b"P6\n", b"II is two", b"MM", b"\xff\xd8", b"GIF89a" + b"\0" * 99]
)
def test_what_only_begins_like_a_picture_is_left_alone(data):
    assert not is_picture(data)


@given(st.binary(max_size=300), st.sampled_from(list(FORMATS)), st.data())
@settings(max_examples=60)
def test_any_damage_is_refused_or_decoded_or_named(tmp_path_factory, noise, suffix, data):
    """Whatever the bytes: an error of ours, never another."""
    from hbimg.errors import HbimgError

    whole = bytearray(encoded(pixels(), suffix))
    at = data.draw(st.integers(2, len(whole)))
    whole[at : at + len(noise)] = noise
    path = tmp_path_factory.mktemp("x") / "x"
    path.write_bytes(bytes(whole))
    try:
        picture = examine(path, "x")
        decoded = decode_picture(bytes(whole))
    except HbimgError:
        return
    if picture.facts:
        assert decoded.shape[1:3] == (picture.facts.rows, picture.facts.columns)


@given(st.lists(st.integers(0, 10**6), unique=True, min_size=1, max_size=40), st.integers(1, 9))
def test_packages_hold_every_picture_once_in_the_order_of_numbers(numbers, package):
    from pathlib import Path

    from hbimg.ingest.candidates import Names
    from hbimg.ingest.pictures import Picture
    from hbimg.volumes.pictures import PictureFacts

    facts = PictureFacts("png", 2, 3, 1, 1, "|u1")
    pictures = [Picture(Path(f"/a/{n}.png"), f"a/{n}.png", 10, facts) for n in numbers]
    found = candidates([(one, Names()) for one in pictures], package)
    names = [int(file.path.stem) for candidate in found for file in candidate.files]
    assert names == sorted(numbers)
    assert all(len(candidate.files) <= package for candidate in found)
    assert len({candidate.told.scan for candidate in found}) == len(found) == -(-len(numbers) // package)
