"""Bad input: one clear line that names the file, nothing half-written, and the rest is done."""

from __future__ import annotations

import ctypes
import gzip
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from hbimg.ingest import storing
from hbimg.store import open_store
from hbimg.volumes.writer import write_content

ARRAY = np.arange(7 * 6 * 5, dtype=np.int16).reshape(7, 6, 5)


def _refused(hbimg, folder, name, good=True):
    """Ingest a folder with one bad file and a good one; give what was said of the bad one."""
    said = hbimg("ingest", folder, "--table", "t", code=1)
    lines = [line for line in said.err.splitlines() if not line.startswith("table t:")]
    (line,) = lines
    assert line.startswith("refused: ")
    assert name in line
    assert "1 refused" in said.err
    listed = [item["key"] for item in hbimg("ls", "--table", "t", "--json").json]
    assert listed == (["t/-/-/good"] if good else [])
    hbimg.assert_sound()
    return line


@pytest.fixture
def folder(tmp_path, image):
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "good.nii").write_bytes(image())
    return folder


def _cut(data, offsets):
    return [offset for offset in offsets if 0 <= offset < len(data)]


def test_truncated_files(hbimg, folder, image):
    data = image()
    for offset in _cut(data, [0, 1, 3, 4, 347, 348, 351, 352, 353, 400, len(data) - 1]):
        (folder / "bad.nii").write_bytes(data[:offset])
        _refused(hbimg, folder, "bad.nii")


def test_truncated_gzip_files(hbimg, folder, image):
    data = gzip.compress(image(), mtime=0)
    for offset in _cut(
        data, [1, 2, 9, 10, 11, 60, 300, 400, len(data) - 9, len(data) - 8, len(data) - 4, len(data) - 1]
    ):
        (folder / "bad.nii.gz").write_bytes(data[:offset])
        _refused(hbimg, folder, "bad.nii.gz")


@pytest.mark.parametrize("mode", ["keep", "reproduce"])
def test_damaged_gzip_files(hbimg, folder, image, mode):
    data = gzip.compress(image(), mtime=0)
    for offset in (200, len(data) // 2, len(data) - 8, len(data) - 4, len(data) - 1):
        damaged = bytearray(data)
        damaged[offset] ^= 0x55
        (folder / "bad.nii.gz").write_bytes(damaged)
        said = hbimg("ingest", folder, "--table", "t", "--gzip-stream", mode, code=1)
        assert "damaged gzip" in said.line_with("bad.nii.gz") or "more were promised" in said.line_with("bad.nii.gz")
        hbimg.assert_sound()


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("bad.nii", b"", "is empty"),
        ("bad.dcm", b"", "is empty"),
        ("bad.nii", b"just a text, really\n" * 50, "has the name of an image, but is neither"),
        ("bad.dcm", b"just a text, really\n" * 50, "has the name of an image, but is neither"),
        ("bad.nii.gz", b"just a text, really\n" * 50, "has the name of an image, but is neither"),
        ("bad.nii.gz", gzip.compress(b"just a text", mtime=0), "neither DICOM nor NIfTI nor a picture when unpacked"),
        ("bad.nii.gz", b"\x1f\x8b", "has the name of an image, but is neither"),
        ("bad.DCM", b"\0" * 2000, "has the name of an image, but is neither"),
        ("bad.dcm", b"\0" * 128 + b"DICM", "bad.dcm"),
        ("bad.dcm.gz", gzip.compress(b"\0" * 128 + b"DICM" + b"\0" * 500, mtime=0), "is cut short inside its header"),
    ],
)
def test_files_that_are_not_what_they_are_called(hbimg, folder, name, data, message):
    (folder / name).write_bytes(data)
    assert message in _refused(hbimg, folder, name)


def test_what_macos_leaves_beside_files_is_left_alone(hbimg, folder):
    for name in ("._x.nii.gz", "._x.dcm", "._x.jpg"):
        (folder / name).write_bytes(b"\0\5\x16\7\0\2\0\0Mac OS X        ")
    assert hbimg("ingest", folder, "--table", "t", "--json").json["summary"]["left alone"]["count"] == 3


def test_other_files_are_left_alone(hbimg, folder):
    for name in ("dataset.json", "README", "x.img", "y.hdr", "scan.nii.json"):
        (folder / name).write_bytes(b"text" * 200)
    said = hbimg("ingest", folder, "--table", "t", "--json")
    assert said.json["summary"]["left alone"]["count"] == 5
    assert "5 left alone" in said.err


