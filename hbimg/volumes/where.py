"""Choose volumes by patterns on their labels: ``subject=sub-0* scan=*T1w``, or ``adhd/sub-0*``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import translate

from hbimg.errors import ConfigError, RowKeyError
from hbimg.model import LEVELS, VolumeKey
from hbimg.rowkeys import KeyRange, RowKeyScheme, check_label, label_of

_MAGIC = re.compile(r"[*?\[]")
#: What begins a list of terms rather than a path; labels have ``=`` too, but only before two digits of an escape.
_TERM = re.compile(r"\s*(project|subject|session|scan)?[^/=]*=(?![0-9A-F]{2})|\s*(project|subject|session|scan)=")


@dataclass(frozen=True, slots=True)
class Where:
    """Patterns for the four labels; ``*``, ``?`` and ``[...]`` mean what they mean in a shell, case counts."""

    project: str = "*"
    subject: str = "*"
    session: str = "*"
    scan: str = "*"

    @classmethod
    def parse(cls, text: str | None) -> Where:
        """Read ``level=pattern`` terms set apart by blanks or commas, or a path of patterns from the project down.

        Raises
        ------
        ConfigError
            If a term is none of these, or a level is unknown or named twice.
        """
        if not text or not text.strip():
            return cls()
        if not _TERM.match(text):
            return cls._of_path(text.strip())
        chosen: dict[str, str] = {}
        for term in re.split(r"[,\s]+", text.strip()):
            level, equals, pattern = term.partition("=")
            if level not in LEVELS or not equals or not pattern or level in chosen:
                raise ConfigError(
                    f"--where {text!r}: {term!r} is no term; give level=pattern, once for each of {', '.join(LEVELS)}"
                )
            chosen[level] = pattern
        return cls(**chosen)

    @classmethod
    def _of_path(cls, text: str) -> Where:
        parts = text.strip("/").split("/")
        if len(parts) > len(LEVELS) or not all(parts):
            raise ConfigError(f"--where {text!r}: give project/subject/session/scan, or the first of them, as patterns")
        return cls(*parts)

    @property
    def labels(self) -> tuple[str, str, str, str]:
        """The four patterns, outermost first."""
        return (self.project, self.subject, self.session, self.scan)

    def matches(self, key: VolumeKey) -> bool:
        """Whether a key's labels agree with all patterns."""
        return all(_matches(pattern, label) for pattern, label in zip(self.labels, key.labels, strict=True))

    def key_range(self, scheme: RowKeyScheme) -> KeyRange:
        """Give the smallest range of rows that the leading patterns without wildcards allow."""
        labels: list[str] = []
        for pattern in self.labels:
            if _MAGIC.search(pattern):
                break
            labels.append(_label(pattern))
        return scheme.range_of(*labels)


def _label(pattern: str) -> str:
    """Give the label that a pattern without wildcards names: itself if it is one, the label of the text else."""
    try:
        return check_label(pattern)
    except RowKeyError:
        return label_of(pattern)


def _matches(pattern: str, label: str) -> bool:
    if not _MAGIC.search(pattern):
        return _label(pattern) == label
    return re.match(translate(pattern), label) is not None
