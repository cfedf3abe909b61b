"""Converted DICOM as a BIDS data set: names by mapping, guess and scan, runs, clashes, and what is left out."""

from __future__ import annotations

import gzip
import json

import nibabel
import numpy as np
import pytest

from hbimg.bids.images import Image
from hbimg.bids.layout import number_runs, place
from hbimg.bids.mapping import BidsMapping, ScanRule
from hbimg.bids.names import BidsName
from hbimg.errors import ConfigError, ExportError, NoPlaceError
from hbimg.model import VolumeKey
from hbimg.rowkeys import label_of
from hbimg.testing.dicom_series import SyntheticSeries, write_series
from hbimg.volumes import VolumeRecord, Where


def an_image(subject="P 1", session=None, scan="5-EPI rest", suffix="", **sidecar):
    key = VolumeKey("t", label_of(subject), label_of(session), label_of(scan))
    record = VolumeRecord(key, "volume", "dicom", "0" * 8, "", 1, 1, 1, 1, None, None)
    return Image(record, suffix, {".nii.gz": lambda: iter([b""])}, sidecar)


def paths(*images, mapping=None):
    return [str(one.path) for one in number_runs([place(image, mapping or BidsMapping()) for image in images])]


def test_guesses_become_names_without_the_series_number_as_run():
    image = an_image(BidsGuess=["func", "_acq-epfid2_dir-AP_run-3_bold"], RepetitionTime=2)
    placed = place(image, BidsMapping())
    assert str(placed.path) == "sub-P1/func/sub-P1_task-rest_acq-epfid2_dir-AP_bold"
    assert placed.sidecar == {"RepetitionTime": 2, "TaskName": "rest"}
    assert "task-rest" in placed.remark
    assert paths(an_image(session="20240101", BidsGuess=["anat", "_T1w"])) == [
        "sub-P1/ses-20240101/anat/sub-P1_ses-20240101_T1w"
    ]


def test_scans_that_end_with_a_suffix_need_no_guess():
    assert paths(an_image(scan="401-anat-T1w")) == ["sub-P1/anat/sub-P1_T1w"]


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (an_image(BidsGuess=["ct", "_ct"]), "takes it for ct"),
        (an_image(BidsGuess=["discard", "_localizer"]), "takes it for discard"),
        (an_image(), "nothing says what it is"),
        (an_image(scan="T1w", suffix="_ph"), "nothing says what it is"),
        (an_image(suffix="_Eq_1", BidsGuess=["anat", "_T1w"]), "evened its planes out"),
        (an_image(suffix="_Tilt_1", BidsGuess=["anat", "_T1w"]), "evened its planes out"),
    ],
)
def test_what_has_no_place_is_left_out_with_the_reason(image, words):
    with pytest.raises(NoPlaceError, match=words):
        place(image, BidsMapping())


def test_a_subject_without_a_label_fails():
    with pytest.raises(ExportError, match=r"\[subjects\]"):
        place(an_image(subject=None, scan="T1w"), BidsMapping())
    mapping = BidsMapping(subjects={"": "07"}, sessions={"20240101": ""})
    assert paths(an_image(subject=None, session="20240101", scan="T1w"), mapping=mapping) == ["sub-07/anat/sub-07_T1w"]


def test_equal_names_are_numbered_in_the_order_of_their_keys():
    images = [an_image(scan=f"{n}-x", BidsGuess=["anat", f"_run-{n}_T1w"]) for n in (5, 3, 4)]
    assert paths(*images) == [f"sub-P1/anat/sub-P1_run-{n}_T1w" for n in (1, 2, 3)]
    assert [one.image.record.key.scan for one in number_runs([place(i, BidsMapping()) for i in images])] == [
        "3-x",
        "4-x",
        "5-x",
    ]


def rule(where, name, **options):
    parsed = None if name == "skip" else BidsName.parse(name)
    return ScanRule(Where.parse(where), options.get("image", "*"), parsed, options.get("sidecar", {}), where)


def test_the_mapping_comes_before_the_guess():
    mapping = BidsMapping(
        scans=(
            rule("scan=5-*", "func/task-nap_bold", sidecar={"TaskName": "A nap"}),
            rule("scan=6-*", "skip"),
            rule("scan=*", "anat/T2w", image="_e2"),
        )
    )
    placed = place(an_image(BidsGuess=["anat", "_T1w"]), mapping)
    assert str(placed.path) == "sub-P1/func/sub-P1_task-nap_bold"
    assert (placed.sidecar, placed.remark) == ({"TaskName": "A nap"}, "")
    with pytest.raises(NoPlaceError, match="the mapping leaves it out"):
        place(an_image(scan="6-x", BidsGuess=["anat", "_T1w"]), mapping)
    assert paths(an_image(scan="7-x", suffix="_e2"), mapping=mapping) == ["sub-P1/anat/sub-P1_T2w"]


def test_one_name_or_label_for_two_is_refused():
    mapping = BidsMapping(scans=(rule("scan=*", "anat/run-1_T1w"),))
    with pytest.raises(ConfigError, match=r"t/P=201/-/1 and t/P=201/-/2 would both be"):
        paths(an_image(scan="1"), an_image(scan="2"), mapping=mapping)
    with pytest.raises(ConfigError, match=r"would both be sub-P1"):
        paths(an_image(subject="P 1", scan="T1w"), an_image(subject="P-1", scan="T1w"))
    with pytest.raises(ConfigError, match=r"would both be ses-11"):
        paths(an_image(session="1 1", scan="T1w"), an_image(session="11", scan="T1w"))


