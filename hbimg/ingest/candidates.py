"""What readers find: candidates for storing, each with its outcome, before a byte is written.

A reader looks at headers only. Whether a candidate is stored, set aside or refused is decided here, once, with a
reason that names files; the pipeline only carries it out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from hbimg.model import LEVELS, Geometry
from hbimg.volumes.content import FrameEncoding, FrameRun


class Outcome(StrEnum):
    """What becomes of a candidate."""

    STORE = "store"
    SET_ASIDE = "set aside"  # kept byte for byte as a series, but no volume
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class CandidateFile:
    """A file of a candidate; its fields mean what they mean in `hbimg.volumes.content.SourceFile`."""

    path: Path
    size_bytes: int
    runs: tuple[FrameRun, ...] = ()
    packing: Mapping[str, Any] | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Names:
    """What the headers or the file names say of the key, as plain texts; None where they say nothing."""

    project: str | None = None
    subject: str | None = None
    session: str | None = None
    scan: str | None = None

    def over(self, other: Names) -> Names:
        """Give these names, and the other's where these say nothing."""
        return Names(*(getattr(self, level) or getattr(other, level) for level in LEVELS))


@dataclass(frozen=True, slots=True)
class Candidate:
    """One volume or series that a reader found.

    Attributes
    ----------
    outcome : Outcome
    reason : str
        Why it is set aside or refused, which files and where; one line, without a patient's name. Empty for STORE.
    format : str
        As in `hbimg.volumes.content.VolumeContent`.
    files : tuple of CandidateFile
        In the order of their frames; for what is no volume, in the order of their paths.
    names : Names
    geometry, encoding, header, remarks, missing, plane_map
        As in `hbimg.volumes.content.VolumeContent`.
    kind : str
        As in `hbimg.volumes.content.VolumeContent`, of what is stored.
    dataset : str
        As in `hbimg.volumes.content.VolumeContent`.
    told : Names or None
        What the user and the paths say of the key, where the candidate was made by it already.
    """

    outcome: Outcome
    reason: str
    format: str
    files: tuple[CandidateFile, ...]
    names: Names
    geometry: Geometry | None = None
    encoding: FrameEncoding | None = None
    header: Mapping[str, Any] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()
    missing: Mapping[str, Any] | None = None
    plane_map: Mapping[str, Any] = field(default_factory=dict)
    told: Names | None = None
    kind: str = "volume"
    dataset: str = ""

    def __post_init__(self) -> None:
        """Make the words printable: they quote texts of files, which may command a terminal."""
        object.__setattr__(self, "reason", printable(self.reason))
        object.__setattr__(self, "remarks", tuple(map(printable, self.remarks)))


def printable(text: str) -> str:
    """Give a text on one line, what a terminal would not print as escapes."""
    line = " ".join(text.split())
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in line)
