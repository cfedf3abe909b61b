"""Where keys come from, what odd texts become, and that no two volumes are ever taken for one."""

from __future__ import annotations

import re
from types import SimpleNamespace

import pytest

from hbimg.errors import ConfigError, RowKeyError
from hbimg.ingest.candidates import Names
from hbimg.ingest.keys import KeyRules, check_pattern
from hbimg.rowkeys import RowKeyScheme, labels
from hbimg.volumes.where import Where


def key(name, rules=None, found=None):
    stem = name.rpartition("/")[2].partition(".")[0]
    made, texts = (rules or KeyRules(default_project="t")).key_of(name, stem, found or Names(scan=stem))
    return str(made), texts


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("sub-01_T1w.nii", "t/sub-01/-/T1w"),
        ("sub-01/ses-2/anat/sub-01_ses-2_acq-fast_run-1_T1w.nii.gz", "t/sub-01/ses-2/acq-fast_run-1_T1w"),
        ("plain.nii", "t/-/-/plain"),
        ("p1/plain.nii", "t/p1/-/plain"),
        ("p1/a/b/plain.nii", "t/p1/a.b/plain"),
        ("sub-_T1w.nii", "t/-/-/sub-_T1w"),
        ("sub-01.nii", "t/-/-/sub-01"),
        ("Patient A/scan 1.nii", "t/Patient=20A/-/scan=201"),
    ],
)
def test_keys_from_names(name, expected):
    assert key(name)[0] == expected


def test_options_come_before_patterns_names_and_headers():
    found = Names(project="hp", subject="hs", session="he", scan="hc")
    assert key("sub-01_ses-1_T1w.nii", found=found)[0] == "hp/sub-01/ses-1/T1w"
    assert key("x.nii", found=found)[0] == "hp/hs/he/hc"
    rules = KeyRules(Names(session="fixed"), "{subject}/*/{session}_{scan}.nii", "t")
    assert key("s1/any/v1_t1.nii", rules, Names())[0] == "t/s1/fixed/t1"


@pytest.mark.parametrize(
    ("pattern", "name", "expected"),
    [
        ("{subject}/{session}/{scan}.nii.gz", "a/b/c.nii.gz", "t/a/b/c"),
        ("{subject}/**", "a/b/c/d.nii", "t/a/-/d"),
        ("{project}.{subject}/*/{scan}.*", "p.s/x/y.nii", "p/s/-/y"),
        ("(a+)/{scan}.nii", "(a+)/c.nii", "t/-/-/c"),
    ],
)
def test_patterns(pattern, name, expected):
    assert key(name, KeyRules(Names(), check_pattern(pattern), "t"))[0] == expected


@pytest.mark.parametrize("pattern", ["", "x", "{nobody}", "{subject}/{subject}", "{subject", "{}"])
def test_patterns_that_are_none(pattern):
    with pytest.raises(ConfigError):
        check_pattern(pattern)


def test_a_path_that_does_not_fit_its_pattern():
    with pytest.raises(ConfigError, match=r"a/b\.nii does not fit --pattern"):
        key("a/b.nii", KeyRules(Names(), "{subject}/{session}/{scan}.nii", "t"))
    with pytest.raises(RowKeyError, match="nothing names the scan"):
        key("a/b.nii", KeyRules(Names(), "{subject}/**", "t"), Names(subject="s"))


ODD = [
    "-",
    ".",
    "..",
    "a/b",
    "a b",
    "é",
    "日本語",
    "a,b!c",
    "=20",
    "~",
    "a\tb",
    "x" * 64,
    "x" * 200,
    "é" * 200,
    "*",
    "[a]",
]


def test_odd_texts_are_keys_of_their_own_and_come_back(hbimg, tmp_path, image):
    """Ingest under odd options, list, choose by the key that was listed and by the text, export, remove."""
    (tmp_path / "x.nii").write_bytes(image())
    for text in ODD:
        hbimg("ingest", tmp_path / "x.nii", "--table", "t", "--subject", text)
    listed = hbimg("ls", "--table", "t", "--json").json
    assert len({item["key"] for item in listed}) == len(ODD)
    texts = []
    for item in listed:
        (chosen,) = hbimg("ls", "--table", "t", "--where", item["key"], "--json").json
        assert chosen == item
        record = hbimg("show", "--table", "t", item["key"], "--json").json["record"]
        texts.append(record["texts"].get("subject", item["key"].split("/")[1]))
    assert sorted(texts) == sorted(ODD)
    assert hbimg("export", "--table", "t", "--to", tmp_path / "out", "--json").json
    assert len(list((tmp_path / "out").rglob("*.nii"))) == len(ODD)
    for item in listed:
        hbimg("rm", "--table", "t", item["key"], "--yes")
    assert hbimg("ls", "--table", "t", "--json").json == []
    hbimg.assert_sound()


def test_case_twins_are_two_volumes(hbimg, tmp_path, image):
    (tmp_path / "x.nii").write_bytes(image(1))
    (tmp_path / "X.nii").write_bytes(image(2))
    hbimg("ingest", tmp_path / "x.nii", tmp_path / "X.nii", "--table", "t")
    assert hbimg.exported() == {"x.nii": image(1), "X.nii": image(2)}


