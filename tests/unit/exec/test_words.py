"""The words of a command: what is a placeholder, what stands for itself, and what is refused."""

from __future__ import annotations

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hbimg.errors import ParameterError
from hbimg.mapreduce.jobs.exec_words import CommandWords, bytes_of, seconds_of

TEXTS = {"input": "in/T1w.nii", "output": "out/T1w.nii.gz", "output:m.nii": "out/m.nii", "outdir": "out", "scan": "T1w"}


@pytest.mark.parametrize(
    ("command", "filled"),
    [
        ("tool {input} {output}", ["tool", "in/T1w.nii", "out/T1w.nii.gz"]),
        ("tool --in={input} -o {output:m.nii},{scan}", ["tool", "--in=in/T1w.nii", "-o", "out/m.nii,T1w"]),
        ("sh -c 'cat {input} > {outdir}/x'", ["sh", "-c", "cat in/T1w.nii > out/x"]),
        ("awk '{ print $1 }' {input}", ["awk", "{ print $1 }", "in/T1w.nii"]),
        ("awk '{{print}}' {input}", ["awk", "{print}", "in/T1w.nii"]),
        ("echo {} {0} ${HOME} {A} {input}", ["echo", "{}", "{0}", "${HOME}", "{A}", "in/T1w.nii"]),
    ],
)
def test_placeholders_are_filled(command, filled):
    assert list(CommandWords.parse(command).filled(TEXTS)) == filled


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("", "no command is given"),
        ("tool 'open {input}", "cannot be read: No closing quotation"),
        ("tool {output}", "has no {input}"),
        ("tool {{input}}", "has no {input}"),
        ("tool {inptu}", "{inptu} is no placeholder; there are {input} {output} {outdir} {key}"),
        ("awk '{print}' {input}", "for the text itself write {{print}}"),
        ("tool {input:x}", "only {output:NAME} takes a name"),
        ("tool {input} {output:}", "give a file name without a folder"),
        ("tool {input} {output:../x}", "give a file name without a folder"),
        ("tool {input} {output:/etc/x}", "give a file name without a folder"),
        ("tool {input} {output:-rf}", "give a file name without a folder"),
        ("tool {input} {output:..}", "give a file name without a folder"),
    ],
)
def test_what_is_no_command_is_refused(command, words):
    with pytest.raises(ParameterError) as caught:
        CommandWords.parse(command)
    assert words in str(caught.value)


@given(st.lists(st.text(st.characters(exclude_characters="{}\0", codec="utf-8")), min_size=1))
def test_words_without_braces_come_back_as_they_are(words):
    command = shlex.join([*words, "{input}"])
    assert CommandWords.parse(command).filled(TEXTS) == (*words, "in/T1w.nii")


@pytest.mark.parametrize(("text", "seconds"), [("90", 90), ("1.5s", 1.5), ("15m", 900), ("2 h", 7200), ("1d", 86400)])
def test_durations(text, seconds):
    assert seconds_of(text, "timeout") == seconds


@pytest.mark.parametrize("text", ["", "0", "-1", "soon", "25h", "1w", "nan", "inf", "1e3"])
def test_what_is_no_duration(text):
    with pytest.raises(ParameterError, match="timeout"):
        seconds_of(text, "timeout")


@pytest.mark.parametrize(
    ("text", "size"), [("", 0), ("4GB", 4 * 10**9), ("4G", 4 * 10**9), ("512MiB", 512 << 20), ("1.5 gb", 15 * 10**8)]
)
def test_memory(text, size):
    assert bytes_of(text, "memory") == size


@pytest.mark.parametrize("text", ["4", "lots", "-1GB", "100kB", "1XB"])
def test_what_is_no_memory(text):
    with pytest.raises(ParameterError, match="memory"):
        bytes_of(text, "memory")
