"""dicom2nifti: what dcm2niix makes, under our names, stripped, mapped; and dcm2niix in all its bad moods."""

from __future__ import annotations

import gzip
import json
import subprocess
import time
from pathlib import Path

import dcm2niix
import nibabel
import numpy as np
import pytest
from click.testing import CliRunner

from hbimg.cli import cli
from hbimg.errors import ParameterError
from hbimg.mapreduce.jobs.compress import Compress
from hbimg.mapreduce.jobs.dicom2nifti import Dicom2Nifti
from hbimg.mapreduce.jobs.sidecar import STRIPPED_KEYS
from hbimg.mapreduce.run import RunSettings
from hbimg.mapreduce.run import run_job as run_on_store
from hbimg.store import open_store
from hbimg.testing.dicom_series import AXIAL, CORONAL, SAGITTAL, SyntheticSeries, write_series
from hbimg.volumes import VolumeTable, entries, read_artefact

INLINE = "hbimg.mapreduce.run.run_processes"


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A store to ingest into, and jobs that run in this process, so that dcm2niix can be replaced."""
    from hbimg.mapreduce.local import run_inline

    monkeypatch.setattr(INLINE, run_inline)
    return tmp_path


def ingested(home, *options):
    arguments = ["ingest", str(home / "in"), "--table", "t", "--store", f"local://{home}/store", *options]
    done = CliRunner().invoke(cli, arguments, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return f"local://{home}/store"


def run(url, job, **settings):
    """The run's report, and (key, artefact) to bytes."""
    with open_store(url) as store:
        volumes = VolumeTable.open(store, "t")
        report = run_on_store(job, store, volumes, RunSettings(workers=1, **settings)).report
        made = {
            item.name: b"".join(read_artefact(volumes, manifest, item))
            for _, manifests in entries(volumes)
            for manifest in manifests
            if manifest.name == job.name
            for item in manifest.artefacts
        }
    return report, made


def image_of(made, suffix=".nii.gz"):
    (name,) = [name for name in made if name.endswith(suffix)]
    data = made[name]
    return name, nibabel.Nifti1Image.from_bytes(gzip.decompress(data) if suffix.endswith("gz") else data)


