"""The words of a command for `exec`: placeholders and what stands in their place, durations and amounts of memory."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Self

from hbimg.errors import ParameterError
from hbimg.model import LEVELS

#: ``{word}`` or ``{word:name}``, and the same in doubled braces, which stands for itself. Other braces mean nothing.
_PLACEHOLDER = re.compile(r"\{\{([a-z_]+(?::[^{}]*)?)\}\}|\{([a-z_]+)(:[^{}]*)?\}")
#: Placeholders that stand for a text of the volume.
TEXTS = ("key", *LEVELS, "frame")
_KNOWN = ("input", "output", "outdir", *TEXTS)

_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
_BYTES = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12, "ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40}
#: A result that takes longer than a day is given up (`hbimg.volumes.result_writer`).
_MOST_SECONDS = 86400.0


@dataclass(frozen=True, slots=True)
class CommandWords:
    """A command with placeholders.

    Attributes
    ----------
    words : tuple of str
    outputs : tuple of str
        File names of ``{output:NAME}``, each once, in their order.
    has_output, has_folder : bool
        Whether there is an ``{output}`` without a name, and an ``{outdir}``.
    """

    words: tuple[str, ...]
    outputs: tuple[str, ...]
    has_output: bool
    has_folder: bool

    @classmethod
    def parse(cls, command: str) -> Self:
        """Read a command that is quoted as in a shell.

        Raises
        ------
        ParameterError
            If it is empty or has no ``{input}``, a quote is left open, or a placeholder is unknown or ill-named.
        """
        try:
            words = tuple(shlex.split(command))
        except ValueError as error:
            raise ParameterError(f"command {command!r} cannot be read: {error}") from error
        if not words:
            raise ParameterError("no command is given: write it behind --, as in `-- mytool {input} {output}`")
        found = [_checked(word, name) for text in words for word, name in _placeholders(text)]
        if not any(word == "input" for word, _ in found):
            raise ParameterError(f"command {command!r} has no {{input}}: write it where the tool wants its input")
        outputs = dict.fromkeys(name for word, name in found if word == "output" and name)
        return cls(words, tuple(outputs), ("output", "") in found, any(word == "outdir" for word, _ in found))

    def filled(self, texts: Mapping[str, str]) -> tuple[str, ...]:
        """Put texts in the place of placeholders; those of outputs go by ``output`` and ``output:NAME``."""

        def text_of(match: re.Match[str]) -> str:
            if match[1] is not None:
                return f"{{{match[1]}}}"
            return texts[match[2] + (match[3] or "")]

        return tuple(_PLACEHOLDER.sub(text_of, word) for word in self.words)


def _placeholders(text: str) -> list[tuple[str, str | None]]:
    return [(match[2], match[3] and match[3][1:]) for match in _PLACEHOLDER.finditer(text) if match[2]]


def _checked(word: str, name: str | None) -> tuple[str, str]:
    shown = f"{{{word}}}" if name is None else f"{{{word}:{name}}}"
    if word not in _KNOWN:
        known = " ".join(f"{{{one}}}" for one in _KNOWN)
        raise ParameterError(f"{shown} is no placeholder; there are {known}; for the text itself write {{{shown}}}")
    if name is None:
        return word, ""
    if word != "output":
        raise ParameterError(f"{shown}: only {{output:NAME}} takes a name")
    return word, file_name(name, shown)


def file_name(name: str, shown: str) -> str:
    """Give a name back if it is a plain file name; ParameterError else, which begins with `shown`."""
    if name in ("", ".", "..") or name != PurePosixPath(name).name or not name.isprintable() or name.startswith("-"):
        raise ParameterError(f"{shown}: give a file name without a folder, such as {{output:mask.nii.gz}}")
    return name


def seconds_of(text: str, what: str) -> float:
    """Read a duration: seconds, or a number with s, m, h or d; above 0 and at most a day."""
    seconds = _amount(text, _SECONDS, f"{what} {text!r}: give seconds, or 90s, 15m, 2h")
    if not 0 < seconds <= _MOST_SECONDS:
        raise ParameterError(f"{what} {text!r}: it must be above 0 and at most 24h")
    return seconds


def bytes_of(text: str, what: str) -> int:
    """Read an amount of memory in bytes: 4GB, 512MiB; 0 for the empty text."""
    wrong = f"{what} {text!r}: give an amount such as 4GB or 512MiB, at least 1MB"
    found = int(_amount(text.lower().removesuffix("b"), _BYTES, wrong)) if text else 0
    if text and found < 10**6:
        raise ParameterError(wrong)
    return found


def _amount(text: str, units: Mapping[str, int], wrong: str) -> float:
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*", text.lower())
    if match is None or match[2] not in units:
        raise ParameterError(wrong)
    return float(match[1]) * units[match[2]]