BROKEN_HEADERS = [
    ({"dim": [3, 30000, 30000, 30000, 1, 1, 1, 1]}, "promises"),
    ({"dim": [7, 32767, 32767, 32767, 32767, 32767, 32767, 32767]}, "promises"),
    ({"dim": [3, -7, 6, 5, 1, 1, 1, 1]}, "a dimension of -7"),
    ({"dim": [3, 0, 6, 5, 1, 1, 1, 1]}, "a dimension of 0"),
    ({"dim": [0, 7, 6, 5, 1, 1, 1, 1]}, "dimensions"),
    ({"dim": [8, 7, 6, 5, 1, 1, 1, 1]}, "dimensions"),
    ({"dim": [4, 32767, 32767, 32767, 32767, 1, 1, 1]}, "promises"),  # about 2^60 voxels
    ({"dim": [-1, 7, 6, 5, 1, 1, 1, 1]}, "dimensions"),
    ({"datatype": 77}, "data type 77"),
    ({"datatype": 1}, "data type 1"),
    ({"bitpix": 8}, "8 bits per voxel"),
    ({"srow_x": [np.nan, 0, 0, 0]}, "affine"),
    ({"srow_x": [np.inf, 0, 0, 0]}, "affine"),
    ({"sform_code": 0, "qform_code": 1, "quatern_b": 5}, "affine"),
    ({"sform_code": 0, "qform_code": 1, "quatern_b": np.nan}, "affine"),
    ({"sform_code": 0, "pixdim": [1, np.nan, 1, 1, 1, 1, 1, 1]}, "affine"),
    ({"vox_offset": 0}, "cannot begin at byte 0"),
    ({"vox_offset": 100}, "cannot begin at byte 100"),
    ({"vox_offset": -1}, "cannot begin at byte -1"),
    ({"vox_offset": 100_000}, "promises"),
]
FLOAT_OFFSETS = [
    ({"vox_offset": np.nan}, "cannot begin at byte nan"),
    ({"vox_offset": np.inf}, "cannot begin at byte inf"),
    ({"vox_offset": 1e30}, "promises"),
    ({"vox_offset": 352.5}, "cannot begin at byte 352.5"),
]


@pytest.mark.parametrize("pack", [bytes, lambda data: gzip.compress(data, mtime=0)], ids=["plain", "gzipped"])
def test_broken_headers(hbimg, folder, nifti, pack):
    suffix = ".nii" if pack is bytes else ".nii.gz"
    for version in (1, 2):
        for number, (fields, _) in enumerate(BROKEN_HEADERS + (FLOAT_OFFSETS if version == 1 else [])):
            data = b"".join(nifti(ARRAY, version=version, **fields))
            (folder / f"bad{version}_{number:02d}{suffix}").write_bytes(pack(data))
    said = hbimg("ingest", folder, "--table", "t", code=1)
    for version in (1, 2):
        for number, (fields, message) in enumerate(BROKEN_HEADERS + (FLOAT_OFFSETS if version == 1 else [])):
            line = said.line_with(f"bad{version}_{number:02d}{suffix}")
            assert line.startswith("refused: ")
            if not (pack is not bytes and fields.get("vox_offset") == 100_000):  # found out in the reading
                assert message in line, (fields, line)
    assert [item["key"] for item in hbimg("ls", "--table", "t", "--json").json] == ["t/-/-/good"]
    hbimg.assert_sound()


def test_random_damage_to_headers_is_refused_or_stored_whole(hbimg, tmp_path, nifti):
    """Bytes of the header set to anything: a volume that comes out as it went in, or one line."""
    random = np.random.default_rng(7)
    folder = tmp_path / "in"
    folder.mkdir()
    files = {}
    for number in range(300):
        data = bytearray(b"".join(nifti(ARRAY, version=1 + number % 2, endian="<>"[number % 3 == 0])))
        for _ in range(random.integers(1, 4)):
            data[random.integers(0, 352)] = random.choice([0, 1, 127, 128, 255, random.integers(256)])
        files[f"x{number:03d}.nii"] = bytes(data)
        (folder / f"x{number:03d}.nii").write_bytes(data)
    said = hbimg("ingest", folder, "--table", "t", "--json", code=1)
    outcomes = {item["source"]: item["outcome"] for item in said.json["items"]}
    assert set(outcomes) == set(files)
    stored = {name: files[name] for name, outcome in outcomes.items() if outcome == "stored"}
    assert 30 < len(stored) < 290
    assert hbimg.exported() == stored
    hbimg("ls", "--table", "t", "--json")
    for item in list(hbimg("ls", "--table", "t", "--json").json)[::10]:
        assert hbimg("show", "--table", "t", item["key"], "--json").json
    hbimg.assert_sound()


