"""Real series: what becomes of each."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hbimg.ingest.candidates import Outcome
from hbimg.ingest.dicom import candidates, is_dicom, read_facts

DATA = Path(os.environ.get("HBIMG_TEST_DATA", Path(__file__).parents[2] / "../shared/data")).resolve()

pytestmark = [
    pytest.mark.reference,
    pytest.mark.skipif(not DATA.is_dir(), reason="no reference data: set HBIMG_TEST_DATA to their folder"),
]

STORE, ASIDE, REFUSE = Outcome.STORE, Outcome.SET_ASIDE, Outcome.REFUSE
GENERIC, FAILING = "dicom2nifti/generic", "dicom2nifti/failing"

STORED = {
    "t1-structural/dicoms": (274, 384, 384),
    "dcm_qa_nih/In/20180918GE/mr_0004": (64, 64, 15, 10),
    "dcm_qa_nih/In/20180918GE/mr_0005": (64, 64, 15, 10),
    "dcm_qa_nih/In/20180918GE/mr_0006": (64, 64, 15, 10),
    "dcm_qa_nih/In/20180918GE/mr_0007": (64, 64, 15, 10),
    **{f"dcm_qa_nih/In/20180918Si/mr_000{number}": (72, 72, 5, 2) for number in (3, 4, 5, 6)},
    **{
        f"dcm_qa/Orientation/{plane}/{plane}{order}{slices}": (64, 64, slices, 2)
        for plane in ("ax", "cor", "sag")
        for order in ("asc", "desc", "int")
        for slices in (35, 36)
    },
    "dcm_qa/Orientation/ax/axasc36b": (64, 64, 36, 2),
    "dcm_qa/Orientation/axmb/AxAsc36mb2a": (86, 86, 36, 2),
    "dcm_qa/Orientation/axmb/AxInt36mb": (86, 86, 36, 2),
    "dcm_qa_enh/In/Philips": (64, 64, 32, 2),
    "dcm_qa_enh/In/Siemens/XA10": (64, 64, 6, 4),
    f"{GENERIC}/anatomical/001": (256, 256, 4),
    f"{GENERIC}/anatomical/002_non_isotropic": (64, 28, 4),
    f"{GENERIC}/compressed/001": (256, 256, 4),
    f"{GENERIC}/compressed_j2k/001": (256, 256, 4),
    f"{GENERIC}/compressed_jpeg/001": (256, 256, 4),
    f"{GENERIC}/compressed_jpegls/001": (256, 256, 4),
    f"{GENERIC}/compressed_rle/001": (256, 256, 4),
    f"{GENERIC}/rgb/001": (52, 77, 4),
    "dicom2nifti/siemens/anatomical/001": (256, 256, 4),
    "dicom2nifti/siemens/fmri/001": (80, 80, 50, 2),
    "dicom2nifti/siemens_multiframe/anatomical/001": (256, 256, 8),
    f"{FAILING}/gantrytilting/001": (512, 512, 4),
    f"{FAILING}/sliceincrement/001": (512, 512, 4),
    f"{FAILING}/slicecount/001": (256, 256, 2),
}

#: What a user is told of series that are stored though something is odd.
REMARKS = {
    f"{FAILING}/gantrytilting/001": "leans by 14.0 degrees",
    f"{FAILING}/sliceincrement/001": "1 plane is missing at 33.11 mm",
}

NOT_STORED = {
    f"{FAILING}/sliceincrement/002": (REFUSE, "1 plane is missing at -133.00 mm"),
    f"{FAILING}/sliceorientation/001": (ASIDE, "2 orientations"),
    f"{FAILING}/notavolume/001": (ASIDE, "all 4 files show one plane"),
}


def facts_of(folder):
    return [read_facts(path) for path in sorted(folder.rglob("*")) if path.is_file() and _is_dicom(path)]


def _is_dicom(path):
    with path.open("rb") as file:
        return is_dicom(file.read(512))


def only(folder):
    (found,) = candidates(facts_of(DATA / folder))
    return found


@pytest.mark.parametrize("folder", STORED)
def test_series_are_stored(folder):
    found = only(folder)
    assert (found.outcome, found.reason) == (STORE, "")
    assert found.geometry.shape == STORED[folder]
    assert REMARKS.get(folder, "") in "; ".join(found.remarks)


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
    assert sum(one.outcome is STORE for one in found) == len(STORED)
