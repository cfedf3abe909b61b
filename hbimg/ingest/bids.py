"""BIDS data sets among the files that were found: keys from their paths, and every file beside the images.

A data set is a folder with a ``dataset_description.json``. What lies in it and is no image is kept all the same, so
that the data set comes back whole: with the image that it describes (a sidecar, gradients, events), else with the
session, the subject or the data set, as files of their own. Outside of data sets the sidecars of NIfTI files come in
with them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from hbimg.bids.names import DATASET, BidsPlace, place_of
from hbimg.errors import HbimgError
from hbimg.ingest.candidates import Candidate, CandidateFile, Names, Outcome
from hbimg.ingest.discover import IS_EMPTY, NO_IMAGE, FoundFile, Kind, promises_image
from hbimg.ingest.keys import KeyRules
from hbimg.ingest.nifti import stem_of
from hbimg.ingest.pictures import PACKAGE_SCAN

#: The scan of the files that belong to no image: of a session, a subject, the data set.
FILES_SCAN = "bids"
_ROOT_FILE = "dataset_description.json"
#: Suffixes of tables that accompany an image of the same entities and another suffix.
_ACCOMPANYING = frozenset({"events", "physio", "stim", "physioevents", "aslcontext", "asllabeling", "blood"})
#: What has the entities of a run but is not the run itself.
_NOT_THE_RUN = frozenset({"sbref"})
_SIDECARS = (".json", ".bval", ".bvec")
_VERSION_CONTROL = frozenset({".git", ".datalad", ".hg", ".svn"})


def without_version_control(found: Iterable[FoundFile]) -> list[FoundFile]:
    """Give the files with those of git, DataLad and the like as what is left alone: they hold copies of images."""
    return [
        replace(file, kind=Kind.OTHER, reason="belongs to version control")
        if _VERSION_CONTROL & set(file.name.split("/")[:-1])
        else file
        for file in found
    ]


@dataclass(frozen=True, slots=True)
class Datasets:
    """The data sets among the files that were found, by their folders; one inside another belongs to that."""

    roots: frozenset[Path]

    @classmethod
    def among(cls, found: Iterable[FoundFile]) -> Datasets:
        """Find them."""
        folders = {file.path.parent for file in found if file.path.name == _ROOT_FILE}
        return cls(frozenset(folder for folder in folders if not folders & set(folder.parents)))

    def with_placeholders(self, found: Iterable[FoundFile]) -> list[FoundFile]:
        """Give the files with the empty ones of data sets as no images: published examples have such for images."""
        return [
            replace(file, kind=Kind.OTHER, reason=NO_IMAGE)
            if file.kind is Kind.BROKEN and file.reason == IS_EMPTY and self.place(file)
            else file
            for file in found
        ]

    def place(self, file: FoundFile) -> BidsPlace | None:
        """Tell where a file lies in its data set; None for a file in none.

        The folders of a data set that lies below the ingested folder count as folders around the subject's.
        """
        root = next((folder for folder in file.path.parents if folder in self.roots), None)
        if root is None:
            return None
        inside = file.path.relative_to(root).parts
        outside = file.name.split("/")[: -len(inside)]
        found = place_of("/".join(inside))
        return replace(found, around=(*outside, *found.around))

    def picture_names(self, file: FoundFile) -> Names | None:
        """Give what the path of a picture says of its key; None outside of data sets."""
        place = self.place(file)
        if place is None:
            return None
        return Names(None, place.subject, place.session, ".".join([*place.around, *place.inside, PACKAGE_SCAN]))

    def image_names(self, file: FoundFile, *, is_dicom: bool) -> Names | None:
        """Give what the path of another image says of its key; None outside of data sets.

        The scan of a DICOM series is what its headers say.
        """
        place = self.place(file)
        if place is None:
            return None
        folders = place.odd_folders if place.subject else place.inside
        ending = stem_of(file.path).removeprefix(file.path.name.partition(".")[0])
        scan = ".".join([*place.around, *folders, place.stem + ending])
        return Names(None, place.subject, place.session, None if is_dicom else scan)


def with_files_beside(
    candidates: Sequence[Candidate], found: Sequence[FoundFile], datasets: Datasets, rules: KeyRules
) -> list[Candidate]:
    """Mark the candidates of data sets, and add the files beside images: to these, or as candidates of their own."""
    by_path = {file.path: file for file in found}
    marked = [_marked(candidate, by_path, datasets, rules) for candidate in candidates]
    used = {file.path for candidate in candidates for file in candidate.files}
    beside: dict[int, list[CandidateFile]] = defaultdict(list)
    alone: dict[Names, list[CandidateFile]] = defaultdict(list)
    owners = _Owners(marked)
    for file in found:
        if file.kind is not Kind.OTHER or file.path in used or not _is_kept(file):
            continue
        place = datasets.place(file)
        owner = owners.of(file, place)
        kept = CandidateFile(file.path, file.size_bytes, facts={"attached": True})
        if owner is not None:
            beside[owner].append(kept)
        elif place is not None:
            scan = ".".join([*place.around, FILES_SCAN])
            alone[rules.fixed.over(Names(None, place.subject, place.session, scan))].append(kept)
    return [
        replace(candidate, files=(*candidate.files, *beside.get(number, ()))) for number, candidate in enumerate(marked)
    ] + [_files(names, files) for names, files in alone.items()]


def _is_kept(file: FoundFile) -> bool:
    """Whether a file can be kept: a regular one, which is not of version control, with a name that comes back."""
    return file.reason == NO_IMAGE and file.path.is_file()


def _marked(candidate: Candidate, files: dict[Path, FoundFile], datasets: Datasets, rules: KeyRules) -> Candidate:
    file = files.get(candidate.files[0].path)
    names = datasets.image_names(file, is_dicom=candidate.format == "dicom") if file else None
    if file is None or names is None:
        return candidate
    try:
        told = candidate.told or rules.told(file.name, default=names)
    except HbimgError:
        told = None  # it is refused with this error when it is named
    return replace(candidate, dataset=DATASET, told=told)


def _files(names: Names, files: list[CandidateFile]) -> Candidate:
    empty = [file.path.name for file in files if file.size_bytes == 0 and promises_image(file.path)]
    more = f" and {len(empty) - 1} more" if len(empty) > 1 else ""
    remarks = (f"{empty[0]}{more}: empty, kept as files and not as images",) if empty else ()
    return Candidate(
        Outcome.STORE, "", "bids", tuple(files), Names(), remarks=remarks, told=names, dataset=DATASET, kind="files"
    )


class _Owners:
    """Which candidate a file beside images belongs to."""

    def __init__(self, candidates: Sequence[Candidate]) -> None:
        self._by_stem: dict[tuple[Path, str], int] = {}
        self._by_entities: dict[tuple[Path, str], int] = {}
        order = sorted(range(len(candidates)), key=lambda number: candidates[number].files[0].path)
        for number in order:
            candidate = candidates[number]
            if candidate.format == "dicom":
                continue
            for file in candidate.files:
                self._add(file.path, number, is_in_dataset=bool(candidate.dataset))

    def _add(self, path: Path, number: int, *, is_in_dataset: bool) -> None:
        stem = path.name.partition(".")[0] if is_in_dataset else stem_of(path)
        self._by_stem.setdefault((path.parent, stem), number)
        entities, _, suffix = stem.rpartition("_")
        if is_in_dataset and suffix not in _NOT_THE_RUN:
            self._by_entities.setdefault((path.parent, entities), number)

    def of(self, file: FoundFile, place: BidsPlace | None) -> int | None:
        """Give the number of the candidate, or None."""
        folder, name = file.path.parent, file.path.name
        if place is None:
            return self._by_stem.get((folder, file.path.stem)) if file.path.suffix in _SIDECARS else None
        stem = name.partition(".")[0]
        entities, _, suffix = stem.rpartition("_")
        if suffix in _ACCOMPANYING and (folder, stem) not in self._by_stem:
            return self._by_entities.get((folder, entities))
        return self._by_stem.get((folder, stem))
