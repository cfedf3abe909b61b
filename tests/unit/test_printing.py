"""What a progress bar says beside the bar."""

from __future__ import annotations

import io
import sys

import pytest
from rich.console import Console

from hbimg.cli.printing import amount_text, progress_bar


@pytest.mark.parametrize(
    ("numbers", "unit", "text"),
    [
        ((40, 400, 2.0), "files", "40 of 400 files, 20/s"),
        ((0, 12_345, 0.0), "files", "0 of 12,345 files, 0/s"),
        ((2_500_000, 10_000_000, 0.5), "bytes", "2.5 MB of 10.0 MB, 5.0 MB/s"),
    ],
)
def test_files_are_counted_as_files_and_bytes_as_bytes(numbers, unit, text):
    assert amount_text(*numbers, unit) == text


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_bar_counts_in_its_unit_and_one_stage_is_one_bar(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr("rich.console.Console", lambda **_: Console(file=terminal, force_terminal=True, width=120))
    with progress_bar() as show:
        show("reading headers", 64, 128, "files")
        show("compress: 3 volumes", 1_000_000, 3_000_000)
        show("compress: 3 volumes, 1 failed", 2_000_000, 3_000_000)
    last = terminal.getvalue().split("reading headers")[-1]
    assert "64 of 128 files" in last
    assert "2.0 MB of 3.0 MB" in last
    assert last.count("compress: 3 volumes") == 1
