"""A BIDS data set comes in whole, each file with what it belongs to, and goes out as the same tree."""

from __future__ import annotations

import gzip
import json
import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hbimg.ingest.keys import KeyRules
from hbimg.ingest.pipeline import plan
from hbimg.ingest.planned import IngestOptions
from hbimg.ingest.workers import Pool
from hbimg.testing.dicom_series import write_series

SIDE = '{"EchoTime": 0.003}\n'


def listed(hbimg, *where):
    return {item["key"]: item for item in hbimg("ls", "--table", "t", "--json", *where).json}


def names_in(hbimg, key):
    return [file["name"] for file in hbimg("show", key, "--table", "t", "--json").json["files"]]


def test_a_data_set_comes_back_as_the_same_tree(hbimg, tmp_path, dataset_folder, tree_of):
    said = hbimg("ingest", dataset_folder, "--table", "t", "--json").json
    assert set(said["summary"]) == {"stored", "set aside"}
    assert sum(item["files"] for item in said["items"]) == len(tree_of(dataset_folder))
    told = hbimg("export", "--table", "t", "--bids", "--to", tmp_path / "out", "--json").json
    assert tree_of(tmp_path / "out") == tree_of(dataset_folder)
    assert {item["path"]: item["sha256"] for item in told} == {
        str(tmp_path / "out" / name): digest for name, digest in tree_of(tmp_path / "out").items()
    }
    hbimg.assert_sound()
    again = hbimg("ingest", dataset_folder, "--table", "t", "--json").json["summary"]
    assert again["present"]["count"] == said["summary"]["stored"]["count"]


def test_each_file_is_kept_with_what_it_belongs_to(hbimg, dataset_folder):
    hbimg("ingest", dataset_folder, "--table", "t")
    func = "sub-01/ses-1/func/sub-01_ses-1_task-rest_run-1"
    assert names_in(hbimg, "t/sub-01/ses-1/task-rest_run-1_bold") == [
        f"{func}_bold.nii.gz",
        f"{func}_events.tsv",
        f"{func}_physio.json",
        f"{func}_physio.tsv.gz",
    ]
    dwi = "sub-01/ses-1/dwi/sub-01_ses-1_dwi"
    assert names_in(hbimg, "t/sub-01/ses-1/dwi") == [f"{dwi}{e}" for e in (".nii.gz", ".bval", ".bvec", ".json")]
    assert names_in(hbimg, "t/sub-01/ses-1/bids") == ["sub-01/ses-1/sub-01_ses-1_scans.tsv"]
    assert names_in(hbimg, "t/sub-01/-/bids") == ["sub-01/sub-01_sessions.tsv"]
    top = names_in(hbimg, "t/-/-/bids")
    assert {".bidsignore", "README", "participants.tsv", "task-rest_bold.json", "code/preprocess.py"} <= set(top)
    assert not any(name.startswith("derivatives") for name in top)
    assert names_in(hbimg, "t/-/-/derivatives.prep.bids") == [
        "derivatives/prep/dataset_description.json",
        "derivatives/prep/sub-01.html",
    ]
    kinds = {item["kind"] for key, item in listed(hbimg).items() if key.endswith("bids")}
    assert kinds == {"files"}


def test_images_of_one_name_in_raw_data_and_derivatives_have_their_own_keys(hbimg, dataset_folder):
    hbimg("ingest", dataset_folder, "--table", "t")
    found = {key for key, item in listed(hbimg, "--where", "subject=sub-02").items() if item["kind"] == "volume"}
    assert found == {"t/sub-02/-/T1w", "t/sub-02/-/derivatives.prep.T1w"}
    assert {"t/sub-01/ses-1/derivatives.prep.xfm.T1.brain", "t/sub-01/ses-1/derivatives.prep.xfm2.T1.brain"} <= set(
        listed(hbimg)
    )


