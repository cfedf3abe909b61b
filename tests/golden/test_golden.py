"""Golden files: bytes that other versions of hbimg have written or will read."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hbimg.model import VolumeKey
from hbimg.rowkeys import RowKeyScheme, label_of, run_row, settings_row, stop_row

LINES = [
    line.split(" -> ")
    for line in (Path(__file__).parent / "rowkeys-1.txt").read_text(encoding="utf-8").splitlines()
    if line and not line.startswith("#")
]


def encode(text):
    """The row key of a line's left side: ``kind level project/subject/session/scan [generation name number part]``."""
    kind, *rest = text.split(" ")
    if kind == "label":
        return label_of(text.removeprefix("label ")).encode()
    if kind == "none":
        return label_of(None).encode()
    if kind == "settings":
        return settings_row()
    if kind == "run":
        return run_row(rest[0])
    if kind == "stop":
        return stop_row(rest[0])
    level, key, *arguments = rest
    numbered = [int(a) if re.fullmatch(r"\d{1,6}", a) else a for a in arguments]
    return getattr(RowKeyScheme(level), kind)(VolumeKey.parse(key), *numbered)


@pytest.mark.parametrize(("text", "row"), LINES, ids=[line[0][:60] for line in LINES])
def test_row_keys_of_scheme_1_stay(text, row):
    assert encode(text) == row.encode("ascii")


def test_the_golden_file_covers_every_kind():
    assert {line[0].split(" ")[0] for line in LINES} == {
        "label", "none", "settings", "run", "stop", "volume", "file", "frame", "manifest", "piece",
    }  # fmt: skip
    assert (RowKeyScheme.name, RowKeyScheme.version) == ("hbimg", 1)
