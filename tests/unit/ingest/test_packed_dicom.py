"""DICOM files that are gzipped or deflated: stored as the planes in them, given back as they were, converted."""

from __future__ import annotations

import gzip

import numpy as np
import pytest

from hbimg.testing.dicom_series import SyntheticSeries, write_series

DEFLATED = "1.2.840.10008.1.2.1.99"
SERIES = SyntheticSeries(planes=4)


def write(folder, kind):
    syntax = DEFLATED if kind == "deflated" else "1.2.840.10008.1.2.1"
    paths = write_series(folder, SyntheticSeries(planes=4, transfer_syntax=syntax))
    if kind == "gzipped":
        for path in paths:
            path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes(), mtime=0))
            path.unlink()


@pytest.mark.parametrize("stream", ["keep", "reproduce"])
@pytest.mark.parametrize("kind", ["gzipped", "deflated"])
def test_packed_series(hbimg, kind, stream):
    folder = hbimg.folder / "in"
    write(folder, kind)
    hbimg("ingest", folder, "--table", "t", "--gzip-stream", stream)
    (record,) = hbimg("ls", "--table", "t", "--json").json
    assert (record["kind"], record["shape"]) == ("volume", [10, 12, 4])
    assert hbimg.exported() == {path.name: path.read_bytes() for path in folder.iterdir()}
    for job in ("compress", "dicom2nifti"):
        hbimg("run", job, "--table", "t", "--workers", "1")
        hbimg("export", "--table", "t", "--result", job, "--to", hbimg.folder / job)
        (path,) = (hbimg.folder / job).rglob("*.nii.gz")
        import nibabel

        image = np.asanyarray(nibabel.load(path).dataobj)
        np.testing.assert_array_equal(image[:, ::-1, 2].T, SERIES.pixels(2))
    hbimg("verify", "--table", "t")


@pytest.mark.parametrize("kind", ["gzipped", "deflated"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_a_packed_file_that_was_cut_is_refused_on_one_line(hbimg, kind, share):
    folder = hbimg.folder / "in"
    write(folder, kind)
    path = sorted(folder.iterdir())[2]
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    assert hbimg("ingest", folder, "--table", "t", code=1).line_with(path.name).startswith("refused: ")


def test_a_bomb_is_refused(hbimg, monkeypatch):
    monkeypatch.setattr("hbimg.ingest.dicom.deflated.MAX_UNPACKED_BYTES", 1 << 20)
    folder = hbimg.folder / "in"
    write(folder, "gzipped")
    path = sorted(folder.iterdir())[0]
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()) + bytes(8 << 20)))
    assert "unpacks to more than 1 MiB" in hbimg("ingest", folder, "--table", "t", code=1).line_with(path.name)
