"""The ingest: find, judge, name, store; each volume on its own, in several processes.

One bad file or series costs that one only. What is stored already is skipped, so an ingest that was killed is simply
run again.
"""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

from hbimg.errors import (
    HbimgError,
    IngestError,
    KeyClashError,
    StoreFullError,
    StorePermissionError,
    StoreUnavailableError,
)
from hbimg.ingest.bids import Datasets, with_files_beside, without_version_control
from hbimg.ingest.candidates import Candidate, Names, Outcome, printable
from hbimg.ingest.discover import FoundFile, Kind, discover
from hbimg.ingest.keys import KeyRules
from hbimg.ingest.nifti import nifti_candidate, stem_of
from hbimg.ingest.pictures import PACKAGE_PICTURES, Picture
from hbimg.ingest.pictures import candidates as picture_candidates
from hbimg.ingest.pictures import examine as examine_picture
from hbimg.ingest.sources import MAX_TRAILING_BYTES, PathSource, reading
from hbimg.ingest.workers import Pool
from hbimg.model import VolumeKey
from hbimg.store import open_store
from hbimg.volumes.content import SourceFile, VolumeContent
from hbimg.volumes.packing import gzip_recipe
from hbimg.volumes.table import VolumeTable
from hbimg.volumes.writer import store_content

#: Headers read by one task of a worker.
_FILES_PER_TASK = 64
#: Below this the headers are read sooner than workers have started: 0.2 ms each.
_FEW_FILES = 4000
#: How long another ingest that writes a volume is waited for; mostly it stores the same, which is then present.
_WAIT_FOR_WRITER_S = 60.0


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


def plan(
    paths: Sequence[Path], options: IngestOptions, pool: Pool, progress: Progress
) -> tuple[list[Planned], list[Outcomes]]:
    """Find and judge everything at and below the paths; nothing is written.

    Returns
    -------
    planned : list of Planned
        What is to be stored, set aside or refused, in key order.
    others : list of Outcomes
        Files that are no images, or broken ones.
    """
    found = without_version_control(discover(paths, options.scratch))
    datasets = Datasets.among(found)
    found = datasets.with_placeholders(found)
    files = {file.path: file for file in found}
    others = [Outcomes("refused", "", f.name, 1, f.size_bytes, 0, f.reason) for f in found if f.kind is Kind.BROKEN]
    candidates, failures = _candidates(found, options, pool, progress, datasets)
    others += failures
    candidates = with_files_beside(candidates, found, datasets, options.keys)
    planned = [_named(_shown(candidate, options), files, options.keys) for candidate in candidates]
    used = {file.path for candidate in candidates for file in candidate.files}
    left = [f for f in found if f.kind in (Kind.OTHER, Kind.ARCHIVE) and f.path not in used]
    others += [Outcomes("left alone", "", f.name, 1, f.size_bytes, 0, f.reason) for f in left]
    if options.keys.listed:
        gone = options.keys.listed.unused(file.name for file in found)
        others += [
            Outcomes("refused", "", n, 0, 0, 0, f"{n} is in {options.keys.listed.path}, but not there") for n in gone
        ]
    others = [replace(outcome, reason=options.shown(outcome.reason)) for outcome in others]
    return sorted(planned, key=lambda p: (str(p.key or ""), p.names)), others


def _shown(candidate: Candidate, options: IngestOptions) -> Candidate:
    remarks = tuple(options.shown(remark) for remark in candidate.remarks)
    return replace(candidate, reason=options.shown(candidate.reason), remarks=remarks)


def ingest(
    target: Target, planned: Sequence[Planned], options: IngestOptions, pool: Pool, progress: Progress
) -> Iterator[Outcomes]:
    """Store what was planned and give each outcome as it comes.

    Raises
    ------
    StoreError
        If the store fails as a whole (full, gone): the rest would fail as well. What is complete stays.
    """
    total, done = sum(p.size_bytes for p in planned), 0
    by_key: dict[VolumeKey, list[Planned]] = defaultdict(list)
    for item in planned:
        if item.key is None or item.candidate.outcome is Outcome.REFUSE:
            done += item.size_bytes
            yield outcome_of(item, "refused", item.candidate.reason)
        else:
            by_key[item.key].append(item)
    if not by_key:
        return
    elsewhere = target.volumes.digests()
    # Volumes that claim one key are stored one after the other, so that the second sees the first.
    inline = len(by_key) == 1 or pool.workers == 1 or target.url is None
    where = target.volumes if inline else (target.url, target.volumes.name)
    for outcomes in pool.run(_store_items, ((where, items, options) for items in by_key.values()), inline=inline):
        for outcome in outcomes:
            done += outcome.size_bytes
            progress("storing", done, total, "bytes")
            yield _with_a_word(replace(outcome, reason=options.shown(outcome.reason)), elsewhere)


