"""Names of BIDS: entities in their order, suffixes, datatypes, and what a path in a data set says.

After the specification, version 1.11 (https://bids-specification.readthedocs.io): `sub-01_ses-1_task-rest_bold`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from hbimg.errors import ConfigError

#: Version of the specification that written data sets follow.
BIDS_VERSION = "1.10.0"
#: What marks the records whose files are part of a data set (`hbimg.volumes.content.VolumeContent.dataset`).
DATASET = "bids"
#: The entities in the order in which they stand in a name.
ENTITIES = (
    "sub", "tpl", "ses", "cohort", "sample", "task", "tracksys", "acq", "nuc", "voi", "ce", "trc", "stain", "rec",
    "dir", "run", "mod", "echo", "flip", "inv", "mt", "part", "proc", "hemi", "space", "split", "recording", "chunk",
    "atlas", "seg", "scale", "res", "den", "label", "desc",
)  # fmt: skip
DATATYPES = (
    "anat", "func", "dwi", "fmap", "perf", "pet", "meg", "eeg", "ieeg", "beh", "micr", "motion", "nirs", "mrs",
)  # fmt: skip
#: Suffixes that stand in one datatype only; with them a name is enough.
_DATATYPE_OF = {
    suffix: datatype
    for datatype, suffixes in {
        "anat": "T1w T2w T2star T2starw PDw PDT2 FLAIR angio UNIT1 inplaneT1 inplaneT2 T1map T2map "
        "T2starmap R1map R2map PDmap MTRmap MP2RAGE MEGRE MESE VFA MPM MTR MTS defacemask",
        "func": "bold cbv sbref",
        "dwi": "dwi",
        "fmap": "magnitude magnitude1 magnitude2 phasediff phase1 phase2 fieldmap epi TB1map",
        "perf": "asl m0scan",
        "pet": "pet",
    }.items()
    for suffix in suffixes.split()
}
_SUBJECT = re.compile(r"sub-[A-Za-z0-9+]+\Z")
_SESSION = re.compile(r"ses-[A-Za-z0-9+]+\Z")
_LABEL = re.compile(r"[A-Za-z0-9+]+\Z")
#: The entities that the key says, not a name.
_OWNERS = ("sub", "ses")
_SUFFIX = re.compile(r"[A-Za-z0-9]+\Z")


@dataclass(frozen=True, slots=True)
class BidsName:
    """The name of a file: datatype, entities (subject and session apart), suffix.

    `entities` maps short names (``task``) to labels; `str` gives ``func/task-rest_run-1_bold``.
    """

    datatype: str
    suffix: str
    entities: dict[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> BidsName:
        """Read ``datatype/entity-label_..._suffix``; the datatype may be left out where the suffix has but one.

        Raises
        ------
        ConfigError
            If it is no name of BIDS.
        """
        datatype, _, name = text.strip().rpartition("/")
        *pairs, suffix = name.strip("_").split("_")
        datatype = datatype or _DATATYPE_OF.get(suffix, "")
        if datatype not in DATATYPES or not _SUFFIX.match(suffix):
            raise ConfigError(f"{text!r} is no BIDS name: give datatype/entity-label_suffix, as func/task-rest_bold")
        entities: dict[str, str] = {}
        for pair in pairs:
            entity, _, label = pair.partition("-")
            if entity not in ENTITIES or not _LABEL.match(label) or entity in entities:
                raise ConfigError(f"{text!r} is no BIDS name: {pair!r} is no entity, as run-1 or acq-fast")
            entities[entity] = label
        return cls(datatype, suffix, {entity: label for entity, label in entities.items() if entity not in _OWNERS})

    def with_entity(self, entity: str, label: str | None) -> BidsName:
        """Give the name with an entity set, or without it where the label is None."""
        entities = {key: value for key, value in self.entities.items() if key != entity}
        return BidsName(self.datatype, self.suffix, entities if label is None else {**entities, entity: label})

    def stem(self, subject: str, session: str | None) -> str:
        """Give the file name without its extension."""
        labels = {"sub": subject, **({"ses": session} if session else {}), **self.entities}
        pairs = sorted(labels.items(), key=lambda pair: ENTITIES.index(pair[0]))
        return "_".join([*(f"{entity}-{label}" for entity, label in pairs), self.suffix])

    def folder(self, subject: str, session: str | None) -> PurePosixPath:
        """Give the folder of the file in the data set."""
        return PurePosixPath(f"sub-{subject}", *([f"ses-{session}"] if session else []), self.datatype)

    def __str__(self) -> str:
        """Give the form that `parse` reads, entities in their order."""
        pairs = sorted(self.entities.items(), key=lambda pair: ENTITIES.index(pair[0]))
        return f"{self.datatype}/" + "_".join([*(f"{entity}-{label}" for entity, label in pairs), self.suffix])


def suffix_of(scan: str) -> str:
    """Give the suffix with which a scan's name ends, if it is one that says where the file belongs; else ''."""
    last = re.split(r"[^A-Za-z0-9]", scan)[-1]
    return last if last in _DATATYPE_OF else ""


def label_of(text: str, entity: str) -> str:
    """Make a label of a text: letters and digits alone, without a leading ``entity-``; '' if none are left."""
    return re.sub(r"[^A-Za-z0-9]", "", text.removeprefix(f"{entity}-"))


@dataclass(frozen=True, slots=True)
class BidsPlace:
    """What a path in a data set says of whose file it is.

    Attributes
    ----------
    subject, session : str or None
        ``sub-01`` and ``ses-1``, from the folders, else from the file's name.
    around : tuple of str
        The folders around the subject's: ``derivatives``, ``fmriprep``. Without a subject, those of a derivative.
    inside : tuple of str
        The folders between the subject or session and the file.
    stem : str
        The file's name up to its first full stop, without subject and session where it begins with these.
    """

    subject: str | None
    session: str | None
    around: tuple[str, ...]
    inside: tuple[str, ...]
    stem: str

    @property
    def odd_folders(self) -> tuple[str, ...]:
        """The folders inside that are no datatypes."""
        return tuple(folder for folder in self.inside if folder not in DATATYPES)


def place_of(path: str) -> BidsPlace:
    """Read a path below a data set's root, with ``/``."""
    *folders, name = path.split("/")
    stem = name.partition(".")[0] or name
    pairs = stem.split("_")
    at = next((n for n, folder in enumerate(folders) if _SUBJECT.match(folder)), None)
    named = pairs[0] if len(pairs) > 1 and _SUBJECT.match(pairs[0]) else None
    if at is None:
        around = tuple(folders[:2]) if folders[:1] == ["derivatives"] else ()
        subject, rest = named, folders[len(around) :]
    else:
        around, subject, rest = tuple(folders[:at]), folders[at], folders[at + 1 :]
    session = next((pair for pair in pairs[1:-1] if named and _SESSION.match(pair)), None)
    if at is not None and rest and _SESSION.match(rest[0]):
        session, rest = rest[0], rest[1:]
    if named and named == subject:
        pairs = [pair for pair in pairs[1:-1] if pair != session] + pairs[-1:]
    return BidsPlace(subject, session, around, tuple(rest), "_".join(pairs))
