"""What an ingest is to do, and what became of it: options, planned volumes, and the lines of the summary."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from hbimg.ingest.candidates import Candidate, printable
from hbimg.ingest.keys import KeyRules
from hbimg.ingest.pictures import PACKAGE_PICTURES
from hbimg.model import VolumeKey
from hbimg.volumes.table import VolumeTable


@dataclass(frozen=True, slots=True)
class IngestOptions:
    """What the user chose.

    Attributes
    ----------
    keys : KeyRules
    accept_incomplete : bool
        Store volumes with missing or uneven planes, marked so.
    replace : bool
        Put new content in the place of other content under the same key.
    reproduce_gzip : bool
        Keep a recipe for gzip streams where zlib makes them again, instead of the streams.
    workers : int
        Number of processes.
    package : int
        Pictures in one volume, at most.
    scratch : Path or None
        A folder for what archives hold, for as long as the ingest takes; None to leave archives closed.
    """

    keys: KeyRules
    accept_incomplete: bool = False
    replace: bool = False
    reproduce_gzip: bool = False
    workers: int = 1
    package: int = PACKAGE_PICTURES
    scratch: Path | None = None

    def shown(self, text: str) -> str:
        """Give a text with members of archives as users know them, below the archive's name."""
        return re.sub(re.escape(f"{self.scratch}/") + r"\d+/", "", text) if self.scratch else text


@dataclass(frozen=True, slots=True)
class Target:
    """The table to store in, open in this process; and the URL by which workers open its store, if they can."""

    volumes: VolumeTable
    url: str | None


@dataclass(frozen=True, slots=True)
class Planned:
    """A candidate with its key.

    `names` are the files' paths below the ingested folder, `modified_ns` when each was last modified as it was found;
    both in the candidate's order.
    """

    candidate: Candidate
    key: VolumeKey | None
    names: tuple[str, ...]
    modified_ns: tuple[int, ...] = ()
    texts: dict[str, str] = field(default_factory=dict)

    @property
    def size_bytes(self) -> int:
        """Bytes of the files on disk."""
        return sum(file.size_bytes for file in self.candidate.files)


@dataclass(frozen=True, slots=True)
class Outcomes:
    """One line of the summary: what became of a volume, a series, or a file.

    Attributes
    ----------
    outcome : str
        ``stored``, ``present`` (the same content was there), ``set aside``, ``refused``, ``planned`` (dry run), ``left
        alone`` (no image).
    key : str
        The key, or empty.
    source : str
        The first file, below the ingested folder.
    files, size_bytes, frames : int
    reason : str
        Why it was set aside, refused or left alone, or a remark on what was stored.
    digest : str
        Of what was stored: SHA-256 over its files' digests.
    """

    outcome: str
    key: str
    source: str
    files: int = 1
    size_bytes: int = 0
    frames: int = 0
    reason: str = ""
    digest: str = ""


Progress = Callable[[str, int, int, str], None]
"""Called with a stage (``reading headers``, ``storing``), what is done of it, its total, and ``files`` or ``bytes``."""


def outcome_of(item: Planned, outcome: str, reason: str, digest: str = "") -> Outcomes:
    """Give the line of the summary for a candidate."""
    frames = sum(run.count for file in item.candidate.files for run in file.runs)
    key = str(item.key) if item.key else ""
    source, reason = item.names[0], printable(reason)
    return Outcomes(outcome, key, source, len(item.names), item.size_bytes, frames, reason, digest)