def _with_a_word(outcome: Outcomes, elsewhere: dict[str, str]) -> Outcomes:
    """Say it when the same content stands under another key too."""
    other = elsewhere.setdefault(outcome.digest, outcome.key) if outcome.digest else outcome.key
    if other == outcome.key:
        return outcome
    word = f"the same content stands under {other} too"
    return replace(outcome, reason=f"{outcome.reason}; {word}" if outcome.reason else word)


def _candidates(
    found: Iterable[FoundFile], options: IngestOptions, pool: Pool, progress: Progress, datasets: Datasets
) -> tuple[list[Candidate], list[Outcomes]]:
    from hbimg.ingest.dicom import candidates as dicom_candidates

    images = [f for f in found if f.kind in (Kind.DICOM, Kind.NIFTI, Kind.PICTURE)]
    nifti: list[Candidate] = []
    facts: list[Any] = []
    pictures: list[Picture] = []
    failures: list[Outcomes] = []
    lists: dict[Kind, list[Any]] = {
        Kind.NIFTI: nifti,
        Kind.DICOM: facts,
        Kind.PICTURE: pictures,
        Kind.BROKEN: failures,
    }
    tasks = [(images[i : i + _FILES_PER_TASK],) for i in range(0, len(images), _FILES_PER_TASK)]
    done = 0
    for results in pool.run(_read_headers, tasks, inline=len(images) < _FEW_FILES):
        for kind, result in results:
            lists[kind].append(result)
        done += len(results)
        progress("reading headers", done, len(images), "files")
    by_path = {file.path: file for file in images}
    named = [(one, _told(options.keys, one.name, datasets.picture_names(by_path[one.path]))) for one in pictures]
    packages = picture_candidates(named, options.package)
    return nifti + packages + dicom_candidates(facts, accept_incomplete=options.accept_incomplete), failures


def _told(rules: KeyRules, name: str, default: Names | None) -> Names | None:
    """Give what is told of a file's key, or None where that cannot be told: then it is refused when it is named."""
    try:
        return rules.told(name, default=default)
    except HbimgError:
        return None


def _read_headers(files: list[FoundFile]) -> list[tuple[Kind, Any]]:
    """Read the headers of some files; runs in a worker."""
    from hbimg.ingest.dicom import examine

    results: list[tuple[Kind, Any]] = []
    for file in files:
        try:
            if file.kind is Kind.NIFTI:
                results.append((Kind.NIFTI, nifti_candidate(file.path)))
            elif file.kind is Kind.PICTURE:
                results.append((Kind.PICTURE, examine_picture(file.path, file.name)))
            else:
                results.append((Kind.DICOM, examine(file.path, gzipped=file.gzipped)))
        except IngestError as error:
            refused = Outcomes("refused", "", file.name, 1, file.size_bytes, 0, printable(str(error)))
            results.append((Kind.BROKEN, refused))
    return results


def _named(candidate: Candidate, files: dict[Path, FoundFile], rules: KeyRules) -> Planned:
    # The voxels of a pair lie outside what was found when the header alone was given.
    paths = [file.path for file in candidate.files]
    names = _distinct([files[path].name if path in files else path.name for path in paths], paths)
    modified_ns = tuple(files[path].modified_ns if path in files else 0 for path in paths)
    try:
        told = candidate.told or rules.told(names[0], stem_of(paths[0]))
        key, texts = rules.key_told(names[0], told, candidate.names, by_folders=not candidate.dataset)
    except HbimgError as error:
        if candidate.outcome is not Outcome.REFUSE:
            candidate = replace(candidate, outcome=Outcome.REFUSE, reason=str(error))
        return Planned(candidate, None, names, modified_ns)
    return Planned(candidate, key, names, modified_ns, texts)


def _distinct(names: list[str], paths: list[Path]) -> tuple[str, ...]:
    """Give names that differ: a series may have files of one name in several of the folders that were given."""
    if len(set(names)) == len(names):
        return tuple(names)
    common = os.path.commonpath(paths)
    return tuple(path.relative_to(common).as_posix() for path in paths)


