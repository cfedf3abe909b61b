"""`hbimg.open` and `hbimg.volumes`: what nibabel gives of the file, and no more rows read than asked for."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import subprocess
import sys
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import nibabel
import numpy as np
import pytest
from click.testing import CliRunner
from loaders import mean_of

import hbimg
from hbimg.access import sessions
from hbimg.cli import cli
from hbimg.errors import ConfigError, TableNotFoundError, VolumeChangedError, VolumeError, VolumeNotFoundError
from hbimg.model import VolumeKey
from hbimg.store import open_store
from hbimg.store.local import LocalTable
from hbimg.testing.dicom_series import SAGITTAL, SyntheticSeries, write_series
from hbimg.testing.volumes import nifti_content, smooth_voxels, store_volumes
from hbimg.volumes import VolumeTable, store_content

SHAPE = (40, 30, 12)


@pytest.fixture
def url(tmp_path, monkeypatch):
    """An embedded store with table ``t`` of three volumes, chosen by the environment."""
    url = f"local://{tmp_path}/store"
    monkeypatch.setenv("HBIMG_STORE", url)
    monkeypatch.setenv("HBIMG_CONFIG", str(tmp_path / "none.toml"))
    with open_store(url) as store:
        store_volumes(VolumeTable.create(store, "t"), 3, SHAPE)
    yield url
    sessions.close_idle()


@pytest.fixture
def rows(monkeypatch):
    """Counts the rows that scans and gets give, by the letter of what they hold."""
    counted: Counter[str] = Counter()
    scan, get = LocalTable.scan, LocalTable.get

    def kind(row: bytes) -> str:
        return chr(row.rpartition(b"T1w,")[2][0]) if row.rpartition(b"T1w,")[2] else "volume"

    def counting_scan(table, *arguments):
        for row in scan(table, *arguments):
            counted[kind(row.key)] += 1
            yield row

    def counting_get(table, row):
        counted[kind(row)] += 1
        return get(table, row)

    monkeypatch.setattr(LocalTable, "scan", counting_scan)
    monkeypatch.setattr(LocalTable, "get", counting_get)
    return counted


def address(number: int) -> str:
    return f"hbimg://t/made/sub-{number // 2:03d}/ses-{number % 2}/T1w"


def ingest(tmp_path, *paths, table: str) -> list[hbimg.access.Volume]:
    done = CliRunner().invoke(cli, ["ingest", *map(str, paths), "--table", table, "-w", "1"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return list(hbimg.volumes(table))


@pytest.mark.parametrize("number", [0, 2])  # a plain file, and a gzipped one
def test_slices_are_read_when_they_are_asked_for(url, rows, number):
    expected = smooth_voxels(SHAPE, seed=number)
    image = hbimg.open(address(number))
    assert (image.shape, image.get_data_dtype()) == (SHAPE, np.dtype("<i2"))
    assert rows["i"] == 0
    assert np.array_equal(image.dataobj[:, :, 7], expected[:, :, 7])
    assert rows["i"] == 1
    assert np.array_equal(image.dataobj[3:9, 4, 2:5], expected[3:9, 4, 2:5])
    assert rows["i"] == 4
    assert np.array_equal(image.slicer[:, :, 4:6].get_fdata(), expected[:, :, 4:6])
    rows.clear()
    assert np.array_equal(image.get_fdata(), expected)
    assert rows["i"] == SHAPE[2]
    assert rows["f"] == 0  # nor was the header read again, nor a kept gzip stream at any time


@pytest.mark.parametrize("index", [np.s_[5], np.s_[:, 11], np.s_[1:3, 2, ::3], np.s_[..., -1], np.s_[0, 0, 0]])
def test_a_slice_across_the_planes_reads_each_row_once(url, rows, index):
    expected = smooth_voxels(SHAPE, seed=1)
    image = hbimg.open(address(1))
    assert np.array_equal(image.dataobj[index], expected[index])
    assert rows["i"] <= SHAPE[2]


def nifti_file(path: Path, kind: type, dtype: str, shape: tuple[int, ...], endian: str = "<") -> Path:
    header = kind.header_class(endianness=endian)
    header.set_data_dtype(np.dtype(dtype).newbyteorder(endian))
    array = np.random.default_rng(1).integers(0, 200, shape).astype(dtype)
    image = kind(array, np.diag([2.0, 3.0, 4.0, 1.0]), header)
    image.header.set_xyzt_units("mm", "sec")
    image.header["descrip"] = b"made up"
    if np.dtype(dtype).kind == "i":
        image.header.set_slope_inter(2.5, -3)
    nibabel.save(image, path)
    return path


@pytest.mark.parametrize(
    ("name", "kind", "dtype", "shape", "endian"),
    [
        ("plain.nii", nibabel.Nifti1Image, "i2", (9, 8, 7), "<"),
        ("big-endian.nii", nibabel.Nifti1Image, "i4", (9, 8, 7), ">"),
        ("packed.nii.gz", nibabel.Nifti1Image, "f4", (9, 8, 7, 3), "<"),
        ("second.nii", nibabel.Nifti2Image, "u1", (9, 8, 7), "<"),
        ("second-packed.nii.gz", nibabel.Nifti2Image, "c8", (5, 4, 3, 1, 2), "<"),
        ("flat.nii", nibabel.Nifti1Image, "f8", (9, 8), "<"),
        ("pair.img", nibabel.Nifti1Pair, "i2", (9, 8, 7), "<"),
    ],
)
def test_a_nifti_volume_is_what_nibabel_loads(url, tmp_path, name, kind, dtype, shape, endian):
    (tmp_path / "in").mkdir()
    path = nifti_file(tmp_path / "in" / name, kind, dtype, shape, endian)
    (volume,) = ingest(tmp_path, tmp_path / "in", table="n")
    image, expected = volume.open(), nibabel.load(path)
    assert type(image) is type(expected)
    assert image.header.binaryblock == expected.header.binaryblock
    assert np.array_equal(image.affine, expected.affine)
    assert np.array_equal(np.asanyarray(image.dataobj), np.asanyarray(expected.dataobj))
    assert np.array_equal(image.dataobj.get_unscaled(), expected.dataobj.get_unscaled())
    assert (image.dataobj.slope, image.dataobj.inter) == (expected.dataobj.slope, expected.dataobj.inter)
    image.to_filename(tmp_path / f"again-{name}")
    again = np.asanyarray(nibabel.load(tmp_path / f"again-{name}").dataobj)
    assert np.allclose(again, np.asanyarray(expected.dataobj), atol=0.01)  # nibabel scales anew when it saves


@pytest.mark.parametrize("times", [1, 3])
@pytest.mark.parametrize("syntax", [None, "1.2.840.10008.1.2.5"])
def test_a_dicom_volume_has_the_voxels_and_affine_of_its_planes(url, tmp_path, rows, times, syntax):
    series = SyntheticSeries(planes=5, times=times, orientation=SAGITTAL)
    each = lambda _, t: {"TemporalPositionIdentifier": t + 1}  # noqa: E731
    paths = write_series(tmp_path / "in", series, each=each, RescaleSlope=2, RescaleIntercept=-1)
    if syntax:
        import pydicom

        for path in paths:
            dataset = pydicom.dcmread(path)
            dataset.compress(syntax)
            dataset.save_as(path)
    (volume,) = ingest(tmp_path, tmp_path / "in", table="d")
    image = volume.open()
    rows.clear()
    plane = image.dataobj[:, :, 2] if times == 1 else image.dataobj[:, :, 2, times - 1]
    assert sum(count for name, count in rows.items() if name != "volume") <= 1
    assert np.array_equal(plane, series.pixels(2, times - 1).T * 2.0 - 1)
    with open_store(url) as store:
        from hbimg.volumes import VolumeReader
        from hbimg.volumes.voxels import voxels

        table = VolumeTable.open(store, "d")
        assert np.array_equal(image.dataobj.get_unscaled(), voxels(VolumeReader(table, volume.record)))
    assert np.allclose(image.affine, volume.record.geometry.affine, atol=1e-5)
    assert volume.header()["00080060"]["Value"] == ["MR"]


def test_bits_above_the_stored_ones_are_no_part_of_a_value(url, tmp_path):
    series = SyntheticSeries(planes=4)
    overlay = lambda k, _: {"PixelData": (series.pixels(k) | 0x5000).astype("<u2").tobytes()}  # noqa: E731
    write_series(tmp_path / "in", series, each=overlay)
    (volume,) = ingest(tmp_path, tmp_path / "in", table="d")
    image = volume.open()
    with open_store(url) as store:
        from hbimg.volumes import VolumeReader
        from hbimg.volumes.voxels import voxels

        whole = voxels(VolumeReader(VolumeTable.open(store, "d"), volume.record))
    for k in range(4):
        assert np.array_equal(image.dataobj[:, :, k], series.pixels(k).T)
        assert np.array_equal(whole[:, :, k], series.pixels(k).T)


def test_planes_with_scales_of_their_own(url, tmp_path):
    series = SyntheticSeries(planes=4)
    write_series(tmp_path / "in", series, each=lambda k, _: {"RescaleSlope": k + 1, "RescaleIntercept": 10 * k})
    (volume,) = ingest(tmp_path, tmp_path / "in", table="d")
    found = volume.open().get_fdata()
    for k in range(4):
        assert np.array_equal(found[:, :, k], series.pixels(k, 0).T * (k + 1.0) + 10 * k)


def test_volumes_are_listed_in_order_and_by_patterns(url):
    assert [volume.url for volume in hbimg.volumes("t")] == [address(number) for number in range(3)]
    (volume,) = hbimg.volumes("t", "subject=sub-000 session=ses-1")
    assert volume.key == VolumeKey("made", "sub-000", "ses-1", "T1w")
    assert (volume.results, volume.record.geometry.shape) == ((), SHAPE)
    assert list(hbimg.volumes("t", "subject=nobody")) == []
    assert len(list(hbimg.volumes("t", store=url))) == 3


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("hbimg://t/made/sub-000", ConfigError, "names no volume: give hbimg://TABLE/project"),
        ("hbimg://t/made/sub-000/ses-0/T1w/originals", ConfigError, "names no volume"),
        ("hbimg://t/made/sub-000/ses-0/T1w/frames/1", ConfigError, "names no volume"),
        ("s3://t/made/sub-000/ses-0/T1w", ConfigError, "is no address in a store"),
        ("hbimg://t/made/sub-000/ses-0/T2w", VolumeNotFoundError, "T2w"),
        ("hbimg://nothing/made/sub-000/ses-0/T1w", TableNotFoundError, "nothing"),
        ("hbimg://t/made/sub-000/ses-0/T1w/originals/other.nii", VolumeNotFoundError, "no original 'other.nii'"),
        ("hbimg://t/made/sub-000/ses-0/T1w/results/compress/T1w.nii.gz", VolumeNotFoundError, "no result 'compress'"),
    ],
)
def test_addresses_that_lead_nowhere(url, text, error, words):
    with pytest.raises(error) as caught:
        hbimg.open(text)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_series_that_was_set_aside_is_no_image(url, tmp_path):
    write_series(tmp_path / "in", SyntheticSeries(planes=1), ImageOrientationPatient=None, ImagePositionPatient=None)
    assert ingest(tmp_path, tmp_path / "in", table="d") == []
    with open_store(url) as store:
        (record,) = VolumeTable.open(store, "d").records()
    with pytest.raises(VolumeError, match=r"is no volume: .*its files have no position"):
        hbimg.open(f"hbimg://d/{record.key}")


def test_a_volume_that_was_replaced_is_told(url):
    image = hbimg.open(address(0))
    with open_store(url) as store:
        content = nifti_content(VolumeKey("made", "sub-000", "ses-0", "T1w"), smooth_voxels(SHAPE, seed=50))
        store_content(VolumeTable.open(store, "t"), content, replace=True)
    with pytest.raises(VolumeChangedError, match="the volume was replaced, so open it again"):
        image.get_fdata()
    assert np.array_equal(hbimg.open(address(0)).get_fdata(), smooth_voxels(SHAPE, seed=50))


@pytest.mark.parametrize("how", ["fork", "spawn"])
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_loaders_in_other_processes(url, how):
    """What PyTorch's DataLoader does: items are pickled or inherited, and opened in workers."""
    items = list(hbimg.volumes("t"))
    expected = [mean_of(item) for item in items]  # the store is open when the workers are forked
    with ProcessPoolExecutor(2, multiprocessing.get_context(how)) as pool:
        assert list(pool.map(mean_of, items)) == expected
    assert [mean_of(item) for item in items] == expected


