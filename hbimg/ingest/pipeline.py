"""The ingest: find, judge, name, store; each volume on its own, in several processes.

One bad file or series costs that one only. What is stored already is skipped, so an ingest that was killed is simply
run again.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from hbimg.errors import (
    HbimgError,
    IngestError,
)
from hbimg.ingest.bids import Datasets, with_files_beside, without_version_control
from hbimg.ingest.candidates import Candidate, Names, Outcome, printable
from hbimg.ingest.discover import FoundFile, Kind, discover
from hbimg.ingest.keys import KeyRules
from hbimg.ingest.nifti import nifti_candidate, stem_of
from hbimg.ingest.pictures import Picture
from hbimg.ingest.pictures import candidates as picture_candidates
from hbimg.ingest.pictures import examine as examine_picture
from hbimg.ingest.planned import IngestOptions, Outcomes, Planned, Progress, Target, outcome_of
from hbimg.ingest.storing import groups_of, store_group
from hbimg.ingest.workers import Pool
from hbimg.model import VolumeKey

#: Headers read by one task of a worker.
_FILES_PER_TASK = 64
#: Below this the headers are read sooner than workers have started: 0.2 ms each.
_FEW_FILES = 4000


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
    inline = len(by_key) == 1 or pool.workers == 1 or target.url is None
    where = target.volumes if inline else (target.url, target.volumes.name)
    gathered_bytes = min(target.volumes.table.gathered_bytes, total // pool.workers)
    groups = list(groups_of(by_key.values(), gathered_bytes))
    for outcomes in pool.run(store_group, ((where, group, options) for group in groups), inline=inline):
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
