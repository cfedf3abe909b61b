"""The ingest: find, judge, name, store; each volume on its own, in several processes.

One bad file or series costs that one only. What is stored already is skipped, so an ingest that was killed is simply
run again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from hbimg.errors import HbimgError, IngestError, StoreFullError, StoreUnavailableError
from hbimg.ingest.candidates import Candidate, CandidateFile, Outcome
from hbimg.ingest.discover import FoundFile, Kind, discover
from hbimg.ingest.keys import KeyRules
from hbimg.ingest.nifti import nifti_candidate, stem_of
from hbimg.ingest.sources import MAX_TRAILING_BYTES, PathSource
from hbimg.ingest.workers import Pool
from hbimg.model import VolumeKey
from hbimg.store import Store, open_store
from hbimg.volumes.content import SourceFile, VolumeContent
from hbimg.volumes.packing import gzip_recipe
from hbimg.volumes.table import VolumeTable
from hbimg.volumes.writer import store_content

#: Headers read by one task of a worker.
_FILES_PER_TASK = 64
#: Below this the headers are read sooner than workers have started: 0.2 ms each.
_FEW_FILES = 4000


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
    """

    keys: KeyRules
    accept_incomplete: bool = False
    replace: bool = False
    reproduce_gzip: bool = False
    workers: int = 1


@dataclass(frozen=True, slots=True)
class Target:
    """A table in a store: by the store's URL, or the open store where it lives in this process alone."""

    store: str | Store
    table: str


