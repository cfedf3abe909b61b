"""Planes laid out as NIfTI equal what dcm2niix makes of the same files: voxels, shape and affine."""

from __future__ import annotations

import subprocess
import tracemalloc

import dcm2niix
import nibabel
import numpy as np
import pydicom
import pytest

from hbimg.errors import VolumeError
from hbimg.ingest.dicom import candidates, read_facts
from hbimg.testing.dicom_series import AXIAL, CORONAL, SAGITTAL, SyntheticSeries, write_series
from hbimg.volumes.decoding import decode_planes, native_planes
from hbimg.volumes.nifti_image import nifti_of, planes_as_nifti

ORIENTATIONS = {
    "axial": AXIAL,
    "sagittal": SAGITTAL,
    "coronal": CORONAL,
    "prone": (-1.0, 0.0, 0.0, 0.0, -1.0, 0.0),
    "mirrored axial": (-1.0, 0.0, 0.0, 0.0, 1.0, 0.0),
    "mirrored sagittal": (0.0, -1.0, 0.0, 0.0, 0.0, -1.0),
    "oblique": (0.8, 0.6, 0.0, 0.0, 0.0, -1.0),
}

JPEG_LS, J2K, RLE, BIG = (
    "1.2.840.10008.1.2.4.80",
    "1.2.840.10008.1.2.4.90",
    "1.2.840.10008.1.2.5",
    "1.2.840.10008.1.2.2",
)


def ours(paths):
    (candidate,) = candidates([read_facts(path) for path in paths])
    frames = [
        file.path.read_bytes()[run.offset : run.offset + run.length] for file in candidate.files for run in file.runs
    ]
    return nifti_of(decode_planes(frames, candidate.encoding), candidate.geometry, candidate.encoding)


def theirs(folder, out):
    out.mkdir()
    subprocess.run(
        [dcm2niix.bin, "-z", "n", "-b", "n", "-o", out, "-f", "image", folder], check=True, capture_output=True
    )
    (path,) = out.glob("*.nii")
    return nibabel.load(path)


def assert_equal(folder, out, paths, affine_mm=1e-4):
    mine, image = ours(paths), theirs(folder, out)
    values = mine.array * np.float64(mine.slope) + mine.intercept
    assert values.shape == image.shape
    np.testing.assert_allclose(values, np.asarray(image.dataobj), rtol=1e-6)
    np.testing.assert_allclose(mine.affine, image.affine, atol=affine_mm)


@pytest.mark.parametrize("name", ORIENTATIONS)
@pytest.mark.parametrize("acquired", ["2D", "3D"])
def test_orientations(tmp_path, name, acquired):
    series = SyntheticSeries(orientation=ORIENTATIONS[name], planes=6)
    numbers = lambda plane, _: {"InstanceNumber": 6 - plane}  # noqa: E731
    paths = write_series(tmp_path / "in", series, numbers, MRAcquisitionType=acquired)
    assert_equal(tmp_path / "in", tmp_path / "out", paths)


@pytest.mark.parametrize("syntax", [JPEG_LS, J2K, RLE, BIG])
def test_transfer_syntaxes(tmp_path, syntax):
    paths = write_series(tmp_path / "in", SyntheticSeries(planes=5, rows=32, columns=32, transfer_syntax=syntax))
    assert_equal(tmp_path / "in", tmp_path / "out", paths)


def test_repetitions(tmp_path):
    series = SyntheticSeries(planes=4, times=3)
    paths = write_series(tmp_path / "in", series, lambda _, t: {"AcquisitionTime": f"1200{t:02d}"})
    assert_equal(tmp_path / "in", tmp_path / "out", paths)