def test_jobs_see_the_image_and_not_what_lies_beside_it(hbimg, tmp_path, dataset_files, dataset_folder):
    hbimg("ingest", dataset_folder, "--table", "t")
    report = hbimg("run", "compress", "--table", "t", "-w", "1", "--json").json
    assert report["report"]["skipped"]["files beside images"] >= 5
    hbimg("export", "--table", "t", "--result", "compress", "--to", tmp_path / "out")
    made = sorted(path.name for path in (tmp_path / "out/t/sub-01/ses-1/dwi").iterdir())
    assert made == ["dwi.nii.gz"]
    expected = gzip.decompress(dataset_files["sub-01/ses-1/dwi/sub-01_ses-1_dwi.nii.gz"])
    assert gzip.decompress((tmp_path / "out/t/sub-01/ses-1/dwi/dwi.nii.gz").read_bytes()) == expected


def test_a_command_finds_beside_the_image_what_came_in_with_it(hbimg, tmp_path, dataset_folder):
    hbimg("ingest", dataset_folder, "--table", "t")
    where = ["--table", "t", "--where", "t/sub-01/ses-1/task-rest_run-1_bold", "-w", "1"]
    hbimg("run", "exec", *where, "--stdout", "ls.txt", "--", "sh", "-c", 'ls "$(dirname "$1")"', "sh", "{input}")
    hbimg("export", "--table", "t", "--result", "exec", "--to", tmp_path / "out")
    (listing,) = (tmp_path / "out").rglob("ls.txt")
    own = "sub-01_ses-1_task-rest_run-1"
    assert listing.read_text().split() == [
        f"{own}_events.tsv",
        f"{own}_physio.json",
        f"{own}_physio.tsv.gz",
        "task-rest_run-1_bold.nii.gz",
    ]


def test_a_part_of_a_data_set_goes_out_with_the_files_around_it(hbimg, tmp_path, dataset_folder, tree_of):
    hbimg("ingest", dataset_folder, "--table", "t")
    hbimg("export", "-t", "t", "--bids", "--to", tmp_path / "out", "--where", "session=ses-2 scan=T1w")
    found = set(tree_of(tmp_path / "out"))
    assert {"participants.tsv", "task-rest_bold.json", "sub-01/sub-01_sessions.tsv"} <= found
    assert "sub-01/ses-2/sub-01_ses-2_scans.tsv" in found
    images = {name for name in found if name.endswith((".nii.gz", ".nii"))}
    assert images == {"sub-01/ses-2/anat/sub-01_ses-2_T1w.nii.gz"}
    assert not any("sub-02" in name or "ses-1" in name for name in found)


def test_a_changed_sidecar_is_other_content(hbimg, tmp_path, dataset_folder, tree_of):
    hbimg("ingest", dataset_folder, "--table", "t")
    (dataset_folder / "sub-02/anat/sub-02_T1w.json").write_text('{"EchoTime": 0.005}')
    (dataset_folder / "README").write_text("Another text.")
    said = hbimg("ingest", dataset_folder, "--table", "t", code=1)
    assert sum("holds other content" in line for line in said.err.splitlines()) == 2
    hbimg("ingest", dataset_folder, "--table", "t", "--replace")
    hbimg("export", "--table", "t", "--bids", "--to", tmp_path / "out")
    assert tree_of(tmp_path / "out") == tree_of(dataset_folder)


def test_version_control_and_links_to_its_contents(hbimg, tmp_path, dataset_files, written, tree_of):
    """DataLad keeps images in .git and links to them: they come in once, by the names that users see."""
    folder = written(tmp_path / "ds", dataset_files)
    image = folder / "sub-02/anat/sub-02_T1w.nii"
    store = folder / ".git/annex/objects/aa/bb/KEY.nii"
    store.parent.mkdir(parents=True)
    image.rename(store)
    image.symlink_to(os.path.relpath(store, image.parent))
    written(folder, {".git/config": b"[core]\n", ".datalad/config": b"[datalad]\n"})
    said = hbimg("ingest", folder, "--table", "t", "--json").json
    left = {item["source"] for item in said["items"] if item["outcome"] == "left alone"}
    assert left == {".git/config", ".datalad/config", ".git/annex/objects/aa/bb/KEY.nii"}
    hbimg("export", "--table", "t", "--bids", "--to", tmp_path / "out")
    expected = {name: digest for name, digest in tree_of(folder).items() if not name.startswith((".git", ".data"))}
    assert tree_of(tmp_path / "out") == expected