def test_analyze_pairs_are_refused(hbimg, folder, nifti):
    head, voxels = nifti(ARRAY, pair=True)
    analyze = bytearray(head[:348])
    analyze[344:348] = b"\0\0\0\0"
    analyze[38:39] = b"r"
    (folder / "bad.hdr").write_bytes(analyze)
    (folder / "bad.img").write_bytes(voxels)
    assert "ANALYZE 7.5" in _refused(hbimg, folder, "bad.hdr")


def test_half_pairs(hbimg, folder, nifti):
    head, voxels = nifti(ARRAY, pair=True)
    (folder / "bad.hdr").write_bytes(head)
    assert "bad.img is not beside it" in _refused(hbimg, folder, "bad.hdr")
    (folder / "bad.img").write_bytes(voxels[:-1])
    assert "promises" in _refused(hbimg, folder, "bad.img")
    (folder / "bad.img").unlink()
    (folder / "bad.img").mkdir()
    _refused(hbimg, folder, "bad.img")


def test_gzip_bomb(hbimg, folder, nifti):
    """A small image and hundreds of megabytes of nothing behind it."""
    with gzip.open(folder / "bad.nii.gz", "wb", compresslevel=1) as stream:
        stream.write(b"".join(nifti(ARRAY)))
        for _ in range(100):
            stream.write(bytes(1 << 20))
    assert "64 MiB beyond its last voxel" in _refused(hbimg, folder, "bad.nii.gz")
    said = hbimg("ingest", folder, "--table", "t", "--gzip-stream", "reproduce", code=1)
    assert "64 MiB beyond its last voxel" in said.line_with("bad.nii.gz")


def test_empty_and_absent_paths(hbimg, tmp_path, image):
    (tmp_path / "empty").mkdir()
    said = hbimg("ingest", tmp_path / "empty", "--table", "t", code=1)
    assert said.line_with("no DICOM or NIfTI file and no picture in") == said.err.strip()
    said = hbimg("ingest", tmp_path / "absent", "--table", "t", code=1)
    assert said.line_with("absent does not exist") == said.err.strip()
    (tmp_path / "text.txt").write_text("hello")
    said = hbimg("ingest", tmp_path / "text.txt", "--table", "t", code=1)
    assert said.line_with("no DICOM or NIfTI file and no picture in") == said.err.strip()
    assert hbimg("tables", "--json").json == []


def test_links_fifos_and_loops(hbimg, folder, image, tmp_path):
    (folder / "broken.nii").symlink_to(folder / "absent.nii")
    (folder / "loop.nii").symlink_to(folder / "loop.nii")
    os.mkfifo(folder / "pipe.nii")
    (folder / "circle").symlink_to(folder)
    (folder / "link.nii").symlink_to(folder / "good.nii")
    said = hbimg("ingest", folder, "--table", "t", "--json", code=1)
    outcomes = {item["source"]: (item["outcome"], item["reason"]) for item in said.json["items"]}
    assert outcomes["broken.nii"] == ("refused", "cannot be read: No such file or directory")
    assert outcomes["loop.nii"] == ("refused", "cannot be read: Too many levels of symbolic links")
    assert outcomes["pipe.nii"] == ("left alone", "is no regular file")
    assert outcomes["circle"][0] == "left alone"
    assert "not followed" in outcomes["circle"][1]
    assert outcomes["link.nii"][0] == outcomes["good.nii"][0] == "stored"
    for name in ("broken.nii", "loop.nii"):
        said = hbimg("ingest", folder / name, "--table", "t", code=1)
        assert "cannot be read" in said.line_with(name)


