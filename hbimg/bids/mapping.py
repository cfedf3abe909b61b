"""A mapping file: what users know better than a converter's guess, as TOML or CSV.

TOML::

    [dataset]                       # fields of dataset_description.json, and README's text
    Name = "Memory and sleep"
    README = "Two sessions, a week apart."
    [subjects]                      # text of the key to the label in the data set
    "P-0012" = "01"
    [sessions]                      # an empty label leaves the session out
    "20240310" = "1"
    [[scans]]                       # the first that fits counts
    where = "scan=*loc*"
    name = "skip"
    [[scans]]
    where = "scan=*EPI*"
    image = "_e2"                   # only this one of several images of a series
    name = "func/task-rest_bold"
    sidecar = { TaskName = "rest" }

CSV has a line for each rule: the columns ``where`` and ``name``, and ``image`` if wanted.
"""

from __future__ import annotations

import csv
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from hbimg.bids.names import BidsName
from hbimg.errors import ConfigError
from hbimg.model import VolumeKey
from hbimg.volumes.where import Where

_SKIP = "skip"
_TABLES = {"dataset", "subjects", "sessions", "scans"}
_RULE = {"where", "name", "image", "sidecar"}


@dataclass(frozen=True, slots=True)
class ScanRule:
    """What a scan is called.

    Attributes
    ----------
    where : Where
        The volumes that it is about.
    image : str
        Pattern of the image's suffix (``_e2``; empty for the main one), where a series gave several.
    name : BidsName or None
        None leaves it out.
    sidecar : mapping
        Fields that its JSON sidecar gets.
    text : str
        The patterns as they were written.
    """

    where: Where
    image: str
    name: BidsName | None
    sidecar: Mapping[str, Any]
    text: str

    def fits(self, key: VolumeKey, image: str) -> bool:
        """Whether it is about an image of a volume."""
        return self.where.matches(key) and fnmatchcase(image, self.image)


@dataclass(frozen=True, slots=True)
class BidsMapping:
    """All that a mapping file says; empty without one."""

    dataset: Mapping[str, Any] = field(default_factory=dict)
    subjects: Mapping[str, str] = field(default_factory=dict)
    sessions: Mapping[str, str] = field(default_factory=dict)
    scans: tuple[ScanRule, ...] = ()

    def rule(self, key: VolumeKey, image: str) -> ScanRule | None:
        """Give the first rule about an image of a volume."""
        return next((rule for rule in self.scans if rule.fits(key, image)), None)


def read_mapping(path: Path) -> BidsMapping:
    """Read a mapping file; ConfigError if it cannot be read or says what no mapping can."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from error
    try:
        if path.suffix.lower() in (".csv", ".tsv"):
            return BidsMapping(scans=tuple(_csv_rules(path, data.decode("utf-8-sig"))))
        return _of_toml(path, tomllib.loads(data.decode()))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"{path} is no mapping in TOML or CSV: {error}") from error


def _csv_rules(path: Path, text: str) -> Iterable[ScanRule]:
    delimiter = "\t" if path.suffix.lower() == ".tsv" else ","
    reader = csv.DictReader(text.splitlines(), delimiter=delimiter, strict=True)
    columns = reader.fieldnames or []
    if not {"where", "name"} <= set(columns) or set(columns) - {"where", "name", "image"}:
        have = ", ".join(columns) or "none"
        raise ConfigError(f"{path} has the columns {have}: give where, name and, if wanted, image")
    for row in reader:
        if None in row or None in row.values():
            raise ConfigError(f"{path}, line {reader.line_num}: it has not as many fields as there are columns")
        yield _rule(path, {key: value for key, value in row.items() if value or key != "image"})


def _of_toml(path: Path, data: dict[str, Any]) -> BidsMapping:
    unknown = set(data) - _TABLES
    if unknown:
        raise ConfigError(f"{path}: {', '.join(sorted(unknown))}: give the tables {', '.join(sorted(_TABLES))}")
    labels = {name: data.get(name, {}) for name in ("dataset", "subjects", "sessions")}
    for name, table in labels.items():
        if not isinstance(table, dict):
            raise ConfigError(f"{path}: {name} is no table: write [{name}]")
    for name in ("subjects", "sessions"):
        wrong = [text for text, label in labels[name].items() if not _is_label(label, may_be_empty=name == "sessions")]
        if wrong:
            raise ConfigError(f"{path}: [{name}] {wrong[0]!r}: a label has letters and digits only")
    rules = data.get("scans", [])
    if not isinstance(rules, list) or not all(isinstance(rule, dict) for rule in rules):
        raise ConfigError(f"{path}: scans is no list of tables: write [[scans]]")
    return BidsMapping(**labels, scans=tuple(_rule(path, rule) for rule in rules))


def _is_label(label: Any, *, may_be_empty: bool) -> bool:
    if not isinstance(label, str):
        return False
    return (label.isascii() and label.isalnum()) or (may_be_empty and not label)


def _rule(path: Path, data: Mapping[str, Any]) -> ScanRule:
    where, name, image = data.get("where"), data.get("name"), data.get("image", "*")
    sidecar = data.get("sidecar", {})
    texts = all(isinstance(text, str) and text for text in (where, name)) and isinstance(image, str)
    if set(data) - _RULE or not texts or not isinstance(sidecar, dict):
        raise ConfigError(f"{path}: a scan has {dict(data)!r}: give where, name, and if wanted image and sidecar")
    parsed = None if name == _SKIP else BidsName.parse(str(name))
    return ScanRule(Where.parse(where), image, parsed, sidecar, f"{where} {image}".removesuffix(" *"))
