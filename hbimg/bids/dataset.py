"""Write a BIDS data set: files of data sets that came in go out as they were, other volumes get a place and a name."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from hbimg import __version__
from hbimg.bids.images import Image, images_of
from hbimg.bids.layout import Placed, number_runs, place
from hbimg.bids.mapping import BidsMapping
from hbimg.bids.names import BIDS_VERSION, DATASET
from hbimg.errors import ConfigError, ExportError, HbimgError, NoPlaceError
from hbimg.model import NONE_LABEL, VolumeKey
from hbimg.rowkeys import text_of
from hbimg.volumes import Manifest, VolumeReader, VolumeRecord, VolumeTable, Where
from hbimg.volumes.export import Exported, Exporter

_DESCRIPTION = "dataset_description.json"
_README = "README"
_PARTICIPANTS = "participants.tsv"
_OWN_README = """Written by hbimg {version} from table {table}.

Images were converted from DICOM by dcm2niix, or came as NIfTI. Replace this text by a description of the study: who was
scanned, how and why, and what a user of the data should know.
"""


@dataclass
class DatasetPlan:
    """What a data set will hold.

    Attributes
    ----------
    project : str
        The label of the project that it is made of.
    kept : list of VolumeRecord
        What is part of a data set already, and goes out under the names that it came with.
    placed : list of Placed
    left_out : list of (VolumeKey, str)
        What has no place in it, with the reason.
    failures : list of (VolumeKey, str)
        What should be in it and cannot, with the reason.
    images : list of Image
        All images that have, or might have had, a place.
    """

    project: str
    kept: list[VolumeRecord] = field(default_factory=list)
    placed: list[Placed] = field(default_factory=list)
    left_out: list[tuple[VolumeKey, str]] = field(default_factory=list)
    failures: list[tuple[VolumeKey, str]] = field(default_factory=list)
    images: list[Image] = field(default_factory=list)

    def unused(self, mapping: BidsMapping) -> list[str]:
        """Give the rules of the mapping that fit none of the images."""
        seen = [(image.record.key, image.suffix) for image in self.images]
        return [rule.text for rule in mapping.scans if not any(rule.fits(*one) for one in seen)]

    def add(self, key: VolumeKey, error: HbimgError, suffix: str = "") -> None:
        """Add what went wrong with a volume, or with one of its images, to what is left out or failed."""
        words = f"{suffix}: {error}" if suffix else str(error)
        (self.left_out if isinstance(error, NoPlaceError) else self.failures).append((key, words))


Chosen = Sequence[tuple[VolumeRecord, list[Manifest]]]


def plan_dataset(volumes: VolumeTable, chosen: Chosen, mapping: BidsMapping, result: str) -> DatasetPlan:
    """Decide what becomes of each volume; nothing is written.

    Raises
    ------
    ConfigError
        If the volumes are of several projects, or names clash.
    """
    projects = sorted({record.key.project for record, _ in chosen})
    if len(projects) > 1:
        raise ConfigError(
            f"a data set is one project, these volumes are of {len(projects)}: "
            f"choose one with --where project={projects[0]}"
        )
    plan = DatasetPlan(projects[0])
    plan.kept = _with_companions(volumes, [record for record, _ in chosen if record.dataset == DATASET])
    placed: list[Placed] = []
    for record, manifests in chosen:
        if record.dataset == DATASET:
            continue
        manifest = next((one for one in manifests if one.name == result), None)
        try:
            images = images_of(volumes, record, manifest, result)
        except HbimgError as error:
            plan.add(record.key, error)
            continue
        plan.images += images
        placed += _placed(images, mapping, plan)
    plan.placed = number_runs(placed)
    return plan


def _placed(images: Iterable[Image], mapping: BidsMapping, plan: DatasetPlan) -> Iterator[Placed]:
    for image in images:
        try:
            yield place(image, mapping)
        except ExportError as error:
            plan.add(image.record.key, error, image.suffix)


def _with_companions(volumes: VolumeTable, kept: list[VolumeRecord]) -> list[VolumeRecord]:
    """Add the files of the data set, the subjects and the sessions that the chosen volumes are of."""
    found = {record.key: record for record in kept}
    owners: set[tuple[str, str, str]] = set()
    for record in kept:
        project, subject, session, _ = record.key.labels
        owners |= {(project, NONE_LABEL, NONE_LABEL), (project, subject, NONE_LABEL), (project, subject, session)}
    for owner in sorted(owners):
        for record in volumes.records(Where(*owner)):
            if record.kind == "files" and record.dataset == DATASET:
                found.setdefault(record.key, record)
    return [found[key] for key in sorted(found)]


def write_dataset(
    exporter: Exporter, volumes: VolumeTable, plan: DatasetPlan, mapping: BidsMapping
) -> Iterator[Exported | tuple[VolumeKey, str]]:
    """Write what was planned; give each file that was written, and each volume that failed with the reason."""
    names: set[str] = set()
    for record in plan.kept:
        try:
            names.update(file.name for file in VolumeReader(volumes, record).files())
            yield from exporter.originals(volumes, record, PurePosixPath())
        except HbimgError as error:
            yield record.key, str(error)
    for one in plan.placed:
        try:
            yield from _image(exporter, one)
        except HbimgError as error:
            yield one.image.record.key, str(error)
    for name, text in _own_files(volumes, plan, mapping).items():
        if name not in names and not (name == _README and _has_readme(names)):
            yield exporter.file(PurePosixPath(name), [text.encode()])


def _image(exporter: Exporter, one: Placed) -> Iterator[Exported]:
    for extension, read in one.image.files.items():
        yield exporter.file(one.path.with_name(one.path.name + extension), read())
    if one.sidecar:
        text = json.dumps(dict(one.sidecar), indent=2, ensure_ascii=False) + "\n"
        yield exporter.file(one.path.with_name(one.path.name + ".json"), [text.encode()])


def _has_readme(names: set[str]) -> bool:
    return any(Path(name).stem == _README and "/" not in name for name in names)


def _own_files(volumes: VolumeTable, plan: DatasetPlan, mapping: BidsMapping) -> dict[str, str]:
    """Give the files that a data set needs beside its images: name to text."""
    if not plan.placed:
        return {}
    described = {key: value for key, value in mapping.dataset.items() if key != _README}
    description = {
        "Name": text_of(plan.project) or plan.project,
        "BIDSVersion": BIDS_VERSION,
        "DatasetType": "raw",
        "GeneratedBy": [{"Name": "hbimg", "Version": __version__}],
        **described,
    }
    readme = mapping.dataset.get(_README) or _OWN_README.format(version=__version__, table=volumes.name)
    subjects = sorted({f"sub-{one.subject}" for one in plan.placed})
    return {
        _DESCRIPTION: json.dumps(description, indent=2, ensure_ascii=False) + "\n",
        _README: str(readme).rstrip("\n") + "\n",
        _PARTICIPANTS: "\n".join(["participant_id", *subjects]) + "\n",
    }
