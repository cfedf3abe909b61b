"""The BIDS validator finds no error in what comes out: `pip install 'hbimg[validate]'`, else skipped."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from hbimg.testing.dicom_series import SyntheticSeries, write_series

DATA = Path(os.environ.get("HBIMG_TEST_DATA", Path(__file__).parents[4] / "../shared/data")).resolve()
VALIDATOR = shutil.which(
    "bids-validator-deno", path=f"{Path(os.sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not VALIDATOR, reason="no BIDS validator: pip install 'hbimg[validate]'"),
]


def errors(folder: Path) -> list[str]:
    """Give the validator's errors of a data set, after a look that it saw the images."""
    environment = {**os.environ, "HOME": str(folder.parent)}
    done = subprocess.run([VALIDATOR, "--format", "json", str(folder)], capture_output=True, text=True, env=environment)
    found = json.loads(done.stdout)
    assert found["summary"]["totalFiles"] >= 4
    issues = found["issues"]["issues"]
    return [f"{issue['code']} {issue.get('location')}" for issue in issues if issue["severity"] == "error"]


def test_the_validator_finds_what_is_wrong(tmp_path, dataset_folder):
    """Else its silence would say nothing."""
    assert errors(dataset_folder) == []
    (dataset_folder / "sub-02/anat/sub-02_T1w.nii").rename(dataset_folder / "sub-02/anat/T1w_sub-02.nii")
    assert any("NOT_INCLUDED" in error for error in errors(dataset_folder))


def test_a_data_set_that_came_in(hbimg, tmp_path, dataset_folder):
    hbimg("ingest", dataset_folder, "--table", "t")
    hbimg("export", "--table", "t", "--bids", "--to", tmp_path / "out", "--where", "subject=sub-01")
    assert errors(tmp_path / "out") == []


def test_synthetic_dicom_with_a_mapping(hbimg, tmp_path):
    folder = tmp_path / "dicom"
    write_series(folder / "a", SyntheticSeries(uid=3), ProtocolName="head T1w", PatientID="P 1")
    write_series(folder / "b", SyntheticSeries(uid=4), ProtocolName="head T1w", PatientID="P 1")
    times = SyntheticSeries(uid=5, times=4)
    write_series(folder / "c", times, lambda _, time: {"AcquisitionTime": f"10000{time}"}, RepetitionTime=1000)
    hbimg("ingest", folder, "--table", "t")
    hbimg("run", "dicom2nifti", "--table", "t", "-w", "1")
    rules = "where,name\nscan=*synthetic*,func/task-rest_bold\n"
    (tmp_path / "m.csv").write_text(rules)
    hbimg("export", "-t", "t", "--bids", "--to", tmp_path / "out", "--mapping", tmp_path / "m.csv")
    found = sorted(path.name for path in (tmp_path / "out").rglob("*.nii.gz"))
    assert found == [
        "sub-01_ses-20240501_task-rest_bold.nii.gz",
        "sub-P1_ses-20240501_run-1_T1w.nii.gz",
        "sub-P1_ses-20240501_run-2_T1w.nii.gz",
    ]
    assert errors(tmp_path / "out") == []


@pytest.mark.reference
@pytest.mark.skipif(not DATA.is_dir(), reason="no reference data: set HBIMG_TEST_DATA to their folder")
def test_real_dicom(hbimg, tmp_path):
    """All that is stored of the real images; what has no place is left out with a word, and nothing fails."""
    folders = ["t1-structural/dicoms", "dcm_qa_nih/In", "dcm_qa_enh/In", "dicom2nifti/siemens", "dcm_qa/Orientation/ax"]
    hbimg("ingest", *(DATA / folder for folder in folders), "--table", "t")
    hbimg("run", "dicom2nifti", "--table", "t", "-w", "2")
    hbimg("export", "--table", "t", "--bids", "--to", tmp_path / "out")
    found = {path.name.partition("_")[0] for path in (tmp_path / "out").rglob("*.nii.gz")}
    assert {"sub-02", "sub-DEV"} <= found
    assert errors(tmp_path / "out") == []
