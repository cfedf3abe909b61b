"""``hbimg://`` through fsspec: what is listed, what is read, and by whom: nibabel, pandas, walks and globs."""

from __future__ import annotations

import hashlib
import io
import re
from pathlib import Path

import fsspec
import nibabel
import numpy as np
import pytest
from click.testing import CliRunner

import hbimg
from hbimg.access import sessions
from hbimg.cli import cli
from hbimg.errors import StoreError
from hbimg.store import open_store
from hbimg.testing.dicom_series import SyntheticSeries, write_series
from hbimg.testing.volumes import smooth_voxels, store_volumes
from hbimg.volumes import VolumeTable

VOLUME = "t/made/sub-000/ses-0/T1w"


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A store with table ``t`` of three volumes with results, and ``d`` with a DICOM series."""
    url = f"local://{tmp_path}/store"
    monkeypatch.setenv("HBIMG_STORE", url)
    monkeypatch.setenv("HBIMG_CONFIG", str(tmp_path / "none.toml"))
    monkeypatch.setattr(
        "hbimg.mapreduce.run.run_processes", __import__("hbimg.mapreduce.local", fromlist=["x"]).run_inline
    )
    with open_store(url) as store:
        store_volumes(VolumeTable.create(store, "t"), 3)
    write_series(tmp_path / "in" / "a folder", SyntheticSeries(planes=6))
    for command in (
        ["ingest", str(tmp_path / "in"), "--table", "d", "-w", "1"],
        ["run", "compress", "--table", "t"],
        [
            "run",
            "exec",
            "--table",
            "t",
            "--",
            "sh",
            "-c",
            "mkdir {outdir}/deep; echo a,b > {outdir}/deep/t.csv; echo 1,2 >> {outdir}/deep/t.csv # {input}",
        ],
    ):
        done = CliRunner().invoke(cli, command, catch_exceptions=False)
        assert done.exit_code == 0, done.output
    yield tmp_path
    sessions.close_idle()


@pytest.fixture
def files(home):
    return fsspec.filesystem("hbimg", skip_instance_cache=True)


def test_folders_from_the_tables_down_to_the_files(files):
    assert files.ls("hbimg://", detail=False) == ["d", "t"]
    assert files.ls("t", detail=False) == ["t/made"]
    assert files.ls("t/made", detail=False) == ["t/made/sub-000", "t/made/sub-001"]
    assert files.ls(f"hbimg://{VOLUME}", detail=False) == [f"{VOLUME}/originals", f"{VOLUME}/results"]
    assert files.ls(f"{VOLUME}/originals", detail=False) == [f"{VOLUME}/originals/T1w.nii"]
    assert files.ls(f"{VOLUME}/results", detail=False) == [f"{VOLUME}/results/compress", f"{VOLUME}/results/exec"]
    assert files.ls(f"{VOLUME}/results/exec", detail=False) == [f"{VOLUME}/results/exec/deep"]
    assert files.isdir(f"{VOLUME}/results/exec/deep")
    assert files.isfile(f"{VOLUME}/results/exec/deep/t.csv")
    assert not files.exists(f"{VOLUME}/results/exec/other")
    assert files.glob("hbimg://t/*/*/*/*/results/compress/*.nii.gz") == [
        f"t/made/sub-00{n // 2}/ses-{n % 2}/T1w/results/compress/T1w.nii.gz" for n in range(3)
    ]
    assert len(files.find("hbimg://d")) == 6
    (series,) = files.glob("d/*/*/*/*")
    assert files.ls(f"{series}/results", detail=False) == []


def test_every_file_has_the_size_and_sha256_that_are_listed(files):
    for path, info in files.find("", detail=True).items():
        data = files.cat_file(path)
        assert (len(data), hashlib.sha256(data).hexdigest()) == (info["size"], info["sha256"])
        assert files.info(path)["type"] == "file"


def test_originals_come_back_also_in_ranges(files, home):
    originals = {path.read_bytes() for path in (home / "in").rglob("*") if path.is_file()}
    paths = files.find("d")
    assert {files.cat_file(path) for path in paths} == originals
    whole = files.cat_file(paths[2])
    for start, end in ((0, 10), (100, 2000), (len(whole) - 5, None), (0, None), (len(whole), None), (1, 1)):
        assert files.cat_file(paths[2], start=start, end=end) == whole[start:end]
    with files.open(paths[2]) as stream:
        stream.seek(-4, io.SEEK_END)
        assert stream.read() == whole[-4:]
        assert stream.read() == b""


def test_nibabel_reads_from_a_stream(files):
    with files.open(f"{VOLUME}/originals/T1w.nii") as stream:
        image = nibabel.Nifti1Image.from_stream(stream)
        assert np.array_equal(np.asanyarray(image.dataobj), smooth_voxels((16, 12, 5), seed=0))


def test_a_file_of_a_result_opens_as_an_image(home):
    image = hbimg.open(f"hbimg://{VOLUME}/results/compress/T1w.nii.gz")
    assert np.array_equal(np.asanyarray(image.dataobj), smooth_voxels((16, 12, 5), seed=0))
    image = hbimg.open(f"hbimg://{VOLUME}/originals/T1w.nii")
    assert np.array_equal(image.dataobj[..., 3], smooth_voxels((16, 12, 5), seed=0)[..., 3])


def test_pandas_reads_by_address(home):
    pandas = pytest.importorskip("pandas")
    table = pandas.read_csv(f"hbimg://{VOLUME}/results/exec/deep/t.csv")
    assert table.to_dict("list") == {"a": [1], "b": [2]}


def test_a_store_can_be_named(home, monkeypatch):
    url = f"local://{home}/store"
    monkeypatch.setenv("HBIMG_STORE", "local:///nowhere")
    with fsspec.open(f"hbimg://{VOLUME}/results/exec/deep/t.csv", "rt", store=url) as stream:
        assert stream.read() == "a,b\n1,2\n"


@pytest.mark.parametrize(
    "path",
    [
        "nothing",
        "t/nobody",
        "t/made/sub-000/ses-0/T2w",
        f"{VOLUME}/frames",
        f"{VOLUME}/originals/x",
        f"{VOLUME}/results/x/y",
    ],
)
def test_what_is_not_there(files, path):
    with pytest.raises(FileNotFoundError):
        files.ls(path)
    with pytest.raises(FileNotFoundError):
        files.open(path)


def test_what_cannot_be_done(files):
    with pytest.raises(IsADirectoryError):
        files.open("t/made")
    with pytest.raises(StoreError, match="cannot be written: `hbimg ingest`"):
        files.open(f"{VOLUME}/originals/new.nii", "wb")


def test_examples_of_the_documentation_run(home, monkeypatch):
    pytest.importorskip("pandas")
    page = (Path(__file__).parents[3] / "docs" / "python.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    assert len(blocks) >= 4
    monkeypatch.chdir(home)
    for block in blocks:
        if "import torch" in block:
            compile(block, "docs/python.md", "exec")
        else:
            shown = block.replace("t1/adhd/sub-01/ses-1/T1w", VOLUME)
            exec(shown.replace('"t1"', '"t"').replace("//t1", "//t"), {"__name__": "page"})