def test_names_that_are_no_utf8(hbimg, folder, image):
    (folder / os.fsdecode(b"caf\xe9.nii")).write_bytes(image(3))
    line = _refused(hbimg, folder, "caf\\xe9.nii")
    assert "no UTF-8" in line
    said = hbimg("ingest", folder, "--table", "t", "--json", code=1)
    assert "caf\\xe9.nii" in [item["source"] for item in said.json["items"]]


def test_names_with_line_breaks_take_one_line(hbimg, folder):
    (folder / "two\nlines.nii").write_bytes(b"text")
    assert "two lines.nii" in _refused(hbimg, folder, "lines.nii")


def _without_rights() -> None:
    """Give up root's right to pass over permissions, if this is root: then modes count for it as for everybody."""
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    for capability in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
        prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP; what follows is executed without it


def test_files_and_folders_that_may_not_be_read(hbimg, folder, image, nifti):
    (folder / "secret.nii").write_bytes(image(1))
    head, voxels = nifti(ARRAY, pair=True)
    (folder / "pair.hdr").write_bytes(head)
    (folder / "pair.img").write_bytes(voxels)
    (folder / "closed").mkdir()
    (folder / "closed" / "inside.nii").write_bytes(image(2))
    shut = [folder / "secret.nii", folder / "pair.img", folder / "closed"]
    for path in shut:
        path.chmod(0)
    try:
        said = hbimg.apart("ingest", folder, "--table", "t", "-w", "1", code=1, preexec_fn=_without_rights)
        for name in ("secret.nii", "closed"):
            assert said.line_with(name) == f"refused: {name}: cannot be read: Permission denied"
        assert "pair.img cannot be read: Permission denied" in said.err
        assert "1 stored" in said.err
        said = hbimg.apart(
            "ingest", folder / "closed" / "inside.nii", "--table", "t", "-w", "1", code=1, preexec_fn=_without_rights
        )
        assert said.line_with("closed/inside.nii").startswith("hbimg: ")
    finally:
        (folder / "closed").chmod(0o755)
    assert [item["key"] for item in hbimg("ls", "--table", "t", "--json").json] == ["t/-/-/good"]


def test_places_that_may_not_be_written(hbimg, folder, tmp_path):
    hbimg("ingest", folder, "--table", "t")
    shut, store = tmp_path / "shut", tmp_path / "store"
    shut.mkdir()
    places = [shut, *(path for path in (store, *store.rglob("*")))]
    modes = {path: path.stat().st_mode for path in places}
    for path in reversed(places):
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        for arguments in (
            ["export", "--table", "t", "--to", shut],
            ["export", "--table", "t", "--to", shut / "below"],
            ["ingest", folder, "--table", "t2", "-w", "1"],
            ["ingest", folder, "--table", "t", "--subject", "x", "-w", "1"],
            ["ingest", folder, "--table", "t", "--store", f"local://{shut}/store", "-w", "1"],
            ["rm", "t/-/-/good", "--table", "t", "--yes"],
            ["tables", "--drop", "t", "--yes"],
        ):
            said = hbimg.apart(*arguments, code=1, preexec_fn=_without_rights)
            assert len([line for line in said.err.splitlines() if line.startswith(("hbimg: ", "failed: "))]) == 1, said
        said = hbimg.apart("verify", "--table", "t", "--json", preexec_fn=_without_rights)
        assert said.json["orphan_rows"] == []
        assert hbimg.apart("ls", "--table", "t", "--json", preexec_fn=_without_rights).json != []
    finally:
        for path, mode in modes.items():
            path.chmod(mode)