@pytest.fixture
def study(tmp_path):
    """Two series of a subject, and one of a subject without an id."""
    folder = tmp_path / "dicom"
    write_series(folder / "a", SyntheticSeries(uid=3), ProtocolName="head T1w", PatientID="P 1")
    write_series(folder / "b", SyntheticSeries(uid=4), ProtocolName="other", PatientID="P 1")
    write_series(folder / "c", SyntheticSeries(uid=5), ProtocolName="head T1w", PatientID="P 2", StudyDate="20250101")
    return folder


def test_export_of_converted_dicom(hbimg, tmp_path, study, tree_of):
    hbimg("ingest", study, "--table", "t")
    said = hbimg("export", "--table", "t", "--bids", "--to", tmp_path / "early", code=1)
    assert said.err.count("run `hbimg run dicom2nifti` first") == 3
    assert not list((tmp_path / "early").rglob("*.nii.gz"))
    hbimg("run", "dicom2nifti", "--table", "t", "-w", "1")
    (tmp_path / "m.toml").write_text(
        "[dataset]\nName = 'Two heads'\nREADME = 'What it is.'\n[sessions]\n'20240501' = 'one'\n'20250101' = ''\n"
        "[[scans]]\nwhere = 'scan=*other*'\nname = 'func/task-rest_bold'\nsidecar = { RepetitionTime = 2.0 }\n"
        "[[scans]]\nwhere = 'scan=*gone*'\nname = 'skip'\n"
    )
    options = ["--table", "t", "--bids", "--to", tmp_path / "out", "--mapping", tmp_path / "m.toml"]
    planned = hbimg("export", *options, "--dry-run", "--json").json
    assert not (tmp_path / "out").exists()
    said = hbimg("export", *options)
    assert "rule 'scan=*gone*' is about no volume" in said.err
    images = {
        "sub-P1/ses-one/anat/sub-P1_ses-one_T1w",
        "sub-P1/ses-one/func/sub-P1_ses-one_task-rest_bold",
        "sub-P2/anat/sub-P2_T1w",
    }
    assert {item["becomes"] for item in planned} == images
    whole = {f"{image}{e}" for image in images for e in (".nii.gz", ".json")}
    assert set(tree_of(tmp_path / "out")) == whole | {"dataset_description.json", "README", "participants.tsv"}
    description = json.loads((tmp_path / "out/dataset_description.json").read_text())
    assert (description["Name"], description["BIDSVersion"]) == ("Two heads", "1.10.0")
    assert (tmp_path / "out/README").read_text() == "What it is.\n"
    assert (tmp_path / "out/participants.tsv").read_text() == "participant_id\nsub-P1\nsub-P2\n"
    sidecar = json.loads((tmp_path / "out/sub-P1/ses-one/func/sub-P1_ses-one_task-rest_bold.json").read_text())
    assert (sidecar["TaskName"], sidecar["RepetitionTime"]) == ("rest", 2.0)
    assert "BidsGuess" not in sidecar
    image = nibabel.load(tmp_path / "out/sub-P2/anat/sub-P2_T1w.nii.gz")
    assert sorted(np.unique(image.dataobj)) == sorted(np.unique(np.arange(8 * 12 * 10) % 4096))
    again = hbimg("export", *options, code=1)
    assert "is there already" in again.err


def test_a_replaced_volume_needs_a_new_conversion(hbimg, tmp_path, study):
    hbimg("ingest", study / "a", "--table", "t")
    hbimg("run", "dicom2nifti", "--table", "t", "-w", "1")
    write_series(study / "a", SyntheticSeries(uid=3, rows=14), ProtocolName="head T1w", PatientID="P 1")
    hbimg("ingest", study / "a", "--table", "t", "--replace")
    said = hbimg("export", "--table", "t", "--bids", "--to", tmp_path / "out", code=1)
    assert "is of an earlier volume" in said.err


def test_loose_nifti_with_sidecars_takes_its_place(hbimg, tmp_path, image, written, tree_of):
    files = {
        "sub-9_T1w.nii.gz": gzip.compress(image(1)),
        "sub-9_T1w.json": b'{"EchoTime": 1, "BidsGuess": ["anat", "_T2w"]}',
    }
    written(tmp_path / "in", files | {"p/pair.nii": image(2)})
    hbimg("ingest", tmp_path / "in", "--table", "t")
    said = hbimg("export", "--table", "t", "--bids", "--to", tmp_path / "out")
    assert "nothing says what it is" in said.line_with("left out: t/p/-/pair")
    assert {name for name in tree_of(tmp_path / "out") if "/" in name} == {
        "sub-9/anat/sub-9_T2w.nii.gz",
        "sub-9/anat/sub-9_T2w.json",
    }
    assert (tmp_path / "out/sub-9/anat/sub-9_T2w.nii.gz").read_bytes() == files["sub-9_T1w.nii.gz"]


@pytest.mark.parametrize("sidecar", [b"{", b"[]", b"\xff", b"[" * 100_000])
def test_a_broken_sidecar_fails_and_is_named(hbimg, tmp_path, image, written, sidecar):
    written(tmp_path / "in", {"T1w.nii": image(1), "T1w.json": sidecar})
    hbimg("ingest", tmp_path / "in", "--table", "t", "--subject", "1")
    said = hbimg("export", "--table", "t", "--bids", "--to", tmp_path / "out", code=1)
    assert "sidecar" in said.line_with("failed: t/1/-/T1w")


def test_nothing_to_export(hbimg, tmp_path, image, written):
    written(tmp_path / "in", {"x.nii": image(1)})
    hbimg("ingest", tmp_path / "in", "--table", "t")
    said = hbimg("export", "--table", "t", "--bids", "--to", tmp_path / "out", "--where", "subject=none", code=1)
    assert "no volume is chosen" in said.err