def test_two_data_sets_below_one_folder(hbimg, tmp_path, dataset_files, written, tree_of):
    small = {
        "dataset_description.json": b"{}",
        "sub-01/anat/sub-01_T1w.nii": dataset_files["sub-02/anat/sub-02_T1w.nii"],
    }
    folder = written(tmp_path / "all/one", small).parent
    written(folder / "two", small | {"README": b"two"})
    hbimg("ingest", folder, "--table", "t")
    assert set(listed(hbimg)) == {
        "t/-/-/one.bids",
        "t/-/-/two.bids",
        "t/sub-01/-/one.T1w",
        "t/sub-01/-/two.T1w",
    }
    hbimg("export", "--table", "t", "--bids", "--to", tmp_path / "out")
    assert tree_of(tmp_path / "out") == tree_of(folder)


def test_two_projects_in_a_table_go_out_one_by_one(hbimg, tmp_path, dataset_folder, tree_of):
    for project in ("a", "b"):
        hbimg("ingest", dataset_folder, "--table", "t", "--project", project)
    said = hbimg("export", "--table", "t", "--bids", "--to", tmp_path / "out", code=1)
    assert "these volumes are of 2: choose one with --where project=a" in said.err
    hbimg("export", "--table", "t", "--bids", "--to", tmp_path / "out", "--where", "project=b")
    assert tree_of(tmp_path / "out") == tree_of(dataset_folder)


def test_patterns_and_tables_of_keys_come_before_names_of_a_data_set(hbimg, dataset_folder):
    hbimg("ingest", dataset_folder, "--table", "t", "--subject", "X", "--dry-run")
    said = hbimg("ingest", dataset_folder, "--table", "t", "--pattern", "sub-{subject}/anat/{scan}.nii*", code=1)
    assert "does not fit --pattern" in said.err
    assert "t/02/-/sub-02_T1w" in listed(hbimg)


def test_sidecars_of_loose_images_come_in_with_them(hbimg, tmp_path, image, written, tree_of):
    files = {"x.nii.gz": gzip.compress(image(1)), "x.json": SIDE.encode(), "x.bval": b"0\n", "x.bvec": b"0\n0\n0\n"}
    folder = written(tmp_path / "in", files | {"y.nii": image(2), "z.json": b"{}", "x.txt": b"x", "y.tsv": b"y"})
    said = hbimg("ingest", folder, "--table", "t", "--json").json
    left = {item["source"] for item in said["items"] if item["outcome"] == "left alone"}
    assert left == {"z.json", "x.txt", "y.tsv"}
    assert names_in(hbimg, "t/-/-/x") == ["x.nii.gz", "x.bval", "x.bvec", "x.json"]
    assert hbimg.exported() == files | {"y.nii": image(2)}


def test_a_name_that_is_no_utf8_is_left_alone_and_said(hbimg, tmp_path, dataset_files, written):
    folder = written(
        tmp_path / "ds",
        {"dataset_description.json": b"{}", "sub-01_T1w.nii": dataset_files["sub-02/anat/sub-02_T1w.nii"]},
    )
    (folder / os.fsdecode(b"bad\xff.txt")).write_bytes(b"x")
    said = hbimg("ingest", folder, "--table", "t", "--json").json
    (item,) = [item for item in said["items"] if item["outcome"] == "left alone"]
    assert "no UTF-8" in item["reason"]


