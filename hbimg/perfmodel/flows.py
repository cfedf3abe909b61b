"""Transfers of a measured run laid over one another: how many were under way when, and how fast they moved together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Sequence

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Transfer:
    """`size_bytes` that moved from `start_s` to `end_s`, at an even rate as far as is known."""

    start_s: float
    end_s: float
    size_bytes: float


@dataclass(frozen=True)
class Flow:
    """The time axis cut wherever a transfer begins or ends.

    Arrays of shape (segments,): `starts_s`, `lengths_s`, `rates_bytes_per_s` of all transfers together, and `active`
    transfers.
    """

    starts_s: Floats
    lengths_s: Floats
    rates_bytes_per_s: Floats
    active: Floats

    def fair_bytes(self, transfers: Sequence[Transfer]) -> Floats:
        """What each transfer would have moved had all that were under way moved equally fast, shape (transfers,)."""
        each = np.where(self.active > 0, self.rates_bytes_per_s / np.maximum(self.active, 1), 0.0)
        return self._integral(each, transfers)

    def mean_active(self, transfers: Sequence[Transfer]) -> Floats:
        """How many were under way on average while each of `transfers` was, itself included, shape (transfers,)."""
        lengths = np.array([t.end_s - t.start_s for t in transfers])
        mean: Floats = self._integral(self.active, transfers) / lengths
        return mean

    def _integral(self, values: Floats, transfers: Sequence[Transfer]) -> Floats:
        """Integral of the segments' `values` over the time of each transfer."""
        moved = np.concatenate(([0.0], np.cumsum(values * self.lengths_s)))
        borders = np.concatenate((self.starts_s, [self.starts_s[-1] + self.lengths_s[-1]]))
        starts, ends = [t.start_s for t in transfers], [t.end_s for t in transfers]
        integral: Floats = np.interp(ends, borders, moved) - np.interp(starts, borders, moved)
        return integral


def flow_of(transfers: Sequence[Transfer]) -> Flow:
    """The flow of `transfers`, each of which must have some length; there must be at least one."""
    starts = np.array([t.start_s for t in transfers])
    ends = np.array([t.end_s for t in transfers])
    rates = np.array([t.size_bytes for t in transfers]) / (ends - starts)
    times = np.concatenate((starts, ends))
    order = np.argsort(times, kind="stable")
    changes = np.concatenate((rates, -rates))[order]
    counts = np.concatenate((np.ones_like(rates), -np.ones_like(rates)))[order]
    times = times[order]
    return Flow(times[:-1], np.diff(times), np.cumsum(changes)[:-1], np.cumsum(counts)[:-1])


def block_speeds(flow: Flow, wanted: NDArray[np.bool_], blocks: int = 10) -> Floats:
    """Mean speed in bytes/s in each of `blocks` equal parts of the time where `wanted` holds, shape (blocks,)."""
    lengths = flow.lengths_s[wanted]
    moved = np.concatenate(([0.0], np.cumsum(lengths * flow.rates_bytes_per_s[wanted])))
    passed = np.concatenate(([0.0], np.cumsum(lengths)))
    borders = np.linspace(0.0, passed[-1], blocks + 1)
    speeds: Floats = np.diff(np.interp(borders, passed, moved)) / (passed[-1] / blocks)
    return speeds
