"""As a user does it: real images into HBase with hbimg's commands, looked at, exported and compared byte for byte."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path

import nibabel.testing
import pydicom.data
import pytest

from hbimg.rowkeys import KeyRange
from hbimg.store import open_store

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]

NIFTI = ["anatomical.nii", "example4d.nii.gz", "functional.nii"]


def hbimg(*arguments, fails=False):
    """Run hbimg in a process of its own; its standard output."""
    done = subprocess.run(["hbimg", *map(str, arguments)], capture_output=True, text=True, timeout=300)
    assert (done.returncode != 0) == fails, f"hbimg {arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stderr
    return done.stderr if fails else done.stdout


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """Images that nibabel and pydicom carry with them: three NIfTI files, a CT series of five planes."""
    folder = tmp_path_factory.mktemp("images")
    for name in NIFTI:
        subject = folder / "nifti" / f"sub-{name.split('.')[0]}"
        subject.mkdir(parents=True)
        shutil.copy(Path(nibabel.testing.data_path) / name, subject)
    root = Path(pydicom.data.get_testdata_file("DICOMDIR")).parent
    shutil.copytree(root / "98892001/CT5N", folder / "dicom")
    return folder


def hashes(folder):
    return sorted(hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*") if path.is_file())


@pytest.fixture
def stores(cluster, tmp_path, table_name):
    urls = [f"hbase://{cluster.head}", f"local://{tmp_path}/local"]
    yield urls
    for url in urls:
        with open_store(url) as store:
            if table_name in store.tables():
                store.drop_table(table_name)


def test_images_come_back_as_they_went_in(images, stores, table_name, tmp_path):
    listings = {}
    for number, url in enumerate(stores):
        where = ["--store", url, "--table", table_name]
        hbimg("ingest", images, *where, "--project", "demo", "--workers", "2")
        listings[url] = json.loads(hbimg("ls", *where, "--json"))
        hbimg("verify", *where)
        hbimg("export", *where, "--to", tmp_path / f"out{number}")
        assert table_name in hbimg("tables", "--store", url)
    over_hbase, embedded = (hashes(tmp_path / f"out{number}") for number in (0, 1))
    assert over_hbase == embedded
    assert len(over_hbase) > len(NIFTI)
    assert set(over_hbase) <= set(hashes(images))
    assert {hashlib.sha256((Path(nibabel.testing.data_path) / name).read_bytes()).hexdigest() for name in NIFTI} <= set(
        over_hbase
    )
    first, second = ([_without_times(line) for line in listings[url]] for url in stores)
    assert first == second


T1 = Path(os.environ.get("HBIMG_TEST_DATA", Path(__file__).parents[2] / "../shared/data")) / "t1-structural" / "dicoms"


@pytest.mark.skipif(not T1.is_dir(), reason="no reference data: set HBIMG_TEST_DATA to their folder")
def test_a_t1_series_comes_back_as_it_went_in(stores, table_name, tmp_path):
    """A whole brain, plane by plane, as a scanner wrote it."""
    where = ["--store", stores[0], "--table", table_name]
    hbimg("ingest", T1, *where, "--project", "t1", "--workers", "2")
    (listed,) = json.loads(hbimg("ls", *where, "--json"))
    assert listed["files"] == len(list(T1.iterdir()))
    hbimg("export", *where, "--to", tmp_path / "files")
    assert hashes(tmp_path / "files") == hashes(T1)


def _without_times(listing):
    """A volume's line without what differs between two ingests of the same files."""
    return {name: value for name, value in listing.items() if name not in ("generation", "ingested_at", "stored_at")}


def test_pixels_and_results_are_the_same_bytes_as_in_the_embedded_store(images, stores, table_name):
    """Frames and files cell by cell; row keys hold a generation, which is each ingest's own."""
    payloads = []
    for url in stores:
        where = ["--store", url, "--table", table_name]
        hbimg("ingest", images / "nifti", *where, "--project", "demo")
        hbimg("run", "compress", *where, "--engine", "local")  # on YARN: test_yarn_engine.py
        with open_store(url) as store:
            rows = list(store.table(table_name).scan(KeyRange(), ["i", "h", "r"]))
            # The last 8 bytes are the checksum, which is seeded with the row key.
            payloads.append(sorted(bytes(cell)[:-8] for row in rows for cell in row.cells.values()))
    assert payloads[0] == payloads[1]
    assert len(payloads[0]) > 20


def test_volumes_are_shown_and_removed(images, stores, table_name):
    where = ["--store", stores[0], "--table", table_name]
    hbimg("ingest", images / "nifti", *where, "--project", "demo")
    keys = [line["key"] for line in json.loads(hbimg("ls", *where, "--json"))]
    assert len(keys) == len(NIFTI)
    assert hbimg("show", *where, keys[0])
    hbimg("rm", *where, keys[0], "--yes")
    assert [line["key"] for line in json.loads(hbimg("ls", *where, "--json"))] == keys[1:]
    through_thrift = ["--store", f"{stores[0]}?client=thrift", "--table", table_name]
    assert "major_compact" in hbimg("rm", *through_thrift, keys[1], "--yes", "--purge", fails=True)
    assert [line["key"] for line in json.loads(hbimg("ls", *where, "--json"))] == keys[1:]
    hbimg("rm", *where, keys[1], "--yes", "--purge")
    assert [line["key"] for line in json.loads(hbimg("ls", *where, "--json"))] == keys[2:]
    hbimg("tables", "--store", stores[0], "--drop", table_name, "--yes")
    assert table_name in hbimg("ls", *where, fails=True)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("hbase://{head}:9999?client=thrift", "nothing listens"),
        ("hbase://{head}:9870?timeout_s=5&client=thrift", "does not speak"),
        ("hbase://nowhere.invalid", "no host"),
        ("hbase://{head}?timeout=5", "unknown option"),
    ],
)
def test_a_wrong_address_is_one_line(cluster, url, said):
    message = hbimg("tables", "--store", url.format(head=cluster.head), fails=True)
    assert said in message
    assert len(message.strip().splitlines()) == 1


def test_a_table_of_others_is_one_line(stores, table_name, thrift, cluster):
    thrift(cluster.workers[0]).create_table(table_name, {"i": {}})
    for command in ("ls", "verify"):
        message = hbimg(command, "--store", stores[0], "--table", table_name, fails=True)
        assert "not hbimg's" in message
        assert len(message.strip().splitlines()) == 1


def test_a_profile_names_the_store(cluster, tmp_path, monkeypatch):
    config = tmp_path / "config.toml"
    config.write_text(f'default = "lab"\n[profiles.lab]\nstore = "hbase://{cluster.head}"\n')
    monkeypatch.setitem(os.environ, "HBIMG_CONFIG", str(config))
    hbimg("tables", "--json")
