"""The groups of a table as the planner sees them: in key order, with bytes, volumes and work. No I/O."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal, Self

import numpy as np
import numpy.typing as npt

from hbimg.errors import ConfigError
from hbimg.model import LEVELS, VolumeKey
from hbimg.rowkeys import RowKeyScheme
from hbimg.rowkeys.scheme import GROUP_END

Unit = Literal["bytes", "seconds"]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Groups:
    """All groups of a table, each a column entry.

    Attributes
    ----------
    keys : tuple of bytes
        What the rows of a group begin with, without the group's terminator; strictly ascending. A region that begins
        at such a key cuts no group.
    size_bytes, volumes : float64 arrays of shape (len(keys),)
        Bytes and volumes of each group.
    work : float64 array of shape (len(keys),)
        What is balanced, in `unit`.
    unit : str
        ``bytes``, or ``seconds`` on a server of speed 1 for each of its cores.
    """

    keys: tuple[bytes, ...]
    size_bytes: Floats
    volumes: Floats
    work: Floats
    unit: Unit = "bytes"

    def __post_init__(self) -> None:
        if any(len(column) != len(self.keys) for column in (self.size_bytes, self.volumes, self.work)):
            raise ConfigError(f"{len(self.keys)} groups need as many sizes, volumes and works")
        if any(a >= b for a, b in zip(self.keys, self.keys[1:], strict=False)) or b"" in self.keys:
            raise ConfigError("groups must come once each, in key order")
        if not all(np.isfinite(column).all() and (column >= 0).all() for column in (self.size_bytes, self.work)):
            raise ConfigError("the sizes and works of groups must be finite numbers of at least 0")

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def total_bytes(self) -> int:
        """Bytes of all groups."""
        return int(self.size_bytes.sum())

    @classmethod
    def of_sizes(cls, sizes: Iterable[tuple[VolumeKey, float]], scheme: RowKeyScheme) -> Self:
        """Gather volumes, in any order, with their bytes into groups of the table's group level."""
        depth = LEVELS.index(scheme.group_level) + 1
        # By labels first: encoding checks each label, and is done once for each group.
        numbers: dict[tuple[str, ...], int] = {}
        each = [(numbers.setdefault(key.labels[:depth], len(numbers)), size) for key, size in sizes]
        group_of, size_of = np.array(each, np.float64).reshape(-1, 2).T
        groups = group_of.astype(np.int64)
        encoded = [scheme.range_of(*labels).start.removesuffix(GROUP_END) for labels in numbers]
        order = sorted(range(len(encoded)), key=encoded.__getitem__)
        size_bytes = np.bincount(groups, size_of, len(encoded))[order].astype(np.float64)
        volumes = np.bincount(groups, minlength=len(encoded))[order].astype(np.float64)
        return cls(tuple(encoded[number] for number in order), size_bytes, volumes, size_bytes)

    def weighed(self, seconds: Floats) -> Groups:
        """Give the same groups with seconds in place of bytes as what is balanced."""
        return replace(self, work=seconds, unit="seconds")
