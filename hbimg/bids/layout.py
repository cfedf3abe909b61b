"""Where images stand in a data set: subject, session, name and run of each, from the mapping, a guess, or the scan."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any

from hbimg.bids.images import Image, guess_of, is_resampled
from hbimg.bids.mapping import BidsMapping, ScanRule
from hbimg.bids.names import BidsName, label_of, suffix_of
from hbimg.errors import ConfigError, ExportError, NoPlaceError
from hbimg.rowkeys import text_of
from hbimg.volumes import VolumeRecord

_NEEDS_TASK = ("bold", "cbv", "sbref")


@dataclass(frozen=True, slots=True)
class Placed:
    """An image with its place in the data set.

    Attributes
    ----------
    image : Image
    subject : str
        The label, without ``sub-``.
    session : str or None
        The label, without ``ses-``.
    name : BidsName
    sidecar : mapping
        What its JSON sidecar shall say.
    has_fixed_run : bool
        Whether the user gave the name: it is not numbered then.
    remark : str
        What was made up.
    """

    image: Image
    subject: str
    session: str | None
    name: BidsName
    sidecar: Mapping[str, Any]
    has_fixed_run: bool = False
    remark: str = ""

    @property
    def path(self) -> PurePosixPath:
        """The path in the data set, without the extension."""
        return self.name.folder(self.subject, self.session) / self.name.stem(self.subject, self.session)


def place(image: Image, mapping: BidsMapping) -> Placed:
    """Give an image its place.

    Raises
    ------
    NoPlaceError
        If it has none: it is left out on purpose, or nothing says what it is.
    ExportError
        If its subject gives no label.
    """
    rule = mapping.rule(image.record.key, image.suffix)
    name = _name(image, rule)
    remark = ""
    if name.suffix in _NEEDS_TASK and "task" not in name.entities:
        name = name.with_entity("task", _task_of(image))
        remark = f"task-{name.entities['task']}, for want of a task: --mapping names it"
    sidecar = {key: value for key, value in image.sidecar.items() if key != "BidsGuess"}
    sidecar.update(rule.sidecar if rule else {})
    if "task" in name.entities:
        sidecar.setdefault("TaskName", name.entities["task"])
    subject, session = _owners(image.record, mapping)
    is_fixed = rule is not None
    return Placed(image, subject, session, name, sidecar, is_fixed, remark)


def number_runs(placed: Iterable[Placed]) -> list[Placed]:
    """Number images that have one name, in the order of their keys; what the user named stays as it is.

    Raises
    ------
    ConfigError
        If the mapping gives two images one name, or two subjects or sessions one label.
    """
    found = sorted(placed, key=lambda one: (one.image.record.key, one.image.suffix))
    _refuse_one_label_for_two(found)
    groups: dict[PurePosixPath, list[Placed]] = defaultdict(list)
    for one in found:
        groups[one.path].append(one)
    numbered = []
    for path, group in groups.items():
        if len(group) == 1:
            numbered += group
            continue
        fixed = [one for one in group if one.has_fixed_run and "run" in one.name.entities]
        if fixed:
            keys = " and ".join(str(one.image.record.key) for one in group[:2])
            raise ConfigError(f"{keys} would both be {path}: give them different names in the mapping")
        numbered += [replace(one, name=one.name.with_entity("run", str(run))) for run, one in enumerate(group, start=1)]
    return numbered


def _name(image: Image, rule: ScanRule | None) -> BidsName:
    if rule is not None:
        if rule.name is None:
            raise NoPlaceError("the mapping leaves it out")
        return rule.name
    if is_resampled(image.suffix):
        raise NoPlaceError("dcm2niix evened its planes out, the image as acquired is beside it")
    guess = guess_of(image.sidecar)
    if guess:
        try:
            # What dcm2niix calls a run is the number of the series.
            return BidsName.parse(f"{guess[0]}/{guess[1].strip('_')}").with_entity("run", None)
        except ConfigError:
            words = f"dcm2niix takes it for {guess[0]}, which has no place in BIDS: name it with --mapping"
            raise NoPlaceError(words) from None
    suffix = suffix_of(_text(image.record, "scan"))
    if not suffix or image.suffix:
        raise NoPlaceError("nothing says what it is in BIDS: name it with --mapping")
    return BidsName.parse(suffix)


def _task_of(image: Image) -> str:
    """Make a task of the scan's text, without the number of its series."""
    text = re.sub(r"\A\d+[-_ .]*", "", _text(image.record, "scan"))
    return "rest" if "rest" in text.lower() else label_of(text, "task") or "unnamed"


def _text(record: VolumeRecord, level: str) -> str:
    """Give the text of a label of the key; '' for none."""
    return record.texts.get(level) or text_of(getattr(record.key, level)) or ""


def _owners(record: VolumeRecord, mapping: BidsMapping) -> tuple[str, str | None]:
    subject, session = _text(record, "subject"), _text(record, "session")
    label = mapping.subjects.get(subject) or label_of(subject, "sub")
    if not label:
        raise ExportError(f"its subject {subject!r} gives no label: name it in [subjects] of --mapping")
    if session in mapping.sessions:
        return label, mapping.sessions[session] or None
    return label, (label_of(session, "ses") or None)


def _refuse_one_label_for_two(placed: Iterable[Placed]) -> None:
    subjects: dict[str, str] = {}
    sessions: dict[tuple[str, str | None], str] = {}
    for one in placed:
        key = one.image.record.key
        if subjects.setdefault(one.subject, key.subject) != key.subject:
            both = f"{subjects[one.subject]} and {key.subject}"
            raise ConfigError(f"subjects {both} would both be sub-{one.subject}: name them in [subjects] of --mapping")
        session = (one.subject, one.session)
        if sessions.setdefault(session, key.session) != key.session:
            both = f"{sessions[session]} and {key.session}"
            raise ConfigError(
                f"sessions {both} of sub-{one.subject} would both be ses-{one.session or '(none)'}: "
                "name them in [sessions] of --mapping"
            )
