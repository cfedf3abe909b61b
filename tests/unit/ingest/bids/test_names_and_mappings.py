"""Names of BIDS, what paths say, and mapping files with all the slips of the pen."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hbimg.bids.mapping import read_mapping
from hbimg.bids.names import DATATYPES, ENTITIES, BidsName, label_of, place_of, suffix_of
from hbimg.errors import ConfigError
from hbimg.model import VolumeKey

LABELS = st.text("abcXYZ0189", min_size=1, max_size=6)


@given(
    st.sampled_from(DATATYPES),
    st.dictionaries(st.sampled_from([e for e in ENTITIES if e not in ("sub", "ses")]), LABELS, max_size=6),
    LABELS,
    LABELS,
    st.none() | LABELS,
)
def test_a_name_reads_back_and_its_file_lies_where_its_path_says(datatype, entities, suffix, subject, session):
    name = BidsName(datatype, suffix, entities)
    assert BidsName.parse(str(name)) == name
    path = name.folder(subject, session) / (name.stem(subject, session) + ".nii.gz")
    place = place_of(str(path))
    assert (place.subject, place.session) == (f"sub-{subject}", f"ses-{session}" if session else None)
    assert f"{datatype}/{place.stem}" == str(name)
    assert place.odd_folders == ()
    order = [ENTITIES.index(pair.partition("-")[0]) for pair in path.name.split("_")[:-1]]
    assert order == sorted(order)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("T1w", "anat/T1w"),
        ("_acq-fast_dir-AP_run-3_bold", "func/acq-fast_dir-AP_run-3_bold"),
        ("fmap/run-1_acq-x_epi", "fmap/acq-x_run-1_epi"),
        ("sub-01_ses-2_task-rest_bold", "func/task-rest_bold"),
    ],
)
def test_names_that_users_write(text, expected):
    assert str(BidsName.parse(text)) == expected


@pytest.mark.parametrize(
    "text",
    [
        *("", "anat/", "ct/_ct", "nothing", "func/rest_bold", "func/task-_bold", "func/task-a-b_bold", "T1w/T1w"),
        *("anat/foo-1_T1w", "func/run-1_run-2_bold", "../T1w", "anat/../T1w", "discard/_localizer", "anat/T1w.nii"),
    ],
)
def test_what_is_no_name(text):
    with pytest.raises(ConfigError, match="is no BIDS name"):
        BidsName.parse(text)


@pytest.mark.parametrize(
    ("path", "subject", "session", "around", "inside", "stem"),
    [
        ("README", None, None, (), (), "README"),
        (".bidsignore", None, None, (), (), ".bidsignore"),
        ("task-rest_bold.json", None, None, (), (), "task-rest_bold"),
        ("sub-01_T1w.nii", "sub-01", None, (), (), "T1w"),
        ("sub-01", None, None, (), (), "sub-01"),
        ("code/sub-01.py", None, None, (), ("code",), "sub-01"),
        ("derivatives/p/x.txt", None, None, ("derivatives", "p"), (), "x"),
        ("derivatives/p/sub-1/ses-2/x/y.nii", "sub-1", "ses-2", ("derivatives", "p"), ("x",), "y"),
        ("sub-1/sub-2/sub-3_T1w.nii", "sub-1", None, (), ("sub-2",), "sub-3_T1w"),
        ("sub-1/ses-2/sub-1_ses-2_scans.tsv", "sub-1", "ses-2", (), (), "scans"),
    ],
)
def test_what_paths_say(path, subject, session, around, inside, stem):
    place = place_of(path)
    assert (place.subject, place.session, place.around, place.inside, place.stem) == (
        subject,
        session,
        around,
        inside,
        stem,
    )


def test_labels_and_suffixes():
    assert label_of("sub-01", "sub") == label_of("0 1", "sub") == "01"
    assert label_of("Müller", "sub") == "Mller"
    assert [suffix_of(text) for text in ("401-anat-T1w", "t1_mprage", "a_bold", "T1w map", "")] == [
        "T1w",
        "",
        "bold",
        "",
        "",
    ]


TOML = """
[dataset]
Name = "A study"
[subjects]
"P 1" = "01"
[sessions]
"20240101" = ""
[[scans]]
where = "scan=*loc*"
name = "skip"
[[scans]]
where = "subject=P* scan=*EPI*"
image = "_e2"
name = "func/task-rest_echo-2_bold"
sidecar = { TaskName = "rest" }
"""


def test_a_mapping_in_toml(tmp_path):
    path = tmp_path / "m.toml"
    path.write_text(TOML)
    mapping = read_mapping(path)
    assert (mapping.dataset["Name"], mapping.subjects["P 1"], mapping.sessions["20240101"]) == ("A study", "01", "")
    assert mapping.rule(VolumeKey("t", "x", "-", "3-loc"), "").name is None
    rule = mapping.rule(VolumeKey("t", "P=201", "-", "4-EPI"), "_e2")
    assert (str(rule.name), rule.sidecar) == ("func/task-rest_echo-2_bold", {"TaskName": "rest"})
    assert mapping.rule(VolumeKey("t", "P=201", "-", "4-EPI"), "") is None


@pytest.mark.parametrize(("suffix", "comma"), [(".csv", ","), (".tsv", "\t")])
def test_a_mapping_in_csv(tmp_path, suffix, comma):
    path = tmp_path / f"m{suffix}"
    path.write_text(f"where{comma}name{comma}image\nscan=3*{comma}anat/T1w{comma}\nscan=4*{comma}skip{comma}_e2\n")
    mapping = read_mapping(path)
    assert str(mapping.rule(VolumeKey("t", "x", "-", "3"), "_ph").name) == "anat/T1w"
    assert mapping.rule(VolumeKey("t", "x", "-", "4"), "_e2").name is None
    assert mapping.rule(VolumeKey("t", "x", "-", "4"), "") is None


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("m.toml", "[dataset", "is no mapping in TOML"),
        ("m.toml", b"\xff", "is no mapping"),
        ("m.toml", "[sets]\n", "sets: give the tables"),
        ("m.toml", "dataset = 3\n", "dataset is no table"),
        ("m.toml", "[subjects]\nx = 'a b'\n", "a label has letters and digits"),
        ("m.toml", "[subjects]\nx = ''\n", "a label has letters and digits"),
        ("m.toml", "[sessions]\nx = 3\n", "a label has letters and digits"),
        ("m.toml", "scans = 3\n", "write [[scans]]"),
        ("m.toml", "[[scans]]\nwhere = 'scan=x'\n", "give where, name"),
        ("m.toml", "[[scans]]\nname = 'skip'\n", "give where, name"),
        ("m.toml", "[[scans]]\nwhere = 'scan=x'\nname = 'T1w'\ncolour = 1\n", "give where, name"),
        ("m.toml", "[[scans]]\nwhere = 'scan=x'\nname = 'T1w'\nsidecar = 1\n", "give where, name"),
        ("m.toml", "[[scans]]\nwhere = 'scan=x'\nname = 'T9w'\n", "is no BIDS name"),
        ("m.toml", "[[scans]]\nwhere = 'scan='\nname = 'T1w'\n", "is no term"),
        ("m.csv", "name\nT1w\n", "has the columns name"),
        ("m.csv", "where,name,task\na,T1w,x\n", "has the columns where, name, task"),
        ("m.csv", "where,name\na\n", "line 2"),
        ("m.csv", "where,name\n,T1w\n", "give where, name"),
        ("m.csv", 'where,name\n"a,T1w\n', "is no mapping"),
    ],
)
def test_broken_mappings(tmp_path, name, text, words):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConfigError) as caught:
        read_mapping(path)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_example_in_the_docs_is_a_mapping(tmp_path):
    from pathlib import Path

    page = (Path(__file__).parents[4] / "docs/bids.md").read_text()
    text = page.partition("```toml\n")[2].partition("```")[0]
    (tmp_path / "m.toml").write_text(text)
    mapping = read_mapping(tmp_path / "m.toml")
    assert len(mapping.scans) >= 3
    assert json.dumps(dict(mapping.dataset))