@pytest.mark.parametrize(
    ("acquisition", "orientation", "times"),
    [("2D", AXIAL, 1), ("3D", SAGITTAL, 1), ("3D", CORONAL, 1), ("2D", SAGITTAL, 3), ("3D", CORONAL, 3)],
)
def test_image_equals_dcm2niix_and_the_plane_map_says_where_each_file_went(home, acquisition, orientation, times):
    series = SyntheticSeries(planes=6, times=times, orientation=orientation)
    write_series(
        home / "in", series, each=lambda _, t: {"TemporalPositionIdentifier": t + 1}, MRAcquisitionType=acquisition
    )
    url = ingested(home)
    report, made = run(url, Dicom2Nifti())
    assert report["volumes"]["done"] == 1, report["failed"]
    name, image = image_of(made)
    (home / "ref").mkdir()
    command = [dcm2niix.bin, "-z", "n", "-f", "ref", "-o", home / "ref", home / "in"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    reference = nibabel.load(home / "ref" / "ref.nii")
    voxels = np.asanyarray(image.dataobj)
    assert np.array_equal(voxels, np.asanyarray(reference.dataobj))
    assert np.array_equal(image.affine, reference.affine)
    # Each file's pixels are found in the plane that the map names.
    planes = json.loads(made[name.replace(".nii.gz", ".planes.json")])
    assert (planes["image"], planes["reason"], len(planes["planes"])) == (name, "", 6 * times)
    for place in planes["planes"]:
        number = int(place["sop_instance"].rpartition(".")[2]) - 1
        index = tuple(slice(None) if place[axis] is None else place[axis] for axis in "ijk")
        plane = voxels[index] if times == 1 else voxels[(*index, place["t"])]
        assert sorted(plane.ravel()) == sorted(series.pixels(number % 6, number // 6).ravel())
    # And `compress` makes the same image without dcm2niix.
    _, own = image_of(run(url, Compress())[1])
    assert np.array_equal(np.asanyarray(own.dataobj), voxels)
    assert np.allclose(own.affine, image.affine, atol=1e-4)


def test_names_of_persons_institutions_and_devices_are_gone(home):
    secret = "Doe"
    write_series(
        home / "in",
        PatientName=f"{secret}^Jane",
        InstitutionName=f"{secret} Clinic",
        InstitutionAddress=f"{secret} Street",
        InstitutionalDepartmentName=f"{secret} Department",
        DeviceSerialNumber=f"{secret}-1234",
        StationName=f"{secret}MR1",
        StudyDescription=f"{secret} study",
        ImageComments=f"{secret} again",
        ReferringPhysicianName=f"{secret}^Jim",
        PerformingPhysicianName=f"{secret}^Jo",
        OperatorsName=f"{secret}^Jack",
        AccessionNumber=f"{secret}7",
        ProcedureStepDescription=f"{secret} step" if False else None,
        Manufacturer="SIEMENS",
        MagneticFieldStrength=3,
    )
    _, made = run(ingested(home), Dicom2Nifti(uncompressed=True))
    (name,) = [name for name in made if name.endswith(".nii")]
    sidecar = json.loads(made[name.replace(".nii", ".json")])
    assert not STRIPPED_KEYS & set(sidecar)
    assert sidecar["MagneticFieldStrength"] == 3
    for data in made.values():
        assert secret.encode() not in data


def test_a_volume_stored_incomplete_is_refused_unless_asked_for(home):
    for path in write_series(home / "in", SyntheticSeries(planes=8))[3:4]:
        path.unlink()
    url = ingested(home, "--accept-incomplete")
    report, _ = run(url, Dicom2Nifti())
    assert report["skipped"] == {"incomplete: --accept-incomplete takes it": 1}
    report, made = run(url, Dicom2Nifti(accept_incomplete=True))
    assert report["volumes"]["done"] == 1, report["failed"]
    # dcm2niix makes an interpolated image beside; it is a named extra, without a map of planes.
    assert [name for name in made if "_Eq" in name]
    assert len([name for name in made if name.endswith(".planes.json")]) == 1


@pytest.fixture
def converter(home, monkeypatch):
    """Put a script in dcm2niix's place; ``$6`` onwards: -f NAME -o OUT IN."""

    def install(script: str) -> None:
        path = home / "dcm2niix"
        path.write_text(f'#!/bin/sh\nname="$8"; out="${{10}}"; in="${{11}}"\n{script}\n')
        path.chmod(0o755)
        monkeypatch.setattr(dcm2niix, "bin", str(path))

    write_series(home / "in", SyntheticSeries(planes=3))
    return install


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("echo 'Error: Unsupported transfer syntax'; exit 2", "status 2: Error: Unsupported transfer syntax"),
        ("exit 0", "gave no image"),
        ("echo '{}' > $out/$name.json", "gave no image"),
        ("kill -SEGV $$", "status -11: it said nothing"),
    ],
)
def test_a_converter_that_fails_is_reported(home, converter, script, reason):
    converter(script)
    report, made = run(ingested(home), Dicom2Nifti())
    assert reason in report["failed"][0]["reason"]
    assert made == {}


def test_a_converter_that_hangs_is_killed_with_its_children(home, converter):
    converter(f"sleep 987654 & echo $! > {home}/child; echo $$ > {home}/parent; wait")
    report, _ = run(ingested(home), Dicom2Nifti(time_limit_s=0.5))
    assert "did not end in 0.5 s" in report["failed"][0]["reason"]
    end = time.monotonic() + 30
    for name in ("child", "parent"):
        process = Path("/proc") / (home / name).read_text().strip()
        while process.exists() and "zombie" not in (process / "status").read_text():
            assert time.monotonic() < end
            time.sleep(0.01)


def test_extras_keep_their_suffix_and_files_come_by_safe_names(home, converter):
    converter(
        f"ls $in > {home}/seen; pwd > {home}/where; for x in '' _Eq_1 _e2 _ph a; do "
        "head -c 400 /dev/zero > $out/$name$x.nii; done; echo 1 2 > $out/$name.bval; echo 3 > $out/$name.bvec"
    )
    report, made = run(ingested(home), Dicom2Nifti(uncompressed=True))
    assert (home / "seen").read_text().split() == ["000000.dcm", "000001.dcm", "000002.dcm"]
    assert not Path((home / "where").read_text().strip()).exists()  # the scratch folder is gone
    real = f"{Path(dcm2niix.__file__).parent}/dcm2niix"
    converter(f'{real} "$@" && for x in _Eq_1 _e2 _ph a; do cp $out/$name.nii $out/$name$x.nii; done; '
              "echo 1 2 > $out/$name.bval; echo 3 > $out/$name.bvec")  # fmt: skip
    report, made = run(ingested(home), Dicom2Nifti(uncompressed=True), force=True)
    assert report["volumes"]["done"] == 1, report["failed"]
    suffixes = sorted(name[len(sorted(made, key=len)[0]) - 4 :] for name in made if name.endswith(".nii"))
    assert suffixes == [".nii", "_Eq_1.nii", "_e2.nii", "_ph.nii", "a.nii"]
    assert [made[name] for name in sorted(made) if name.endswith((".bval", ".bvec"))] == [b"1 2\n", b"3\n"]


def test_parameters_are_checked():
    with pytest.raises(ParameterError, match="igzip"):
        Dicom2Nifti(level="9")
    with pytest.raises(ParameterError, match="time limit"):
        Dicom2Nifti(time_limit_s=0)
