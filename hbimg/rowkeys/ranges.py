"""Ranges of row keys: start inclusive, stop exclusive, as HBase scans take them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, order=True, slots=True)
class KeyRange:
    """Row keys from `start` up to but without `stop`; an empty `start` is the first row, an empty `stop` has no end."""

    start: bytes = b""
    stop: bytes = b""

    def __contains__(self, row: bytes) -> bool:
        return row >= self.start and (not self.stop or row < self.stop)

    @property
    def is_empty(self) -> bool:
        """Whether no row can lie in it."""
        return bool(self.stop) and self.start >= self.stop

    def intersect(self, other: KeyRange) -> KeyRange:
        """Give the rows that lie in both; the result may be empty."""
        stops = [stop for stop in (self.stop, other.stop) if stop]
        return KeyRange(max(self.start, other.start), min(stops) if stops else b"")

    @classmethod
    def of_prefix(cls, terminated: bytes) -> KeyRange:
        """Give the range of all rows that begin with a prefix whose last byte is a terminator.

        The terminators sort below every byte of a label, so the next byte value ends the range exactly.
        """
        return cls(terminated, terminated[:-1] + bytes([terminated[-1] + 1]))
