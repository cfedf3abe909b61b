"""What every task of a run is told: one JSON file and the list of volumes, which travel by the distributed cache."""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hbimg.mapreduce.splits import bytes_to_read
from hbimg.rowkeys import KeyRange, RowKeyScheme
from hbimg.volumes import VolumeRecord

#: Names of the files in a task's folder; archives are unpacked under theirs.
ORDER, VOLUMES, CODE, ENVIRONMENT = "hbimg-order.json", "hbimg-volumes.txt", "hbimg-code", "hbimg-environment"


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be done with each volume.

    Attributes
    ----------
    job : str
        The class, as ``package.module:Class``.
    parameters : mapping
    store, table : str
    result_name, run_id : str
    force : bool
    pad_to_s : float
    """

    job: str
    parameters: Mapping[str, Any]
    store: str
    table: str
    result_name: str
    run_id: str
    force: bool = False
    pad_to_s: float = 0.0

    def to_json(self) -> bytes:
        """Give the content of the file."""
        return json.dumps(asdict(self), indent=2, sort_keys=True).encode()

    @classmethod
    def read(cls, folder: Path) -> Order:
        """Read it in a task's folder."""
        return cls(**json.loads((folder / ORDER).read_bytes()))


@dataclass(frozen=True, slots=True)
class ListedVolume:
    """A line of the list of volumes: the volume's own row, and its bytes as planned."""

    row: bytes
    size_bytes: int


def volumes_file(records: Iterable[VolumeRecord], scheme: RowKeyScheme) -> bytes:
    """Give the content of the list of volumes: row key, tab, bytes; in the order of the keys."""
    lines = (scheme.volume(record.key) + f"\t{bytes_to_read(record)}\n".encode() for record in records)
    return b"".join(lines)


def listed_volumes(folder: Path, key_range: KeyRange) -> Iterator[ListedVolume]:
    """Give the volumes of the list that lie in a range, in order."""
    lines = (folder / VOLUMES).read_bytes().splitlines()
    # A tab sorts below every byte of a row key, so lines are in the order of the keys.
    for line in lines[bisect_left(lines, key_range.start) :]:
        row, _, size = line.partition(b"\t")
        if row not in key_range:
            return
        yield ListedVolume(row, int(size))