@pytest.mark.parametrize("slopes", [[2.5] * 8, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]])
def test_scales(tmp_path, slopes):
    scale = lambda plane, _: {"RescaleSlope": slopes[plane], "RescaleIntercept": -3}  # noqa: E731
    assert_equal(tmp_path / "in", tmp_path / "out", write_series(tmp_path / "in", each=scale))


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2.1", BIG, RLE])
@pytest.mark.parametrize("is_signed", [0, 1])
def test_bits_above_the_stored_ones_are_no_part_of_a_value(tmp_path, is_signed, syntax):
    """Of 12 stored in 16 allocated bits the upper four may hold an overlay, and repeat no sign."""
    series = SyntheticSeries(planes=5, rows=32, columns=32, transfer_syntax=syntax)
    overlay = lambda plane, _: {"PixelData": (series.pixels(plane) | (plane << 12)).astype("<u2").tobytes()}  # noqa: E731
    paths = write_series(tmp_path / "in", series, overlay, PixelRepresentation=is_signed)
    expected = np.concatenate([series.pixels(plane) for plane in range(5)]).reshape(5, 32, 32).astype(np.int32)
    expected -= 4096 * (expected >= 2048) * is_signed
    np.testing.assert_array_equal(ours(paths).array, expected.T[:, ::-1])
    assert_equal(tmp_path / "in", tmp_path / "out", paths)


@pytest.mark.parametrize(("syntax", "rows"), [(JPEG_LS, 65535), (RLE, 65535), (RLE, 3000)])
def test_a_header_that_promises_more_than_its_frames_hold_takes_no_memory(tmp_path, syntax, rows):
    paths = write_series(tmp_path, SyntheticSeries(planes=300, rows=32, columns=32, transfer_syntax=syntax))
    for path in paths:
        dataset = pydicom.dcmread(path)
        dataset.Rows = dataset.Columns = rows
        dataset.save_as(path)
    tracemalloc.start()
    words = "frame 0 promises 8,191 MiB when decoded" if rows == 65535 else "frame 0 cannot be decoded"
    with pytest.raises(VolumeError, match=words):
        ours(paths)
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak_bytes < 200 << 20


def test_a_volume_larger_than_memory_is_said(tmp_path, monkeypatch):
    paths = write_series(tmp_path, SyntheticSeries(planes=4))

    def empty(shape, dtype):
        raise MemoryError

    monkeypatch.setattr("hbimg.volumes.decoding.np.empty", empty)
    with pytest.raises(VolumeError, match=r"4 decoded planes take 0\.0 GiB, more memory than there is"):
        ours(paths)


def test_native_planes_are_not_copied(tmp_path):
    paths = write_series(tmp_path)
    (candidate,) = candidates([read_facts(path) for path in paths])
    samples = b"".join(
        file.path.read_bytes()[run.offset :][: run.length] for file in candidate.files for run in file.runs
    )
    planes = native_planes(samples, candidate.encoding)
    array, _ = planes_as_nifti(planes, candidate.geometry)
    assert np.shares_memory(array, np.frombuffer(samples, "u1"))
    np.testing.assert_array_equal(planes, decode_planes([plane.tobytes() for plane in planes], candidate.encoding))


def test_planes_that_do_not_fill_the_volume(tmp_path):
    (candidate,) = candidates([read_facts(path) for path in write_series(tmp_path)])
    with pytest.raises(VolumeError, match=r"7 planes do not fill a volume of shape \(10, 12, 8\)"):
        planes_as_nifti(np.zeros((7, 12, 10), "<u2"), candidate.geometry)


@pytest.mark.parametrize("syntax", [JPEG_LS, J2K, RLE])
def test_a_damaged_frame_is_named(tmp_path, syntax):
    paths = write_series(tmp_path, SyntheticSeries(planes=1, rows=32, columns=32, transfer_syntax=syntax))
    (candidate,) = candidates([read_facts(path) for path in paths])
    damaged = b"\xfe\xff\x00\xe0\x10\0\0\0" + b"\x01" * 16
    with pytest.raises(VolumeError, match="frame 0 cannot be decoded") as caught:
        decode_planes([damaged], candidate.encoding)
    assert "\n" not in str(caught.value)
