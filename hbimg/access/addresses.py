"""Addresses of what a store holds: ``hbimg://TABLE/project/subject/session/scan``, and the files below a volume."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from hbimg.errors import ConfigError
from hbimg.model import LEVELS, VolumeKey

PREFIX = "hbimg://"
#: What a volume's folder holds: the files as they came in, and the results, each in a folder of its name.
ORIGINALS, RESULTS = "originals", "results"
_DEPTH = 1 + len(LEVELS)


@dataclass(frozen=True, slots=True)
class Address:
    """A place in a store.

    Attributes
    ----------
    table : str
        Empty for the store itself.
    labels : tuple of str
        As many of project, subject, session and scan as are given.
    inside : tuple of str
        What follows the volume: ``originals`` or ``results``, and the path below.
    """

    table: str = ""
    labels: tuple[str, ...] = ()
    inside: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read an address, with ``hbimg://`` or without.

        Raises
        ------
        ConfigError
            If it is of another kind.
        """
        path = text.removeprefix(PREFIX)
        if "://" in path:
            raise ConfigError(f"{text!r} is no address in a store: give hbimg://TABLE/project/subject/session/scan")
        parts = tuple(part for part in path.split("/") if part)
        return cls(parts[0] if parts else "", parts[1:_DEPTH], parts[_DEPTH:])

    @property
    def key(self) -> VolumeKey | None:
        """The volume's key, if the address goes down to one."""
        return VolumeKey(*self.labels) if len(self.labels) == len(LEVELS) else None

    @property
    def path(self) -> str:
        """The address without ``hbimg://``; `parse` reads it back."""
        return "/".join(part for part in (self.table, *self.labels, *self.inside) if part)

    def __str__(self) -> str:
        """Give the whole address."""
        return PREFIX + self.path


def address_of(table: str, key: VolumeKey) -> str:
    """Give the address of a volume."""
    return str(Address(table, key.labels))
