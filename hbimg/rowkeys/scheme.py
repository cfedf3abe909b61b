"""The row-key scheme: what each row of a table is called.

A volume's prefix is its four labels, joined and ended by ``,``; the separator after the group level is ``!`` once.
Both sort below every byte of a label, so the byte order of rows is the order of the label tuples, an id that is the
prefix of another does not interleave with it, and HBase's ``DelimitedKeyPrefix`` split restriction on ``!`` keeps a
group whole. With group level subject::

    adhd,sub-01!ses-1,t1w,                          the volume's own row: sorts before all its others
    adhd,sub-01!ses-1,t1w,f3k0qv8ma,000004,00000    literal bytes of source file 4, part 0 (family h)
    adhd,sub-01!ses-1,t1w,i3k0qv8ma,000012          frame 12 (family i)
    adhd,sub-01!ses-1,t1w,r,compress,               manifest of a result
    adhd,sub-01!ses-1,t1w,r,compress,7m2c9d0a,000001   piece 1 of that result (family r)

``3k0qv8ma`` is a generation: every attempt to write content has one of its own, so two writers under one key never
touch each other's rows. Rows that begin with ``!`` are the table's own: settings and runs.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from enum import StrEnum

from hbimg.errors import RowKeyError
from hbimg.model import LEVELS, VolumeKey
from hbimg.rowkeys.labels import check_label
from hbimg.rowkeys.ranges import KeyRange

FIELD_END = b","
GROUP_END = b"!"
#: Rows per volume that one number can count; a reader gathers planes into frames to stay below.
MAX_FRAMES = 1_000_000
MAX_FILES = 1_000_000
MAX_FILE_PARTS = 100_000
#: Longest row key that any table of ours holds; with LMDB's qualifier it stays below 511 bytes.
MAX_ROW_BYTES = 400

_GENERATION_ALPHABET = "0123456789abcdefghijklmnopqrstuv"
_GENERATION = "[0-9a-v]{8}"
_SUFFIXES = {
    "FILE": re.compile(rf"f(?P<generation>{_GENERATION}),(?P<number>\d{{6}}),(?P<part>\d{{5}})\Z"),
    "FRAME": re.compile(rf"i(?P<generation>{_GENERATION}),(?P<number>\d{{6}})\Z"),
    "MANIFEST": re.compile(r"r,(?P<name>[^,!]+),\Z"),
    "PIECE": re.compile(rf"r,(?P<name>[^,!]+),(?P<generation>{_GENERATION}),(?P<number>\d{{6}})\Z"),
}


class RowKind(StrEnum):
    """What a row of a volume holds."""

    VOLUME = "volume"
    FILE = "file"
    FRAME = "frame"
    MANIFEST = "manifest"
    PIECE = "piece"


@dataclass(frozen=True, slots=True)
class RowKey:
    """A decoded row key: the volume and what of it the row holds.

    `number` counts files, frames or pieces; `part` the rows of one file; `name` is a result's.
    """

    volume: VolumeKey
    kind: RowKind
    generation: str = ""
    number: int = 0
    part: int = 0
    name: str = ""


def new_generation() -> str:
    """Give a new random generation id: 40 bits as 8 characters."""
    return "".join(secrets.choice(_GENERATION_ALPHABET) for _ in range(8))


def check_generation(generation: str) -> str:
    """Give the generation id back if it is one; RowKeyError else."""
    if not re.fullmatch(_GENERATION, generation):
        raise RowKeyError(f"{generation!r} is no generation id: 8 characters of 0-9 a-v")
    return generation


@dataclass(frozen=True, slots=True)
class RowKeyScheme:
    """Encodes and decodes the row keys of one table, whose group level is fixed.

    Attributes
    ----------
    group_level : str
        One of project, subject, session, scan: rows that agree up to this level stay in one region.
    """

    group_level: str = "subject"
    name = "hbimg"
    version = 1

    def __post_init__(self) -> None:
        if self.group_level not in LEVELS:
            raise RowKeyError(f"group level {self.group_level!r} is none of {', '.join(LEVELS)}")

    # -- encode ------------------------------------------------------------------------------------------------------

    def volume(self, key: VolumeKey) -> bytes:
        """Give the volume's own row; it is the prefix of all its rows."""
        return self._prefix(key.labels)

    def file(self, key: VolumeKey, generation: str, number: int, part: int = 0) -> bytes:
        """Give the row of source file `number`; a file with many literal bytes has several parts."""
        _check_count("file", number, MAX_FILES)
        _check_count("file part", part, MAX_FILE_PARTS)
        return self.volume(key) + f"f{check_generation(generation)},{number:06d},{part:05d}".encode()

    def frame(self, key: VolumeKey, generation: str, number: int) -> bytes:
        """Give the row of frame `number`."""
        _check_count("frame", number, MAX_FRAMES)
        return self.volume(key) + f"i{check_generation(generation)},{number:06d}".encode()

    def manifest(self, key: VolumeKey, name: str) -> bytes:
        """Give the row of a result's manifest."""
        return self.volume(key) + f"r,{check_label(name)},".encode()

    def piece(self, key: VolumeKey, name: str, generation: str, number: int) -> bytes:
        """Give the row of piece `number` of a result."""
        _check_count("piece", number, MAX_FRAMES)
        return self.manifest(key, name) + f"{check_generation(generation)},{number:06d}".encode()

    # -- ranges ------------------------------------------------------------------------------------------------------

    def range_of(self, *labels: str) -> KeyRange:
        """Give the range of all rows under 0 to 4 labels: of a project, a subject, a session, a volume.

        Without labels it holds all volumes, and none of the table's own rows.
        """
        if not labels:
            return KeyRange(b"-", b"\x7f")
        if len(labels) > len(LEVELS):
            raise RowKeyError(f"{len(labels)} labels: a key has the {len(LEVELS)} levels {', '.join(LEVELS)}")
        return KeyRange.of_prefix(self._prefix(labels))

    def frames_range(self, key: VolumeKey, generation: str) -> KeyRange:
        """Give the range of all frames of one generation of a volume."""
        return KeyRange.of_prefix(self.volume(key) + f"i{check_generation(generation)},".encode())

    def files_range(self, key: VolumeKey, generation: str) -> KeyRange:
        """Give the range of all file rows of one generation of a volume."""
        return KeyRange.of_prefix(self.volume(key) + f"f{check_generation(generation)},".encode())

    def results_range(self, key: VolumeKey) -> KeyRange:
        """Give the range of all results of a volume."""
        return KeyRange.of_prefix(self.volume(key) + b"r,")

    def result_range(self, key: VolumeKey, name: str) -> KeyRange:
        """Give the range of a result: its manifest and the pieces of every attempt."""
        return KeyRange.of_prefix(self.manifest(key, name))

    def pieces_range(self, key: VolumeKey, name: str, generation: str) -> KeyRange:
        """Give the range of the pieces of one attempt at a result."""
        return KeyRange.of_prefix(self.manifest(key, name) + f"{check_generation(generation)},".encode())

    def group_of(self, row: bytes) -> bytes:
        """Give the start of a row that its whole group shares, without the group's terminator."""
        group, end, _ = row.partition(GROUP_END)
        if not end or not group:
            raise RowKeyError(f"{row!r} is no row of a volume of this table: no group ends in it")
        return group

    # -- decode ------------------------------------------------------------------------------------------------------

    def decode(self, row: bytes) -> RowKey:
        """Read a row key of a volume of this table.

        Raises
        ------
        RowKeyError
            If the bytes are no row key of this scheme and group level.
        """
        try:
            text = row.decode("ascii")
        except UnicodeDecodeError as error:
            raise RowKeyError(f"{row!r} is no row key of hbimg's: it is not ASCII") from error
        match = self._pattern().match(text)
        if not match:
            raise RowKeyError(
                f"{row!r} is no row key of scheme {self.name}-{self.version} grouped by {self.group_level}"
            )
        key = VolumeKey(*(check_label(match[level]) for level in LEVELS))
        return _decode_suffix(key, text[match.end() :], row)

    def _prefix(self, labels: tuple[str, ...]) -> bytes:
        ends = [GROUP_END if level == self.group_level else FIELD_END for level in LEVELS]
        return b"".join(check_label(label).encode() + end for label, end in zip(labels, ends, strict=False))

    def _pattern(self) -> re.Pattern[str]:
        ends = ["!" if level == self.group_level else "," for level in LEVELS]
        return re.compile("".join(f"(?P<{level}>[^,!]+){end}" for level, end in zip(LEVELS, ends, strict=True)))


