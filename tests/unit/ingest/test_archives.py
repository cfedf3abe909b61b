"""Archives of a study: members go in and come out as files, hostile ones are refused on one line."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile

import pytest

from hbimg.ingest import archives
from hbimg.testing.dicom_series import SyntheticSeries, write_series


def members(folder):
    """A study: a series, a gzipped series, a text."""
    write_series(folder / "study" / "a", SyntheticSeries(planes=4))
    for path in write_series(folder / "study" / "b", SyntheticSeries(planes=5, uid=2)):
        path.with_suffix(".dcm.gz").write_bytes(gzip.compress(path.read_bytes(), mtime=0))
        path.unlink()
    (folder / "study" / "README").write_text("nothing to see")
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def pack(path, files):
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as zipped:
            for name, data in files.items():
                zipped.writestr(name, data)
        return
    with tarfile.open(path, {".tar": "w", ".tgz": "w:gz", ".xz": "w:xz", ".bz2": "w:bz2"}[path.suffix]) as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))


@pytest.mark.parametrize("name", ["s.zip", "s.tar", "s.tgz", "s.tar.xz", "s.tar.bz2", "s.dcm.zip"])
def test_members_come_back_as_they_were(hbimg, tmp_path, name):
    files = members(tmp_path / "plain")
    folder = hbimg.folder / "in"
    folder.mkdir()
    pack(folder / name, files)
    said = hbimg("ingest", folder, "--table", "t")
    assert "2 stored" in said.err
    assert "1 left alone" in said.err
    images = {f"{name}/{inside}": data for inside, data in files.items() if not inside.endswith("README")}
    assert hbimg.exported() == images
    assert "2 present" in hbimg("ingest", folder / name, "--table", "t").err


def test_the_temporary_folder_is_gone(hbimg, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "scratch"))
    (tmp_path / "scratch").mkdir()
    folder = hbimg.folder / "in"
    folder.mkdir()
    pack(folder / "s.zip", members(tmp_path / "plain"))
    hbimg("ingest", folder, "--table", "t")
    hbimg("ingest", folder, "--table", "u", "--dry-run")
    assert list((tmp_path / "scratch").iterdir()) == []


def test_messages_name_the_archive_and_not_the_temporary_folder(hbimg, tmp_path):
    files = members(tmp_path / "plain")
    names = sorted(name for name in files if "/a/" in name)
    files[names[1]] = files[names[1]][:-40]
    folder = hbimg.folder / "in"
    folder.mkdir()
    pack(folder / "s.zip", files)
    line = hbimg("ingest", folder, "--table", "t", code=1).line_with("refused: ")
    assert f"s.zip/{names[1]}" in line
    assert "hbimg-ingest" not in line


def test_an_archive_without_an_image_is_left_alone(hbimg):
    folder = hbimg.folder / "in"
    write_series(folder)
    pack(folder / "table.zip", {"xl/sheet.xml": b"<xml/>", "inner.bin": b"PK\x03\x04 another"})
    said = hbimg("ingest", folder, "--table", "t")
    assert ("1 stored" in said.err, "1 left alone" in said.err) == (True, True)


def test_an_archive_inside_an_archive_is_refused(hbimg, tmp_path):
    folder = hbimg.folder / "in"
    folder.mkdir()
    pack(tmp_path / "inner.zip", {"x": b"y"})
    pack(folder / "s.zip", {**members(tmp_path / "plain"), "inner.zip": (tmp_path / "inner.zip").read_bytes()})
    assert "unpack the outer one first" in hbimg("ingest", folder, "--table", "t", code=1).line_with("inner.zip")


@pytest.mark.parametrize("kind", ["zip", "tar"])
@pytest.mark.parametrize("name", ["../x.dcm", "/etc/x.dcm", "a/../../x.dcm", "..\\x.dcm", "C:\\x.dcm"])
def test_a_name_that_leads_out_refuses_the_archive(hbimg, tmp_path, kind, name):
    folder = hbimg.folder / "in"
    folder.mkdir()
    pack(folder / f"s.{kind}", {**members(tmp_path / "plain"), name: b"x"})
    line = hbimg("ingest", folder, "--table", "t", code=1).line_with("refused: ")
    assert "leads out of it" in line
    assert not (hbimg.folder / "x.dcm").exists()


def test_other_hostile_archives(hbimg, tmp_path, monkeypatch):
    folder = hbimg.folder / "in"
    folder.mkdir()
    files = members(tmp_path / "plain")

    def refused(words, code=1):
        assert words in hbimg("ingest", folder, "--table", "t", code=code).line_with("refused: ")

    with zipfile.ZipFile(folder / "s.zip", "w") as zipped:
        zipped.writestr("a.dcm", files["study/a/01-0001.dcm"])
        with pytest.warns(UserWarning, match="Duplicate"):
            zipped.writestr("a.dcm", files["study/a/01-0001.dcm"])
    refused("two members called 'a.dcm'")
    pack(folder / "s.zip", {"a": b"x", "a/b": b"y"})
    refused("two members called 'a/b'")
    pack(folder / "s.zip", files)
    data = (folder / "s.zip").read_bytes()
    (folder / "s.zip").write_bytes(data[: len(data) // 2])
    refused("is a broken archive")
    (folder / "s.zip").write_bytes(data[:300] + bytes(200) + data[500:])
    refused("is a broken archive")
    monkeypatch.setattr(archives, "FREE_BYTES", 0)
    pack(folder / "s.zip", {"a.dcm": bytes(50 << 20)})
    refused("unpacks to more than")
    monkeypatch.setattr(archives, "MOST_MEMBERS", 3)
    pack(folder / "s.zip", files)
    refused("more than 3 members")


def test_links_and_devices_in_a_tar_are_passed_over(hbimg, tmp_path):
    folder = hbimg.folder / "in"
    folder.mkdir()
    files = members(tmp_path / "plain")
    with tarfile.open(folder / "s.tar", "w") as tar:
        for name, kind in (("link", tarfile.SYMTYPE), ("hard", tarfile.LNKTYPE), ("pipe", tarfile.FIFOTYPE)):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            tar.addfile(info)
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    hbimg("ingest", folder, "--table", "t")
    assert all("passwd" not in name and name.startswith("s.tar/study/") for name in hbimg.exported())


def test_an_encrypted_zip_says_so(hbimg, tmp_path):
    folder = hbimg.folder / "in"
    folder.mkdir()
    pack(folder / "s.zip", members(tmp_path / "plain"))
    data = bytearray((folder / "s.zip").read_bytes())
    at = data.index(b"PK\x01\x02")
    data[at + 8] |= 1
    (folder / "s.zip").write_bytes(data)
    assert "is encrypted" in hbimg("ingest", folder, "--table", "t", code=1).line_with("s.zip")
