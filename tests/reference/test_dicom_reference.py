"""Real series against the results that others made of them: outcome, voxels and affine."""

from __future__ import annotations

import os
from pathlib import Path

import nibabel
import numpy as np
import pytest

from hbimg.ingest.candidates import Outcome
from hbimg.ingest.dicom import candidates, is_dicom, read_facts
from hbimg.volumes.decoding import decode_planes
from hbimg.volumes.nifti_image import nifti_of

DATA = Path(os.environ.get("HBIMG_TEST_DATA", Path(__file__).parents[2] / "../shared/data")).resolve()

pytestmark = [
    pytest.mark.reference,
    pytest.mark.skipif(not DATA.is_dir(), reason="no reference data: set HBIMG_TEST_DATA to their folder"),
]

STORE, ASIDE, REFUSE = Outcome.STORE, Outcome.SET_ASIDE, Outcome.REFUSE
GENERIC, FAILING = "dicom2nifti/generic", "dicom2nifti/failing"

CLASSIC = {
    "t1-structural/dicoms": (274, 384, 384),
    "dcm_qa_nih/In/20180918GE/mr_0004": (64, 64, 15, 10),
    "dcm_qa_nih/In/20180918GE/mr_0005": (64, 64, 15, 10),
    "dcm_qa_nih/In/20180918GE/mr_0006": (64, 64, 15, 10),
    "dcm_qa_nih/In/20180918GE/mr_0007": (64, 64, 15, 10),
    f"{GENERIC}/anatomical/001": (256, 256, 4),
    f"{GENERIC}/anatomical/002_non_isotropic": (64, 28, 4),
    f"{GENERIC}/compressed/001": (256, 256, 4),
    f"{GENERIC}/compressed_j2k/001": (256, 256, 4),
    f"{GENERIC}/compressed_jpeg/001": (256, 256, 4),
    f"{GENERIC}/compressed_jpegls/001": (256, 256, 4),
    f"{GENERIC}/compressed_rle/001": (256, 256, 4),
    "dicom2nifti/siemens/anatomical/001": (256, 256, 4),
}

NOT_STORED = {
    f"{FAILING}/gantrytilting/001": (REFUSE, "gantry tilt: the planes' stack leans by 14.0 degrees"),
    f"{FAILING}/sliceincrement/001": (REFUSE, "1 plane is missing at 33.11 mm"),
    f"{FAILING}/sliceincrement/002": (REFUSE, "1 plane is missing at -133.00 mm"),
    f"{FAILING}/slicecount/001": (REFUSE, "only two planes, 1 mm apart"),
    f"{FAILING}/sliceorientation/001": (ASIDE, "2 orientations"),
    f"{FAILING}/notavolume/001": (ASIDE, "all 4 files show one plane"),
    f"{GENERIC}/rgb/001": (ASIDE, "a secondary capture"),
    "dcm_qa_nih/In/20180918Si/mr_0003": (ASIDE, "a Siemens mosaic"),
    "dcm_qa/Orientation/axmb/AxInt36mb": (ASIDE, "a Siemens mosaic"),
    "dcm_qa_enh/In/Philips": (ASIDE, "an enhanced multi-frame image"),
    "dcm_qa_enh/In/Siemens/XA10": (ASIDE, "an enhanced multi-frame image"),
    "dicom2nifti/siemens/fmri/001": (ASIDE, "a Siemens mosaic"),
    "dicom2nifti/siemens_multiframe/anatomical/001": (ASIDE, "an enhanced multi-frame image"),
}


def facts_of(folder):
    return [read_facts(path) for path in sorted(folder.rglob("*")) if path.is_file() and _is_dicom(path)]


def _is_dicom(path):
    with path.open("rb") as file:
        return is_dicom(file.read(512))


def only(folder):
    (found,) = candidates(facts_of(DATA / folder))
    return found


def nifti(candidate):
    frames = []
    for file in candidate.files:
        data = file.path.read_bytes()
        frames += [data[run.offset : run.offset + run.length] for run in file.runs]
    return nifti_of(decode_planes(frames, candidate.encoding), candidate.geometry, candidate.encoding)


@pytest.mark.parametrize("folder", CLASSIC)
def test_classic_series_are_stored(folder):
    found = only(folder)
    assert (found.outcome, found.reason) == (STORE, "")
    assert found.geometry.shape == CLASSIC[folder]


@pytest.mark.parametrize("folder", NOT_STORED)
def test_the_others_are_not_for_the_right_reason(folder):
    found = only(folder)
    outcome, words = NOT_STORED[folder]
    assert found.outcome is outcome
    assert words in found.reason


def test_all_at_once_every_file_has_its_place():
    facts = facts_of(DATA)
    found = candidates(facts)
    assert sorted(file.path for one in found for file in one.files) == sorted(one.path for one in facts)
    assert sum(one.outcome is STORE for one in found) == len(CLASSIC)


@pytest.mark.parametrize("series", [4, 5, 6, 7])
def test_ge_echo_planar_images_equal_dcm2niix(series):
    image = nibabel.load(DATA / f"dcm_qa_nih/Ref/DCM2NIIX_regression_test_{series}.nii")
    mine = nifti(only(f"dcm_qa_nih/In/20180918GE/mr_000{series}"))
    np.testing.assert_array_equal(mine.array, np.asarray(image.dataobj))
    np.testing.assert_allclose(mine.affine, image.affine, atol=1e-4)


@pytest.mark.parametrize(
    "folder",
    [
        f"{GENERIC}/anatomical/001",
        f"{GENERIC}/compressed/001",
        f"{GENERIC}/compressed_j2k/001",
        f"{GENERIC}/compressed_jpeg/001",
        f"{GENERIC}/compressed_jpegls/001",
        f"{GENERIC}/compressed_rle/001",
        f"{GENERIC}/anatomical/002_non_isotropic",
        "dicom2nifti/siemens/anatomical/001",
    ],
)
def test_dicom2nifti_agrees(folder):
    """Its references are float64 in axes of their own: both are compared in the nearest RAS axes."""
    reference = DATA / f"{folder}_ground_truth.nii.gz"
    theirs = nibabel.as_closest_canonical(nibabel.load(reference))
    mine = nifti(only(folder))
    image = nibabel.as_closest_canonical(nibabel.Nifti1Image(mine.array * np.float32(1), mine.affine))
    np.testing.assert_allclose(image.get_fdata(), theirs.get_fdata(), rtol=1e-6)
    np.testing.assert_allclose(image.affine, theirs.affine, atol=1e-3)