def settings_row() -> bytes:
    """Give the row that holds a table's own settings: it sorts before every volume."""
    return b"!hbimg"


def run_row(run_id: str) -> bytes:
    """Give the row of a run."""
    return b"!run," + check_label(run_id).encode() + FIELD_END


def stop_row(run_id: str) -> bytes:
    """Give the row whose presence asks the tasks of a run to end after the volumes they are at."""
    return b"!stop," + check_label(run_id).encode() + FIELD_END


def layout_lock_row() -> bytes:
    """Give the row that says who changes the table's layout."""
    return b"!layout"


def layout_row(entry_id: str) -> bytes:
    """Give the row of an entry of the layout's journal."""
    return b"!layout," + check_label(entry_id).encode() + FIELD_END


def layouts_range() -> KeyRange:
    """Give the range of the layout's journal."""
    return KeyRange.of_prefix(b"!layout,")


def runs_range() -> KeyRange:
    """Give the range of all runs."""
    return KeyRange.of_prefix(b"!run,")


def _check_count(what: str, number: int, limit: int) -> None:
    if not 0 <= number < limit:
        raise RowKeyError(f"{what} {number} is out of range: a volume has at most {limit:,} of them")


def _decode_suffix(key: VolumeKey, suffix: str, row: bytes) -> RowKey:
    if not suffix:
        return RowKey(key, RowKind.VOLUME)
    for kind, pattern in _SUFFIXES.items():
        match = pattern.match(suffix)
        if match:
            found = match.groupdict()
            name = check_label(found["name"]) if "name" in found else ""
            numbers = int(found.get("number", 0)), int(found.get("part", 0))
            return RowKey(key, RowKind[kind], found.get("generation", ""), *numbers, name)
    raise RowKeyError(f"{row!r} is no row key of hbimg's: what follows the volume is unknown")