def _store_items(where: VolumeTable | tuple[str, str], items: list[Planned], options: IngestOptions) -> list[Outcomes]:
    """Store volumes of one key; runs in a worker."""
    volumes = where if isinstance(where, VolumeTable) else _opened(*where)
    outcomes: list[Outcomes] = []
    first: Planned | None = None
    for item in items:
        outcomes.append(_store_item(volumes, item, options, first, len(outcomes) + 1))
        if first is None and outcomes[-1].outcome != "refused":
            first = item
    return outcomes


@cache
def _opened(url: str, table: str) -> VolumeTable:
    """Open a table; a worker does so once and keeps it."""
    return VolumeTable.open(open_store(url), table)


def _store_item(
    volumes: VolumeTable, item: Planned, options: IngestOptions, first: Planned | None, number: int
) -> Outcomes:
    """Store a volume, the `number`th of its key; `first` is stored in this same ingest: then nothing is replaced."""
    candidate = item.candidate
    try:
        replace_other = options.replace and first is None
        record = store_content(volumes, _content(item, options), replace=replace_other, wait_s=_WAIT_FOR_WRITER_S)
    except (StoreFullError, StoreUnavailableError, StorePermissionError):
        raise
    except KeyClashError as error:
        if first is None:
            return outcome_of(item, "refused", f"{item.names[0]}: {error}")
        return outcome_of(item, "refused", _same_key(item, first, number))
    except HbimgError as error:
        return outcome_of(item, "refused", f"{item.names[0]}: {error}")
    digest = record.digest if record else ""
    if candidate.outcome is Outcome.SET_ASIDE:
        reason = candidate.reason if record else f"{candidate.reason} (present already)"
        return outcome_of(item, "set aside", reason, digest)
    return outcome_of(item, "stored" if record else "present", "; ".join(candidate.remarks), digest)


def _same_key(item: Planned, first: Planned, number: int) -> str:
    """Say that a volume has the key of another, and the lines of a table of keys that tell them apart."""
    assert item.key is not None
    folders, others = ({str(PurePosixPath(name).parent) for name in each.names} for each in (item, first))
    place, more = item.names[0], f" and so for each of its {len(item.names)} files" if len(item.names) > 1 else ""
    if len(item.names) > 1 and len(folders) == 1 and not folders & others:
        (place,), more = folders, ""
    return (
        f"{item.names[0]} and {first.names[0]} claim one key, {item.key}, with different content; the latter has it: "
        f"run again with --keys-from keys.csv, whose lines are 'file,scan' and '.,' (for all others) and "
        f"'{place},{item.key.scan}-{number}'{more}"
    )


def _content(item: Planned, options: IngestOptions) -> VolumeContent:
    candidate, key = item.candidate, item.key
    assert key is not None
    stored = candidate.outcome is Outcome.STORE
    return VolumeContent(
        key=key,
        kind=candidate.kind if stored else "series",
        format=candidate.format,
        files=tuple(_source_file(item, number, options) for number in range(len(candidate.files))),
        geometry=candidate.geometry if stored else None,
        encoding=candidate.encoding if stored else None,
        header=candidate.header,
        texts=item.texts,
        reason=candidate.reason,
        remarks=candidate.remarks,
        missing=candidate.missing,
        plane_map=candidate.plane_map,
        dataset=candidate.dataset,
    )


def _source_file(item: Planned, number: int, options: IngestOptions) -> SourceFile:
    file = item.candidate.files[number]
    packing, limit = file.packing, None
    if packing is not None:
        last = file.runs[-1] if file.runs else None
        limit = MAX_TRAILING_BYTES + (last.offset + last.count * last.length if last else 0)
        if not packing.get("kept"):
            with reading(file.path):
                recipe = gzip_recipe(file.path, limit) if options.reproduce_gzip else None
            packing = recipe or {"kind": "gzip", "kept": True}
    deflated_from = packing.get("start", 0) if packing else 0
    source = PathSource(file.path, limit, item.modified_ns[number], deflated_from)
    return SourceFile(item.names[number], source, file.size_bytes, "", file.runs, packing, file.facts)


def outcome_of(item: Planned, outcome: str, reason: str, digest: str = "") -> Outcomes:
    """Give the line of the summary for a candidate."""
    frames = sum(run.count for file in item.candidate.files for run in file.runs)
    key = str(item.key) if item.key else ""
    source, reason = item.names[0], printable(reason)
    return Outcomes(outcome, key, source, len(item.names), item.size_bytes, frames, reason, digest)