def test_empty_images_of_published_examples_are_kept_as_files(hbimg, tmp_path, dataset_files, written, tree_of):
    folder = written(tmp_path / "ds", {name: b"" if ".nii" in name else data for name, data in dataset_files.items()})
    said = hbimg("ingest", folder, "--table", "t")
    assert "sub-02_T1w.nii: empty, kept as files" in said.err
    assert {item["kind"] for key, item in listed(hbimg).items() if "pictures" not in key} == {"files"}
    hbimg("export", "--table", "t", "--bids", "--to", tmp_path / "out")
    assert tree_of(tmp_path / "out") == tree_of(folder)


def test_dicom_in_sourcedata(hbimg, tmp_path, dataset_files, written, tree_of):
    """Its keys are of the folders' subject and session, and it is not converted again."""
    folder = written(tmp_path / "ds", dataset_files)
    write_series(folder / "sourcedata/sub-01/ses-1/dicom/1", ProtocolName="head", PatientID="Nobody")
    hbimg("ingest", folder, "--table", "t")
    assert listed(hbimg)["t/sub-01/ses-1/001-head"]["format"] == "dicom"
    hbimg("run", "dicom2nifti", "--table", "t", "-w", "1")
    hbimg("export", "--table", "t", "--bids", "--to", tmp_path / "out")
    assert tree_of(tmp_path / "out") == tree_of(folder)


def test_a_broken_image_costs_only_itself(hbimg, tmp_path, dataset_files, written, tree_of):
    folder = written(tmp_path / "ds", dataset_files)
    image = folder / "sub-02/anat/sub-02_T1w.nii"
    image.write_bytes(image.read_bytes()[:-1])
    said = hbimg("ingest", folder, "--table", "t", code=1)
    assert "promises" in said.line_with("refused:")
    hbimg("export", "--table", "t", "--bids", "--to", tmp_path / "out")
    gone = set(tree_of(folder)) - set(tree_of(tmp_path / "out"))
    assert gone == {"sub-02/anat/sub-02_T1w.nii"}


_PARTS = st.sampled_from(["sub-01", "sub-02", "ses-1", "anat", "func", "derivatives", "prep", "code", "x"])
_NAMES = st.sampled_from(
    ["sub-01_T1w", "sub-01_ses-1_T1w", "sub-02_task-a_bold", "T1", "README", "sub-01_task-a_events", ".hidden", "a.b"]
)
_PATHS = st.builds(
    lambda folders, name, ending: "/".join([*folders, name + ending]),
    st.lists(_PARTS, max_size=4),
    _NAMES,
    st.sampled_from([".nii", ".json", ".tsv", "", ".dscalar.nii"]),
)


@given(st.sets(_PATHS, min_size=1, max_size=25), st.booleans())
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_file_of_any_tree_is_planned_once(tmp_path_factory, dataset_files, written, paths, is_dataset):
    """Whatever the tree: each file has one place; in a data set none is left alone."""
    folder = tmp_path_factory.mktemp("tree")
    image = dataset_files["sub-02/anat/sub-02_T1w.nii"]
    paths = {path for path in paths if not any(other.startswith(path + "/") for other in paths)}
    files = {path: image if path.endswith(".nii") else path.encode() for path in paths}
    written(folder, files | ({"dataset_description.json": b"{}"} if is_dataset else {}))
    options = IngestOptions(KeyRules(default_project="p"))
    planned, others = plan([folder], options, Pool(1), lambda *_: None)
    found = [name for item in planned for name in item.names] + [other.source for other in others]
    assert sorted(found) == sorted([*files, *(["dataset_description.json"] if is_dataset else [])])
    assert all(item.key is not None for item in planned)
    if is_dataset:
        assert others == []
        for item in planned:
            assert json.dumps(item.texts) is not None
            assert item.candidate.dataset == "bids"


@pytest.mark.parametrize("option", [["--mapping", "x.toml"], ["--bids", "--mapping", "gone.toml"]])
def test_mappings_that_cannot_be(hbimg, tmp_path, dataset_folder, option):
    hbimg("ingest", dataset_folder, "--table", "t")
    said = hbimg("export", "--table", "t", "--to", tmp_path / "out", *option, code=1)
    assert len(said.err.splitlines()) == 1
    assert "--bids too" in said.err or "cannot be read" in said.err