@pytest.mark.parametrize("pack", [bytes, lambda data: gzip.compress(data, mtime=0)], ids=["plain", "gzipped"])
@pytest.mark.parametrize("change", ["shrinks", "grows", "differs", "vanishes"])
@pytest.mark.parametrize("moment", ["before it is stored", "while it is stored"])
def test_files_that_change_during_the_ingest(hbimg, folder, image, monkeypatch, pack, change, moment):
    path = folder / ("bad.nii" if pack is bytes else "bad.nii.gz")
    data = pack(image(5))
    path.write_bytes(data)

    def spoil():
        if change == "vanishes":
            path.unlink(missing_ok=True)
            return
        path.write_bytes(
            {"shrinks": data[:-20], "grows": data + b"more", "differs": pack(image(6))[: len(data)]}[change]
        )
        os.utime(path, ns=(1, time.time_ns()))

    if moment == "before it is stored":
        write = write_content

        def write_later(*arguments, **options):
            spoil()
            return write(*arguments, **options)

        monkeypatch.setattr(storing, "write_content", write_later)
    else:
        from hbimg.volumes import writer

        put = writer._Writer._write_run

        def put_later(self, reader, run, blob):
            put(self, reader, run, blob)
            if "bad" in reader._name:
                spoil()

        monkeypatch.setattr(writer._Writer, "_write_run", put_later)
    if change == "vanishes" and pack is bytes and moment == "while it is stored":
        hbimg("ingest", folder, "--table", "t")  # an open file that is unlinked is read to its end
        assert {name: hbimg.exported()[name] for name in ("bad.nii",)} == {"bad.nii": data}
        return
    said = hbimg("ingest", folder, "--table", "t", code=1)
    line = said.line_with("bad.nii")
    assert (
        "changed while it was read" in line
        or "cannot be read" in line
        or "damaged gzip" in line
        or "ends after" in line
    )
    assert [item["key"] for item in hbimg("ls", "--table", "t", "--json").json] == ["t/-/-/good"]
    hbimg.assert_sound()


# -- stores, tables, settings ----------------------------------------------------------------------------------------


def test_tables_and_stores_that_are_none(hbimg, folder, tmp_path):
    for table in ("a/b", "../x", "", "-x", "a b", "a:b:c", "x" * 200):
        for arguments in (["ingest", folder], ["ls"], ["export", "--to", tmp_path / "out"], ["verify"], ["runs"]):
            said = hbimg(*arguments, "--table", table, code=1)
            assert said.line_with("no table name") == said.err.strip()
    for store, message in (
        ("nowhere", "neither a URL"),
        ("ftp://x/y", "no store"),
        ("local:relative", "three slashes"),
        ("local:///x?nonsense=1", "unknown option"),
        ("local:///proc/nothing", "proc"),
    ):
        said = hbimg("ls", "--table", "t", "--store", store, code=1)
        assert said.line_with(message) == said.err.strip()
    said = hbimg("ls", "--table", "absent", code=1)
    assert "there is no table 'absent'" in said.line_with("hbimg: ")


def test_a_table_that_is_not_ours(hbimg, folder):
    from hbimg.store import TableSettings

    with open_store(hbimg.store) as store:
        table = store.create_table("foreign", TableSettings())
        table.put(b"row", {b"m:x": b"somebody's"})
    for arguments in (["ingest", folder], ["ls"], ["verify"], ["show", "a/b/c/d"]):
        said = hbimg(*arguments, "--table", "foreign", code=1)
        assert said.line_with("is not hbimg's") == said.err.strip()
    hbimg("ingest", folder, "--table", "t")
    listed = hbimg("tables", "--json").json
    assert {item["table"]: "fault" in item for item in listed} == {"foreign": True, "t": False}


def test_a_table_whose_maker_was_killed_is_finished(hbimg, folder):
    from hbimg.store import TableSettings

    with open_store(hbimg.store) as store:
        store.create_table("t", TableSettings())
    hbimg("ingest", folder, "--table", "t", "--group-level", "scan")
    assert hbimg("tables", "--json").json[0]["group_level"] == "scan"


def test_another_group_level(hbimg, folder):
    hbimg("ingest", folder, "--table", "t", "--group-level", "scan")
    hbimg("ingest", folder, "--table", "t")
    said = hbimg("ingest", folder, "--table", "t", "--group-level", "subject", code=1)
    assert "grouped by scan for its life" in said.line_with("hbimg: ")


@pytest.mark.parametrize(
    "text",
    [
        "default = ",
        "default = 3",
        "default = []",
        'default = "absent"',
        "profiles = 3",
        "[profiles]\nx = 3",
        "[profiles.x]\nstore = 3",
        "[profiles.x]\nnothing = 3",
        '[profiles.x]\nstore = "local:///x"\nmore = 3',
        "what = 3",
        "\xff\xfe",
    ],
)
def test_damaged_config_files(hbimg, text, tmp_path):
    del hbimg.environment["HBIMG_STORE"]
    (tmp_path / "config.toml").write_bytes(text.encode("latin-1"))
    said = hbimg("ls", "--table", "t", code=1)
    assert said.line_with("config.toml") == said.err.strip()