@dataclass(frozen=True, slots=True)
class Planned:
    """A candidate with its key; `names` are the files' paths below the ingested folder, in the candidate's order."""

    candidate: Candidate
    key: VolumeKey | None
    names: tuple[str, ...]
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
    """

    outcome: str
    key: str
    source: str
    files: int = 1
    size_bytes: int = 0
    frames: int = 0
    reason: str = ""


Progress = Callable[[str, int, int], None]
"""Called with a stage (``reading headers``, ``storing``), what is done of it and its total, in files or bytes."""


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
    found = list(discover(paths))
    names = {file.path: file.name for file in found}
    others = [Outcomes("refused", "", f.name, 1, f.size_bytes, 0, f.reason) for f in found if f.kind is Kind.BROKEN]
    candidates, failures = _candidates(found, options, pool, progress)
    others += failures
    planned = [_named(candidate, names, options.keys) for candidate in candidates]
    used = {file.path for candidate in candidates for file in candidate.files}
    left = [f for f in found if f.kind is Kind.OTHER and f.path not in used]
    others += [Outcomes("left alone", "", f.name, 1, f.size_bytes, 0, f.reason) for f in left]
    return sorted(planned, key=lambda p: (str(p.key or ""), p.names)), others


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
    # Volumes that claim one key are stored one after the other, so that the second sees the first.
    tasks = [(target, items, options) for items in by_key.values()]
    inline = len(tasks) == 1 or isinstance(target.store, Store)
    for outcomes in pool.run(_store_items, tasks, inline=inline):
        for outcome in outcomes:
            done += outcome.size_bytes
            progress("storing", done, total)
            yield outcome


def _candidates(
    found: Iterable[FoundFile], options: IngestOptions, pool: Pool, progress: Progress
) -> tuple[list[Candidate], list[Outcomes]]:
    from hbimg.ingest.dicom import candidates as dicom_candidates

    images = [f for f in found if f.kind in (Kind.DICOM, Kind.NIFTI)]
    nifti: list[Candidate] = []
    facts: list[Any] = []
    failures: list[Outcomes] = []
    tasks = [(images[i : i + _FILES_PER_TASK],) for i in range(0, len(images), _FILES_PER_TASK)]
    done = 0
    for results in pool.run(_read_headers, tasks, inline=len(images) < _FEW_FILES):
        for kind, result in results:
            {Kind.NIFTI: nifti, Kind.DICOM: facts, Kind.BROKEN: failures}[kind].append(result)
        done += len(results)
        progress("reading headers", done, len(images))
    return nifti + dicom_candidates(facts, accept_incomplete=options.accept_incomplete), failures


def _read_headers(files: list[FoundFile]) -> list[tuple[Kind, Any]]:
    """Read the headers of some files; runs in a worker."""
    from hbimg.ingest.dicom import examine

    results: list[tuple[Kind, Any]] = []
    for file in files:
        try:
            if file.kind is Kind.NIFTI:
                results.append((Kind.NIFTI, nifti_candidate(file.path, gzipped=file.gzipped)))
            else:
                results.append((Kind.DICOM, examine(file.path)))
        except IngestError as error:
            refused = Outcomes("refused", "", file.name, 1, file.size_bytes, 0, str(error))
            results.append((Kind.BROKEN, refused))
    return results


def _named(candidate: Candidate, names: dict[Path, str], rules: KeyRules) -> Planned:
    # The voxels of a pair may lie outside what was found only when the header alone was given.
    file_names = tuple(names.get(file.path, file.path.name) for file in candidate.files)
    try:
        key, texts = rules.key_of(file_names[0], stem_of(candidate.files[0].path), candidate.names)
    except HbimgError as error:
        if candidate.outcome is Outcome.REFUSE:
            return Planned(candidate, None, file_names)
        return Planned(replace(candidate, outcome=Outcome.REFUSE, reason=str(error)), None, file_names)
    return Planned(candidate, key, file_names, texts)


def _store_items(target: Target, items: list[Planned], options: IngestOptions) -> list[Outcomes]:
    """Store volumes of one key; runs in a worker."""
    volumes = VolumeTable.open(_opened(target.store), target.table)
    return [_store_item(volumes, item, options) for item in items]


_stores: dict[str, Store] = {}


def _opened(store: str | Store) -> Store:
    """Give the store; a worker opens it once and keeps it."""
    if isinstance(store, Store):
        return store
    if store not in _stores:
        _stores[store] = open_store(store)
    return _stores[store]


def _store_item(volumes: VolumeTable, item: Planned, options: IngestOptions) -> Outcomes:
    candidate = item.candidate
    try:
        record = store_content(volumes, _content(item, options), replace=options.replace)
    except (StoreFullError, StoreUnavailableError):
        raise
    except HbimgError as error:
        return outcome_of(item, "refused", f"{item.names[0]}: {error}")
    if candidate.outcome is Outcome.SET_ASIDE:
        return outcome_of(item, "set aside", candidate.reason if record else f"{candidate.reason} (present already)")
    return outcome_of(item, "stored" if record else "present", "; ".join(candidate.remarks))


def _content(item: Planned, options: IngestOptions) -> VolumeContent:
    candidate, key = item.candidate, item.key
    assert key is not None
    stored = candidate.outcome is Outcome.STORE
    return VolumeContent(
        key=key,
        kind="volume" if stored else "series",
        format=candidate.format,
        files=tuple(_source_file(file, name, options) for file, name in zip(candidate.files, item.names, strict=True)),
        geometry=candidate.geometry if stored else None,
        encoding=candidate.encoding if stored else None,
        header=candidate.header,
        texts=item.texts,
        reason=candidate.reason,
        remarks=candidate.remarks,
        missing=candidate.missing,
        plane_map=candidate.plane_map,
    )


def _source_file(file: CandidateFile, name: str, options: IngestOptions) -> SourceFile:
    packing, limit = file.packing, None
    if packing is not None:
        last = file.runs[-1] if file.runs else None
        limit = MAX_TRAILING_BYTES + (last.offset + last.count * last.length if last else 0)
        recipe = gzip_recipe(file.path) if options.reproduce_gzip else None
        packing = recipe or {"kind": "gzip", "kept": True}
    source = PathSource(file.path, limit)
    return SourceFile(name, source, file.size_bytes, "", file.runs, packing, file.facts)


def outcome_of(item: Planned, outcome: str, reason: str) -> Outcomes:
    """Give the line of the summary for a candidate."""
    frames = sum(run.count for file in item.candidate.files for run in file.runs)
    key = str(item.key) if item.key else ""
    return Outcomes(outcome, key, item.names[0], len(item.names), item.size_bytes, frames, " ".join(reason.split()))
