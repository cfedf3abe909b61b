"""A BIDS data set in small, complete: everything that lies in real ones, made of the bytes that its kinds have."""

from __future__ import annotations

import gzip
import hashlib
import io
import json

import nibabel
import numpy as np
import pytest
from PIL import Image

EMPTY = b""


def _json(**fields) -> bytes:
    return (json.dumps(fields, indent=2) + "\n").encode()


def _image(seed: int, shape=(6, 5, 4), step_s: float = 0.0) -> bytes:
    array = np.random.default_rng(seed).integers(0, 1000, shape, dtype=np.int16)
    image = nibabel.Nifti1Image(array, np.diag([2.0, 2.0, 2.0, 1.0]))
    image.header.set_xyzt_units("mm", "sec")
    if step_s:
        image.header["pixdim"][4] = step_s
    return gzip.compress(image.to_bytes(), mtime=0)


def _png(seed: int) -> bytes:
    out = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (4, 5), dtype=np.uint8)).save(out, "PNG")
    return out.getvalue()


def _cifti() -> bytes:
    brain = nibabel.cifti2.BrainModelAxis.from_mask(np.ones((3, 3, 2), bool), affine=np.eye(4), name="thalamus_left")
    image = nibabel.Cifti2Image(np.zeros((1, 18), "f4"), header=(nibabel.cifti2.ScalarAxis(["map"]), brain))
    image.nifti_header.set_intent("ConnDenseScalar")
    return image.to_bytes()


def _session(subject: str, session: str, seed: int) -> dict[str, bytes]:
    folder, stem = f"{subject}/{session}", f"{subject}_{session}"
    scans = f"filename\tacq_time\nanat/{stem}_T1w.nii.gz\t2020-01-01T00:00:00\n"
    return {
        f"{folder}/{stem}_scans.tsv": scans.encode(),
        f"{folder}/anat/{stem}_T1w.nii.gz": _image(seed),
        f"{folder}/anat/{stem}_T1w.json": _json(EchoTime=0.003),
        f"{folder}/anat/{stem}_FLAIR.nii.gz": _image(seed + 1),
        f"{folder}/dwi/{stem}_dwi.nii.gz": _image(seed + 2, (6, 5, 4, 3)),
        f"{folder}/dwi/{stem}_dwi.bval": b"0 1000 1000\n",
        f"{folder}/dwi/{stem}_dwi.bvec": b"0 1 0\n0 0 1\n0 0 0\n",
        f"{folder}/dwi/{stem}_dwi.json": _json(PhaseEncodingDirection="j"),
        f"{folder}/func/{stem}_task-rest_run-1_bold.nii.gz": _image(seed + 3, (6, 5, 4, 5), 2.0),
        f"{folder}/func/{stem}_task-rest_run-1_sbref.nii.gz": _image(seed + 4),
        f"{folder}/func/{stem}_task-rest_run-1_events.tsv": b"onset\tduration\n0\t1\n",
        f"{folder}/func/{stem}_task-rest_run-1_physio.tsv.gz": gzip.compress(b"1\t2\n", mtime=0),
        f"{folder}/func/{stem}_task-rest_run-1_physio.json": _json(
            SamplingFrequency=100, StartTime=0, Columns=["cardiac", "trigger"]
        ),
        f"{folder}/fmap/{stem}_dir-AP_epi.nii.gz": _image(seed + 5),
        f"{folder}/fmap/{stem}_dir-AP_epi.json": _json(PhaseEncodingDirection="j-", TotalReadoutTime=0.05),
    }


def write(folder, files: dict[str, bytes]):
    """Write files below a folder."""
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def tree(folder) -> dict[str, str]:
    """Give the SHA-256 of every file below a folder, by its path."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture
def written():
    return write


@pytest.fixture
def tree_of():
    return tree


@pytest.fixture
def dataset_files() -> dict[str, bytes]:
    return dataset()


@pytest.fixture
def dataset_folder(tmp_path, dataset_files):
    return write(tmp_path / "ds", dataset_files)


def dataset() -> dict[str, bytes]:
    """Give the data set's files: path to bytes."""
    files = {
        "dataset_description.json": _json(Name="In small", BIDSVersion="1.10.0", DatasetType="raw"),
        "README": b"A data set of nobody.\n" * 10,
        "CHANGES": b"1.0.0 2020-01-01\n - First version\n",
        "LICENSE": b"CC0\n",
        ".bidsignore": b"*_notes.txt\n",
        "participants.tsv": b"participant_id\tage\nsub-01\t30\nsub-02\t40\n",
        "participants.json": _json(age={"Description": "Age", "Units": "year"}),
        "task-rest_bold.json": _json(TaskName="rest", RepetitionTime=2.0),
        "task-rest_events.json": _json(trial_type={"Description": "none"}),
        "code/preprocess.py": b"print('hello')\n",
        "code/empty.log": EMPTY,
        "stimuli/face.png": _png(1),
        "stimuli/house.png": _png(2),
        "sourcedata/sub-01/ses-1/console.txt": b"what the scanner said\n",
        "phenotype/score.tsv": b"participant_id\tscore\nsub-01\t1\nsub-02\t2\n",
        "sub-01/sub-01_sessions.tsv": b"session_id\tacq_time\nses-1\t2020-01-01T00:00:00\n",
        "sub-02/anat/sub-02_T1w.nii": gzip.decompress(_image(50)),
        "sub-02/anat/sub-02_T1w.json": _json(EchoTime=0.004),
        "sub-02/anat/sub-02_T1w_notes.txt": b"moved\n",
        **_session("sub-01", "ses-1", 10),
        **_session("sub-01", "ses-2", 30),
    }
    derivative = "derivatives/prep"
    stem = "sub-01_ses-1_task-rest_run-1"
    space = "space-MNI152NLin2009cAsym_res-2"
    folder = f"{derivative}/sub-01/ses-1"
    files |= {
        f"{derivative}/dataset_description.json": _json(Name="prep", BIDSVersion="1.10.0", DatasetType="derivative"),
        f"{derivative}/sub-01.html": b"<html></html>\n",
        f"{derivative}/sub-02/anat/sub-02_T1w.nii.gz": _image(60),
        f"{folder}/anat/sub-01_ses-1_space-MNI_desc-preproc_T1w.nii.gz": _image(61),
        f"{folder}/anat/sub-01_ses-1_space-MNI_desc-preproc_T1w.json": _json(SkullStripped=False),
        f"{folder}/anat/sub-01_ses-1_hemi-L_pial.surf.gii": b"<GIFTI/>",
        f"{folder}/func/{stem}_desc-confounds_timeseries.tsv": b"x\n1\n",
        f"{folder}/func/{stem}_{space}_desc-preproc_bold.nii.gz": _image(64, (6, 5, 4, 5), 2.0),
        f"{folder}/func/{stem}_{space}_desc-preproc_bold.json": _json(SkullStripped=True),
        f"{folder}/func/{stem}_{space}_desc-brain_mask.nii.gz": _image(65),
        f"{folder}/func/{stem}_space-fsLR_den-91k_bold.dscalar.nii": _cifti(),
        f"{folder}/func/{stem}_space-fsLR_den-91k_bold.json": _json(RepetitionTime=2.0),
        f"{folder}/figures/{stem}_carpet.png": _png(3),
        f"{folder}/figures/{stem}_carpet.svg": b"<svg/>",
        f"{folder}/xfm/T1.brain.nii.gz": _image(62),
        f"{folder}/xfm2/T1.brain.nii.gz": _image(63),
    }
    return files