def test_profiles(hbimg, folder, tmp_path):
    del hbimg.environment["HBIMG_STORE"]
    (tmp_path / "config.toml").write_text(
        f'default = "a"\n[profiles.a]\nstore = "local://{tmp_path}/a"\n[profiles.b]\nstore = "local://{tmp_path}/b"\n'
    )
    hbimg("ingest", folder, "--table", "t")
    assert (tmp_path / "a" / "t").is_dir()
    hbimg("ingest", folder, "--table", "t", "--store", "b")
    assert (tmp_path / "b" / "t").is_dir()


def test_places_with_odd_names(hbimg, folder, tmp_path):
    """The default store below a home with blanks, percent signs and hashes, with workers that open it by URL."""
    del hbimg.environment["HBIMG_STORE"]
    home = tmp_path / "a b%20c#d?e"
    hbimg.environment["XDG_DATA_HOME"] = str(home)
    shutil.copy(folder / "good.nii", folder / "also.nii")
    hbimg.apart("ingest", folder, "--table", "t", "-w", "2")
    assert (home / "hbimg" / "t").is_dir()
    assert len(hbimg("ls", "--table", "t", "--json").json) == 2


# -- export and removal ----------------------------------------------------------------------------------------------


def test_exports_that_cannot_be(hbimg, folder, tmp_path):
    hbimg("ingest", folder, "--table", "t")
    said = hbimg("export", "--table", "t", "--to", tmp_path / "o", "--where", "subject=nobody", code=1)
    assert "no volume is chosen" in said.err
    said = hbimg("export", "--table", "t", "--to", tmp_path / "o", "--result", "absent", code=1)
    assert "no volume here has a result 'absent'" in said.err
    hbimg("export", "--table", "t", "--to", tmp_path / "o")
    said = hbimg("export", "--table", "t", "--to", tmp_path / "o", code=1)
    assert "is there already" in said.line_with("failed:")
    hbimg("export", "--table", "t", "--to", tmp_path / "o", "--overwrite")
    (tmp_path / "file").write_text("")
    said = hbimg("export", "--table", "t", "--to", tmp_path / "file", code=1)
    assert "cannot be written" in said.line_with("failed:")
    assert hbimg("export", "--table", "t", "--to", tmp_path / "p", "--dry-run", "--json").json == [
        {"key": "t/-/-/good", "size_bytes": (folder / "good.nii").stat().st_size}
    ]
    assert not (tmp_path / "p").exists()


def test_damaged_frames_are_not_exported(hbimg, folder, tmp_path):
    hbimg("ingest", folder, "--table", "t")
    with open_store(hbimg.store) as store:
        table = store.table("t")
        from hbimg.rowkeys import KeyRange

        (row,) = [row.key for row in table.scan(KeyRange(), ["i"])]
        (column, cell), *_ = table.get(row).items()
        table.put(row, {column: cell[:20] + b"!" + cell[21:]})
    said = hbimg("export", "--table", "t", "--to", tmp_path / "o", code=1)
    assert "is damaged" in said.line_with("failed:")
    assert not [path for path in (tmp_path / "o").rglob("*") if path.is_file()]
    said = hbimg("verify", "--table", "t", code=1)
    assert "is damaged" in said.line_with("fault:")


def test_rm(hbimg, folder, image):
    (folder / "other.nii").write_bytes(image(2))
    hbimg("ingest", folder, "--table", "t")
    for arguments, message in (
        ([], "give the volumes to delete"),
        (["t/-/-/good", "--where", "scan=x"], "not both"),
        (["t/-/-/absent"], "there is no volume"),
        (["t/-/-/*"], "no label"),
        (["good"], "is no volume key"),
        (["t/-/-/good", "t/-/-/absent"], "there is no volume"),
    ):
        said = hbimg("rm", "--table", "t", *arguments, "--yes", code=1)
        assert message in said.line_with("hbimg:")
    said = hbimg("rm", "--table", "t", "t/-/-/good", code=1, stdin="n\n")
    assert len(hbimg("ls", "--table", "t", "--json").json) == 2
    hbimg("rm", "--table", "t", "t/-/-/good", "--dry-run")
    assert len(hbimg("ls", "--table", "t", "--json").json) == 2
    hbimg("rm", "--table", "t", "t/-/-/good", "t/-/-/good", stdin="y\n")
    assert [item["key"] for item in hbimg("ls", "--table", "t", "--json").json] == ["t/-/-/other"]
    hbimg("rm", "--table", "t", "--where", "scan=o*", "--yes", "--purge")
    assert hbimg("ls", "--table", "t", "--json").json == []
    hbimg.assert_sound()
    raw = b"".join(path.read_bytes() for path in (hbimg.folder / "store" / "t").iterdir() if path.is_file())
    assert b"good" not in raw