def test_case_twins_are_not_exported_to_a_case_blind_disk(hbimg, tmp_path, image, monkeypatch):
    (tmp_path / "x.nii").write_bytes(image(1))
    (tmp_path / "X.nii").write_bytes(image(2))
    hbimg("ingest", tmp_path / "x.nii", tmp_path / "X.nii", "--table", "t")
    monkeypatch.setattr("hbimg.volumes.export._is_case_blind", lambda _: True)
    said = hbimg("export", "--table", "t", "--to", tmp_path / "out", code=1)
    assert "differ only in case" in said.line_with("failed:")
    assert len(list((tmp_path / "out").rglob("*.nii"))) == 1


def test_two_texts_of_one_label_are_refused(hbimg, tmp_path, image, monkeypatch):
    """Hashes of different texts clash once in 10^12 volumes' 10^12; here always."""

    class Hash:
        def hexdigest(self):
            return "0" * 64

    monkeypatch.setattr(labels, "hashlib", SimpleNamespace(sha256=lambda _: Hash()))
    (tmp_path / "x.nii").write_bytes(image(1))
    first, second = "s" * 100 + "1", "s" * 100 + "2"
    hbimg("ingest", tmp_path / "x.nii", "--table", "t", "--subject", first)
    for more in (["--scan", "other"], ["--session", "2"], [], ["--replace"]):
        said = hbimg("ingest", tmp_path / "x.nii", "--table", "t", "--subject", second, *more, code=1)
        assert "stands for another subject already" in said.line_with("refused:")
        assert first not in said.err
        assert second not in said.err
    hbimg("ingest", tmp_path / "x.nii", "--table", "t", "--subject", first, "--scan", "other")
    assert len(hbimg("ls", "--table", "t", "--json").json) == 2
    hbimg.assert_sound()


def test_same_content_under_another_key_is_stored_with_a_word(hbimg, tmp_path, image):
    (tmp_path / "x.nii").write_bytes(image())
    (tmp_path / "y.nii").write_bytes(image())
    hbimg("ingest", tmp_path / "x.nii", "--table", "t")
    said = hbimg("ingest", tmp_path / "y.nii", "--table", "t")
    assert said.line_with("remark:") == "remark: y.nii: the same content stands under t/-/-/x too"
    assert len(hbimg("ls", "--table", "t", "--json").json) == 2


@pytest.mark.parametrize("more", [[], ["--replace"]])
def test_two_files_of_one_key_in_one_ingest(hbimg, tmp_path, image, more):
    folder = tmp_path / "in"
    for name, seed in (("a/x.nii", 1), ("b/x.nii", 1), ("c/x.nii", 2)):
        (folder / name).parent.mkdir(parents=True)
        (folder / name).write_bytes(image(seed))
    said = hbimg("ingest", folder, "--table", "t", "--subject", "s", *more, code=1)
    line = said.line_with("refused:")
    assert "c/x.nii and a/x.nii claim one key, t/s/-/x, with different content" in line
    assert "1 stored" in said.err
    assert "1 present" in said.err
    assert hbimg.exported() == {"a/x.nii": image(1)}
    said = hbimg("ingest", folder, "--table", "t", "--subject", "s", "--dry-run", "--json").json
    assert [item["reason"] != "" for item in said["items"]] == [False, True, True]


def test_the_line_that_refuses_a_key_tells_how_to_give_another(hbimg, tmp_path, image):
    """Its lines are followed as they stand; what was stored before is present."""
    folder = tmp_path / "in"
    for name, seed in (("a/x.nii", 1), ("b/sub-7_T1w.nii", 2), ("c/x.nii", 3), ("d/x.nii", 4)):
        (folder / name).parent.mkdir(parents=True)
        (folder / name).write_bytes(image(seed))
    said = hbimg("ingest", folder, "--table", "t", "--session", "s", code=1)
    before = {item["key"] for item in hbimg("ls", "--table", "t", "--json").json}
    refused = [line for line in said.err.splitlines() if line.startswith("refused:")]
    lines = [re.findall("'(.*?)'", line) for line in refused]
    assert lines == [["file,scan", ".,", f"{name}/x.nii,x-{n}"] for name, n in (("c", 2), ("d", 3))]
    table = tmp_path / "keys.csv"
    table.write_text("\n".join([*lines[0], lines[1][-1]]))
    said = hbimg("ingest", folder, "--table", "t", "--session", "s", "--keys-from", table)
    assert "2 stored" in said.err
    assert "2 present" in said.err
    assert {item["key"] for item in hbimg("ls", "--table", "t", "--json").json} == before | {"t/-/s/x-2", "t/-/s/x-3"}


def test_replace_is_asked_for(hbimg, tmp_path, image):
    path = tmp_path / "x.nii"
    path.write_bytes(image(1))
    hbimg("ingest", path, "--table", "t")
    path.write_bytes(image(2))
    said = hbimg("ingest", path, "--table", "t", code=1)
    assert "holds other content" in said.line_with("refused: x.nii")
    assert hbimg.exported() == {"x.nii": image(1)}
    hbimg("ingest", path, "--table", "t", "--replace")
    assert hbimg.exported() == {"x.nii": image(2)}
    hbimg.assert_sound()


def test_where_takes_keys_as_they_are_listed():
    assert Where.parse("t/Patient=20A/-/x").subject == "Patient=20A"
    assert Where.parse("t=20x").project == "t=20x"
    assert Where.parse("subject=Patient=20A, scan=T1*") == Where(subject="Patient=20A", scan="T1*")
    assert Where.parse("x" * 100).key_range(RowKeyScheme()).start.startswith(b"x" * 43 + b"~")
    for wrong in ("subjct=s", "subject=", "subject=a subject=b", "a/b/c/d/e", "subject=a x", "a//b"):
        with pytest.raises(ConfigError):
            Where.parse(wrong)
