"""Keys from a table: a CSV file that names for each file, or folder of files, what its key is made of."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from hbimg.errors import ConfigError
from hbimg.ingest.candidates import Names
from hbimg.model import LEVELS

_FILE = "file"


@dataclass(frozen=True, slots=True)
class KeyList:
    """What a table says: path below the ingested folder, of a file or of a folder, to the texts of its key."""

    path: Path
    names: Mapping[str, Names]

    def of(self, name: str) -> Names:
        """Give what the table says of a file, or of the innermost folder around it that it names.

        Raises
        ------
        ConfigError
            If it names neither.
        """
        for place in _places(name):
            if place in self.names:
                return self.names[place]
        raise ConfigError(f"{name} is not in {self.path}: add a line for it, or for a folder around it")

    def unused(self, names: Iterable[str]) -> list[str]:
        """Give the paths in the table at and below which no file was found."""
        seen = {place for name in names for place in _places(name)}
        return [place for place in self.names if place not in seen]


def _places(name: str) -> list[str]:
    """Give a path and the folders around it, innermost first."""
    return [name, *(str(folder) for folder in PurePosixPath(name).parents)]


def read_key_list(path: Path) -> KeyList:
    """Read a table with a column ``file`` and one or more of ``project``, ``subject``, ``session``, ``scan``.

    Columns are separated by commas, or by tabs in a file called ``.tsv``. An empty field says nothing.

    Raises
    ------
    ConfigError
        If it cannot be read, has other columns, or says two things of one file.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.DictReader(stream, delimiter="\t" if path.suffix.lower() == ".tsv" else ",", strict=True)
            _check_columns(path, reader.fieldnames or [])
            names: dict[str, Names] = {}
            for row in reader:
                _add(path, reader.line_num, row, names)
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from error
    except (csv.Error, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is no CSV table in UTF-8: {error}") from error
    if not names:
        raise ConfigError(f"{path} names no file: give a line for each file or folder")
    return KeyList(path, names)


def _check_columns(path: Path, columns: Iterable[str]) -> None:
    found = list(columns)
    levels = [column for column in found if column != _FILE]
    if found.count(_FILE) != 1 or not levels or set(levels) - set(LEVELS) or len(set(levels)) < len(levels):
        raise ConfigError(
            f"{path} has the columns {', '.join(found) or 'none'}: give file and one or more of {', '.join(LEVELS)}"
        )


def _add(path: Path, line: int, row: dict[str, str | None], names: dict[str, Names]) -> None:
    if None in row or None in row.values():
        raise ConfigError(f"{path}, line {line}: it has not as many fields as there are columns")
    place = str(PurePosixPath((row[_FILE] or "").strip()))
    told = Names(**{level: (row.get(level) or "").strip() or None for level in LEVELS})
    if names.setdefault(place, told) != told:
        raise ConfigError(f"{path}, line {line}: {place} was given another key in a line before")