def test_rm_finishes_what_a_killed_process_left(hbimg, folder):
    from hbimg.model import VolumeKey
    from hbimg.testing.pausing import PausingTable, WriterKilled, dead_process, kill_before
    from hbimg.volumes import VolumeTable

    key = VolumeKey("t", "-", "-", "good")
    for arguments in (["t/-/-/good"], ["--where", "scan=good"]):
        hbimg("ingest", folder, "--table", "t")
        with open_store(hbimg.store) as store, dead_process():
            volumes = VolumeTable.open(store, "t")
            with pytest.raises(WriterKilled):
                VolumeTable(PausingTable(volumes.table, kill_before(4)), volumes.scheme).remove(key)
        assert hbimg("ls", "--table", "t", "--json").json == []
        assert len(hbimg("verify", "--table", "t", "--json").json["orphan_rows"]) > 0
        said = hbimg("rm", "--table", "t", *arguments, "--yes")
        assert "what a killed process left" in said.err
        hbimg.assert_sound()


# -- output ----------------------------------------------------------------------------------------------------------


def test_readers_that_go_away(hbimg, folder, image):
    for seed in range(30):
        (folder / f"{'x' * 60}{seed}.nii").write_bytes(image(seed))
    hbimg("ingest", folder, "--table", "t")
    for command in ("ls --table t", "ls --table t --json", "tables", "verify --table t --json"):
        text = f"{sys.executable} -m hbimg {command} | head -c 1 > /dev/null; exit ${{PIPESTATUS[0]}}"
        done = subprocess.run(["bash", "-c", text], env=hbimg.environment, capture_output=True, text=True, timeout=60)
        assert "BrokenPipe" not in done.stderr, done.stderr
        assert "Traceback" not in done.stderr
        assert done.returncode in (0, 1)
    closed = subprocess.run(
        ["bash", "-c", f"{sys.executable} -m hbimg ls --table t >&- 2>&1"], env=hbimg.environment, capture_output=True
    )
    assert b"Traceback" not in closed.stdout


def test_json_of_every_reading_command(hbimg, folder):
    hbimg("ingest", folder, "--table", "t", "--json")
    for arguments in (
        ["ls", "--table", "t"],
        ["show", "--table", "t", "t/-/-/good"],
        ["export", "--table", "t", "--to", folder / "out"],
        ["verify", "--table", "t"],
        ["tables"],
        ["runs", "--table", "t"],
        ["ingest", folder, "--table", "t", "--dry-run"],
    ):
        assert isinstance(hbimg(*arguments, "--json").json, list | dict)
    assert json.loads(json.dumps(hbimg("ls", "--table", "t", "--json").json))


def _signalled(process, number):
    process.send_signal(number)
    return process.communicate(timeout=60)


def test_ctrl_c_says_what_has_become_of_the_volumes(hbimg, tmp_path, image, monkeypatch):
    """As when it comes while volumes are stored: the first is, the second is not."""
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("a.nii", "b.nii"):
        (folder / name).write_bytes(image(ord(name[0]), (10, 10, 5)))
    write, stored = write_content, []

    def interrupted(*arguments, **options):
        if stored:
            raise KeyboardInterrupt
        stored.append(write(*arguments, **options))
        return stored[0]

    monkeypatch.setattr(storing, "write_content", interrupted)
    said = hbimg("ingest", folder, "--table", "t", code=1)
    assert "the ingest was stopped: what is stored is whole and stays; run the same command again" in said.err
    monkeypatch.undo()
    hbimg("ingest", folder, "--table", "t")
    assert len(hbimg("ls", "--table", "t", "--json").json) == 2


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_ctrl_c(hbimg, tmp_path, image, workers):
    """Ctrl-C in the middle: no traceback, no process left, and the next run does the rest."""
    folder = tmp_path / "in"
    folder.mkdir()
    for seed in range(60):
        (folder / f"x{seed:02d}.nii").write_bytes(image(seed, (200, 200, 5)))
    for wait_s in (0.3, 0.6, 0.9, 1.2, 1.6):
        process = hbimg.start("ingest", folder, "--table", "t", "-w", workers, start_new_session=True)
        time.sleep(wait_s)
        os.killpg(process.pid, signal.SIGINT)
        _, err = process.communicate(timeout=60)
        assert process.returncode in (0, 1, 130, -signal.SIGINT), err
        assert "Traceback" not in err, err
        # Python's own helper of the workers sees that its parent is gone, and ends, a moment later.
        end = time.monotonic() + 30
        while _alive_in_session(process.pid) and time.monotonic() < end:
            time.sleep(0.05)
        assert _alive_in_session(process.pid) == []
    hbimg.apart("ingest", folder, "--table", "t", "-w", workers)
    assert len(hbimg("ls", "--table", "t", "--json").json) == 60
    hbimg.assert_sound()