def test_images_can_be_pickled(url):
    image = hbimg.open(address(0))
    assert np.array_equal(image.dataobj[:, :, 1], smooth_voxels(SHAPE, seed=0)[:, :, 1])
    again = pickle.loads(pickle.dumps(image.dataobj))
    assert np.array_equal(np.asanyarray(again), smooth_voxels(SHAPE, seed=0))


def test_many_threads_read_one_image(url):
    from concurrent.futures import ThreadPoolExecutor

    image = hbimg.open(address(0))
    with ThreadPoolExecutor(8) as threads:
        planes = list(threads.map(lambda k: np.array(image.dataobj[:, :, k % 12]), range(96)))
    assert all(np.array_equal(plane, smooth_voxels(SHAPE, seed=0)[:, :, k % 12]) for k, plane in enumerate(planes))


def test_stores_that_nobody_reads_are_let_go(url, monkeypatch):
    monkeypatch.setattr(sessions, "IDLE_S", 0.05)
    image = hbimg.open(address(0))
    import time

    end = time.monotonic() + 30
    while sessions._sessions:
        assert time.monotonic() < end
        time.sleep(0.02)
    with open_store(url) as store:
        store.drop_table("t")  # would wait for readers
    with pytest.raises(TableNotFoundError):
        image.get_fdata()


def test_import_loads_nothing_heavy():
    heavy = {"numpy", "nibabel", "click", "lmdb", "fsspec", "hbimg.access"}
    program = f"import hbimg, sys; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=os.environ)
    assert done.stdout == "[]\n"
    with pytest.raises(AttributeError, match="'hbimg' has no attribute 'nothing'"):
        hbimg.nothing  # noqa: B018
