"""Moments and histograms of voxel values that merge: count, minimum, maximum, mean, variance, bins.

With a range given, all bins are equal parts of it. Without, bins are intervals [m * 2**e, (m + 1) * 2**e) of the
smallest e with which the values between minimum and maximum need at most the wanted number of bins. These grids nest,
so a finer one folds into a coarser one exactly, and every volume can choose its own without knowing the others.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

#: The finest grid: below it float64 values have no bits left to tell bins apart.
_MIN_EXPONENT = -1000


@dataclass(frozen=True)
class Summary:
    """What is known of a set of values.

    Attributes
    ----------
    volumes, count, not_finite : int
        Volumes, finite values, and values that are infinite or no number (which count nowhere else).
    minimum, maximum, mean : float
        NaN when there are no values.
    squares : float
        Sum of the squared deviations from the mean.
    exponent : int or None
        Of the bins' width, a power of two; None with a fixed range.
    first : int
        Number m of the first bin; 0 with a fixed range.
    bins : array of shape (n,), dtype int64
        Values in each bin; the last bin of a fixed range holds its upper edge too.
    below, above : int
        Values outside of a fixed range.
    """

    volumes: int
    count: int
    not_finite: int
    minimum: float
    maximum: float
    mean: float
    squares: float
    exponent: int | None
    first: int
    bins: npt.NDArray[np.int64]
    below: int
    above: int

    @property
    def variance(self) -> float:
        """Population variance; NaN when there are no values."""
        return self.squares / self.count if self.count else math.nan

    def encode(self) -> bytes:
        """Give the summary as bytes, without pickle: the same summary always as the same bytes."""
        out = io.BytesIO()
        exponent = np.array([] if self.exponent is None else [self.exponent], np.int64)
        counts = np.array([self.volumes, self.count, self.not_finite, self.first, self.below, self.above], np.int64)
        moments = np.array([self.minimum, self.maximum, self.mean, self.squares], np.float64)
        for array in (counts, moments, exponent, self.bins):
            np.lib.format.write_array(out, array, allow_pickle=False)
        return out.getvalue()

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read what `encode` gave."""
        stream = io.BytesIO(data)
        counts, moments, exponent, bins = (np.lib.format.read_array(stream, allow_pickle=False) for _ in range(4))
        volumes, count, not_finite, first, below, above = (int(n) for n in counts)
        minimum, maximum, mean, squares = (float(x) for x in moments)
        found = int(exponent[0]) if len(exponent) else None
        return cls(volumes, count, not_finite, minimum, maximum, mean, squares, found, first, bins, below, above)


@dataclass(frozen=True, slots=True)
class Binning:
    """How values are put into bins: at most `bins` of them, over `range` or, if that is None, over what there is.

    Without a range `bins` is at least 2, because zero is an edge of every grid.
    """

    bins: int
    range: tuple[float, float] | None = None

    def summarise(self, blocks: Iterable[npt.NDArray[Any]]) -> Summary:
        """Summarise one volume's values, which come in blocks."""
        whole = self._block(np.empty(0))
        for block in blocks:
            whole = self.merge(whole, self._block(block))
        return Summary(**{**vars(whole), "volumes": 1})

    def _block(self, values: npt.NDArray[Any]) -> Summary:
        values = values.astype(np.float64, copy=False).ravel()
        finite = np.isfinite(values)
        bad = int(values.size - np.count_nonzero(finite))
        if bad:
            values = values[finite]
        if not values.size:
            empty = np.zeros(self.bins if self.range else 0, np.int64)
            grid = None if self.range else _MIN_EXPONENT
            return Summary(0, 0, bad, math.nan, math.nan, math.nan, 0.0, grid, 0, empty, 0, 0)
        low, high, mean = float(values.min()), float(values.max()), float(values.mean())
        squares = float(np.square(values - mean).sum())
        if self.range is not None:
            bins, below, above = self._fixed(values)
            return Summary(0, values.size, bad, low, high, mean, squares, None, 0, bins, below, above)
        exponent = self._exponent(low, high, _MIN_EXPONENT)
        numbers = np.floor(np.ldexp(values, -exponent)).astype(np.int64)
        first = _bin_of(low, exponent)
        bins = np.bincount(numbers - first).astype(np.int64)
        return Summary(0, values.size, bad, low, high, mean, squares, exponent, first, bins, 0, 0)

    def _fixed(self, values: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.int64], int, int]:
        assert self.range is not None
        low, high = self.range
        bins, _ = np.histogram(values, self.bins, (low, high))
        return bins.astype(np.int64), int((values < low).sum()), int((values > high).sum())

    def _exponent(self, low: float, high: float, at_least: int) -> int:
        """Give the smallest exponent, not below `at_least`, with which low to high fit into the bins."""
        span = max(high - low, abs(low) * 2**-40, abs(high) * 2**-40, math.ldexp(1.0, -900))
        exponent = max(at_least, math.frexp(span / self.bins)[1] - 2)
        while _bin_of(high, exponent) - _bin_of(low, exponent) >= self.bins:
            exponent += 1
        return exponent

    def merge(self, left: Summary, right: Summary) -> Summary:
        """Give the summary of the values of both (Chan, Golub and LeVeque 1979 for the moments)."""
        if not left.count or not right.count:
            known = left if left.count else right
            joined = {"volumes": left.volumes + right.volumes, "not_finite": left.not_finite + right.not_finite}
            return Summary(**{**vars(known), **joined})
        count = left.count + right.count
        apart = right.mean - left.mean
        low, high = min(left.minimum, right.minimum), max(left.maximum, right.maximum)
        exponent, first, bins = self._merged_bins(left, right, low, high)
        return Summary(
            volumes=left.volumes + right.volumes,
            count=count,
            not_finite=left.not_finite + right.not_finite,
            minimum=low,
            maximum=high,
            mean=left.mean + apart * (right.count / count),
            squares=left.squares + right.squares + apart * apart * (left.count * (right.count / count)),
            exponent=exponent,
            first=first,
            bins=bins,
            below=left.below + right.below,
            above=left.above + right.above,
        )

    def _merged_bins(
        self, left: Summary, right: Summary, low: float, high: float
    ) -> tuple[int | None, int, npt.NDArray[np.int64]]:
        if left.exponent is None or right.exponent is None:
            return None, 0, left.bins + right.bins
        exponent = self._exponent(low, high, max(left.exponent, right.exponent))
        first = _bin_of(low, exponent)
        bins = np.zeros(_bin_of(high, exponent) - first + 1, np.int64)
        for part in (left, right):
            assert part.exponent is not None
            numbers = (part.first + np.arange(len(part.bins))) >> min(exponent - part.exponent, 62)
            np.add.at(bins, numbers - first, part.bins)
        return exponent, first, bins

    def edges(self, summary: Summary) -> list[float]:
        """Give the edges of a summary's bins, one more than there are bins."""
        if summary.exponent is None:
            assert self.range is not None
            return [float(x) for x in np.linspace(*self.range, self.bins + 1)]
        return [math.ldexp(float(summary.first + n), summary.exponent) for n in range(len(summary.bins) + 1)]


def _bin_of(value: float, exponent: int) -> int:
    return math.floor(math.ldexp(value, -exponent))