def _alive_in_session(session):
    alive = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == session and fields[0] != "Z":
            alive.append(path.parent.name)
    return alive


@pytest.mark.slow
def test_kill_at_random_moments(hbimg, tmp_path, image):
    """kill -9 at any moment, and again, and again; then everything is there once."""
    folder = tmp_path / "in"
    folder.mkdir()
    files = {f"x{seed:02d}.nii": image(seed, (200, 200, 5)) for seed in range(40)}
    for name, data in files.items():
        (folder / name).write_bytes(data)
    random = np.random.default_rng(3)
    for _ in range(12):
        process = hbimg.start("ingest", folder, "--table", "t", "-w", 2, start_new_session=True)
        time.sleep(0.3 + random.random())
        process.kill()
        process.communicate(timeout=60)
        end = time.monotonic() + 20
        while _alive_in_session(process.pid) and time.monotonic() < end:
            time.sleep(0.02)
        assert _alive_in_session(process.pid) == [], "workers outlive the parent"
        if (hbimg.folder / "store" / "t").exists():
            checked = hbimg("verify", "--table", "t", "--json").json
            assert [item for item in checked["volumes"] if item["faults"]] == []
    hbimg.apart("ingest", folder, "--table", "t", "-w", 2)
    assert hbimg.exported() == files
    hbimg.assert_sound()


@pytest.mark.slow
def test_two_ingests_of_one_folder_at_once(hbimg, tmp_path, image):
    folder = tmp_path / "in"
    folder.mkdir()
    files = {f"x{seed:02d}.nii": image(seed, (200, 200, 5)) for seed in range(20)}
    for name, data in files.items():
        (folder / name).write_bytes(data)
    started = [hbimg.start("ingest", folder, "--table", "t", "-w", 2) for _ in range(3)]
    for process in started:
        _, err = process.communicate(timeout=60)
        assert process.returncode in (0, 1), err
        assert "Traceback" not in err, err
        others = [line for line in err.splitlines() if "is being written by process" not in line]
        assert all(line.startswith("table t:") for line in others), err
    assert hbimg.exported() == files
    hbimg.assert_sound()


@pytest.mark.slow
def test_full_disk(hbimg, tmp_path, image):
    """The disk fills up in the middle; space is freed, and the same command again does the rest."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", disk], capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.strip()}")
    try:
        ballast = disk / "ballast"
        ballast.write_bytes(bytes(6 << 20))
        folder = tmp_path / "in"
        folder.mkdir()
        files = {f"x{seed:02d}.nii": image(seed, (200, 200, 5)) for seed in range(15)}
        for name, data in files.items():
            (folder / name).write_bytes(data)
        hbimg.environment["HBIMG_STORE"] = f"local://{disk}/store"
        for workers in (1, 2):
            said = hbimg.apart("ingest", folder, "--table", "t", "-w", workers, code=1)
            assert "no space left" in said.line_with("hbimg: ")
            listed = hbimg("ls", "--table", "t", "--json").json
            assert 0 < len(listed) < 15
            checked = hbimg("verify", "--table", "t", "--json").json
            assert [item for item in checked["volumes"] if item["faults"]] == []
        ballast.unlink()
        hbimg.apart("ingest", folder, "--table", "t", "-w", 1)
        assert hbimg.exported() == files
        hbimg.assert_sound()
    finally:
        subprocess.run(["umount", "-l", disk], check=True)
