"""The key of a candidate: options first, then a table or a pattern over its path, BIDS names, headers, its folders."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from hbimg.errors import ConfigError, RowKeyError
from hbimg.ingest.candidates import Names
from hbimg.ingest.key_list import KeyList
from hbimg.model import LEVELS, VolumeKey
from hbimg.rowkeys import label_of

_BIDS_NAME = re.compile(
    r"(?P<subject>sub-[A-Za-z0-9+]+)_(?:(?P<session>ses-[A-Za-z0-9+]+)_)?(?P<scan>[A-Za-z0-9_+-]+)\Z"
)


@dataclass(frozen=True, slots=True)
class KeyRules:
    """How keys are made.

    Attributes
    ----------
    fixed : Names
        Texts that the user gave for every volume.
    pattern : str or None
        A pattern over the path below the ingested folder: ``{subject}/{session}/{scan}.nii.gz``. ``{level}`` takes
        what stands there up to the next ``/``, ``*`` any text within a name, ``**`` any path.
    default_project : str
        Project of what says nothing of it: the table's name.
    listed : KeyList or None
        A table that names for each file or folder what its key is made of.
    """

    fixed: Names = field(default_factory=Names)
    pattern: str | None = None
    default_project: str = ""
    listed: KeyList | None = None

    def told(self, name: str, stem: str = "", default: Names | None = None) -> Names:
        """Give what the user and the path say of a file: `name` is its path below the ingested folder.

        `stem` is its name without suffixes, where that may be one of BIDS; `default` is what its data set says.

        Raises
        ------
        ConfigError
            If a table or a pattern was given, and the path is not in it or does not fit it.
        """
        return self.fixed.over(self._by_path(name, stem, default))

    def _by_path(self, name: str, stem: str, default: Names | None) -> Names:
        if self.listed and (told := self.listed.of(name)) != Names():
            return told
        return self._by_pattern(name) if self.pattern else default or _by_bids(stem)

    def key_of(self, name: str, stem: str, found: Names) -> tuple[VolumeKey, dict[str, str]]:
        """Give the key of a candidate, and the texts that its labels do not show; errors of `told` and `key_told`."""
        return self.key_told(name, self.told(name, stem), found)

    def key_told(
        self, name: str, told: Names, found: Names, *, by_folders: bool = True
    ) -> tuple[VolumeKey, dict[str, str]]:
        """Give the key of a candidate, and the texts that its labels do not show.

        `name` is the path of its first file, `told` what `told` gave for it, `found` what its headers say; `by_folders`
        lets the folders around the file say it where nothing else does.

        Raises
        ------
        RowKeyError
            If nothing names the scan, or a text cannot be a label.
        """
        names = told.over(found)
        is_listed = self.listed is not None and told != self.fixed  # an empty line in the table says nothing
        if by_folders and not (names.subject or names.session or self.pattern or is_listed):
            names = names.over(_by_folders(name))
        names = names.over(Names(project=self.default_project))
        if not names.scan:
            raise RowKeyError(f"{name}: nothing names the scan; give --scan, --pattern or --keys-from")
        texts = {level: getattr(names, level) for level in LEVELS}
        labels = {level: label_of(text) for level, text in texts.items()}
        hidden = {level: text for level, text in texts.items() if text and labels[level] != text}
        return VolumeKey(**labels), hidden

    def _by_pattern(self, name: str) -> Names:
        match = re.fullmatch(_compiled(self.pattern or ""), name)
        if not match:
            raise ConfigError(f"{name} does not fit --pattern {self.pattern!r}")
        return Names(**{level: text for level, text in match.groupdict().items() if text})


def check_pattern(pattern: str) -> str:
    """Give a pattern back if it is one; ConfigError else."""
    levels = re.findall(r"\{(.*?)\}", pattern)
    wrong = [level for level in levels if level not in LEVELS]
    if wrong or len(set(levels)) < len(levels) or not levels:
        known = ", ".join("{" + level + "}" for level in LEVELS)
        raise ConfigError(f"--pattern {pattern!r}: use one or more of {known}, each at most once")
    return pattern


def _compiled(pattern: str) -> str:
    pieces = re.split(r"(\{\w+\}|\*\*|\*)", pattern)
    known = {"**": ".*", "*": "[^/]*"}
    return "".join(known.get(p) or (f"(?P<{p[1:-1]}>[^/]+?)" if p.startswith("{") else re.escape(p)) for p in pieces)


def _by_bids(stem: str) -> Names:
    """Read a name like ``sub-01_ses-1_acq-fast_T1w``."""
    match = _BIDS_NAME.match(stem)
    return Names(**match.groupdict()) if match else Names()


def _by_folders(name: str) -> Names:
    """Take the outermost folder below the ingested one for the subject, those between it and the file for the session.

    So files of one name in the folders of several subjects have different keys.
    """
    folders = name.split("/")[:-1]
    if not folders:
        return Names()
    return Names(subject=folders[0], session=".".join(folders[1:]) or None)


def names_from(options: Mapping[str, str | None]) -> Names:
    """Make `Names` of command-line options; empty ones count as absent."""
    return Names(**{level: options.get(level) or None for level in LEVELS})
