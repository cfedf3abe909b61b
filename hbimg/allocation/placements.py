"""Ways to place groups on servers: fill in key order, spread pieces, equal counts, repair what there is. Pure.

A placement is a list of borders (indices of groups, from 0 to their number) and the server of each stretch between
them. The problem is that of uniform machines, Q||Cmax, with pieces that may be cut at any group. `bound` is what no
placement can beat; filling in key order loses at most one group per server against it, so it is near where groups are
small; where they are not, Graham's longest-first rule on pieces does better (Gonzalez, Ibarra, Sahni 1977).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hbimg.allocation.groups import Floats

#: Stands for a server that is not there (any more).
NOBODY = -1
#: Sums of floats in another order differ by less than this.
ROUNDING = 1e-9
_HALVINGS = 40


@dataclass(frozen=True)
class Placement:
    """Stretches of groups, each on a server: stretch i is groups ``borders[i]`` up to ``borders[i + 1]``."""

    borders: tuple[int, ...]
    owners: tuple[int, ...]

    def loads(self, weights: Floats, servers: int) -> Floats:
        """Sum a column of the groups by server; what lies on nobody is left out. Shape (servers,)."""
        sums = np.diff(prefix_of(weights)[list(self.borders)])
        owners = np.array(self.owners, np.int64)
        known = owners >= 0
        return np.bincount(owners[known], sums[known], servers).astype(np.float64)

    def owner_of_groups(self) -> Floats:
        """Give the server of each group."""
        return np.repeat(np.array(self.owners, np.float64), np.diff(self.borders))


def prefix_of(weights: Floats) -> Floats:
    """Give the sums of all groups before each, and of all; one entry more than groups."""
    return np.concatenate([[0.0], np.cumsum(weights)])


def cost(placement: Placement, work: Floats, speeds: Floats) -> float:
    """Give max(work_i / speed_i): the server that needs longest decides."""
    return float((placement.loads(work, len(speeds)) / speeds).max())


def bound(work: Floats, speeds: Floats) -> float:
    """Give a time that no placement beats: all work on all servers, or the k largest groups on the k fastest."""
    most = min(len(work), len(speeds) - 1)
    largest = np.cumsum(np.sort(work)[::-1][:most])
    fastest = np.cumsum(np.sort(speeds)[::-1][:most])
    return float(max([work.sum() / speeds.sum(), *(largest / fastest)]))


def fill(work: Floats, speeds: Floats) -> Placement:
    """Give each server one stretch, in order, none longer than the least limit that is found to hold all."""
    prefix, least = prefix_of(work), bound(work, speeds)
    low, high = least, least
    found = _filled(prefix, speeds, high)
    while found is None:
        low, high = high, 2 * high
        found = _filled(prefix, speeds, high)
    for _ in range(_HALVINGS):
        if high - low <= ROUNDING * high:
            break
        middle = (low + high) / 2
        tried = _filled(prefix, speeds, middle)
        low, high, found = (middle, high, found) if tried is None else (low, middle, tried)
    return found


def _filled(prefix: Floats, speeds: Floats, limit: float) -> Placement | None:
    borders, owners, last = [0], [], len(prefix) - 1
    for server, speed in enumerate(speeds):
        most = prefix[borders[-1]] + limit * speed * (1 + ROUNDING)
        stop = int(np.searchsorted(prefix, most, side="right")) - 1
        if stop > borders[-1]:
            borders.append(stop)
            owners.append(server)
        if borders[-1] == last:
            return Placement(tuple(borders), tuple(owners))
    return None


def spread(work: Floats, speeds: Floats, pieces_per_server: int) -> Placement:
    """Cut into pieces of about equal work, and give the largest first to the server that would end it soonest."""
    prefix = prefix_of(work)
    borders = _pieces(prefix, prefix[-1] / (pieces_per_server * len(speeds)))
    weights = np.diff(prefix[borders])
    owners, loads = np.zeros(len(weights), np.int64), np.zeros(len(speeds))
    for piece in np.argsort(-weights, kind="stable"):
        owner = int(np.argmin((loads + weights[piece]) / speeds))
        owners[piece] = owner
        loads[owner] += weights[piece]
    return joined(Placement(tuple(borders), tuple(map(int, owners))))


def _pieces(prefix: Floats, most: float) -> list[int]:
    """Give borders of pieces of at most this work, or of one group where that has more."""
    borders, last = [0], len(prefix) - 1
    while borders[-1] < last:
        stop = int(np.searchsorted(prefix, prefix[borders[-1]] + most * (1 + ROUNDING), side="right")) - 1
        borders.append(max(stop, borders[-1] + 1))
    return borders


def equal_counts(size_bytes: Floats, speeds: Floats, regions: int) -> Placement:
    """Place as HBase does: regions of about equal bytes, and as many on each server, give or take one.

    Which servers have the one more is chance there; here it is the fastest, in favour of this placement.
    """
    prefix = prefix_of(size_bytes)
    wanted = prefix[-1] * np.arange(1, regions) / regions
    borders = [0, *sorted(set(map(int, np.searchsorted(prefix, wanted))) - {0, len(prefix) - 1}), len(prefix) - 1]
    order = np.argsort(-speeds, kind="stable")
    owners = tuple(int(order[number % len(order)]) for number in range(len(borders) - 1))
    return Placement(tuple(borders), owners)


def repair(now: Placement, work: Floats, speeds: Floats, limit: float) -> Placement:
    """Keep what there is, and move only what a server has above `limit` times its speed, or what lies on nobody."""
    mover = _Mover(now, work, speeds, limit)
    mover.release()
    mover.settle()
    return joined(mover.placement())


class _Mover:
    """Releases the ends of regions of overloaded servers, and settles them where there is room."""

    def __init__(self, now: Placement, work: Floats, speeds: Floats, limit: float) -> None:
        self._prefix = prefix_of(work)
        self._now = now
        self._speeds = speeds
        self._room = limit * speeds - now.loads(work, len(speeds))
        self._kept: list[tuple[int, int, int]] = []
        self._loose: list[tuple[int, int]] = []

    def release(self) -> None:
        stretches = zip(self._now.borders, self._now.borders[1:], self._now.owners, strict=False)
        for start, stop, owner in reversed(list(stretches)):
            cut = start if owner == NOBODY else self._cut(start, stop, owner)
            if start < cut:
                self._kept.append((start, cut, owner))
            if cut < stop:
                self._loose.append((cut, stop))

    def _cut(self, start: int, stop: int, owner: int) -> int:
        """Give where a region is to end, so that its server's excess goes as far as this region can help."""
        if self._room[owner] >= -ROUNDING * self._prefix[-1]:
            return stop
        most = self._prefix[stop] + self._room[owner]
        cut = max(start, int(np.searchsorted(self._prefix, most * (1 + ROUNDING), side="right")) - 1)
        self._room[owner] += self._prefix[stop] - self._prefix[cut]
        return cut

    def settle(self) -> None:
        size = self._prefix
        for first, stop in sorted(self._loose, key=lambda piece: (size[piece[0]] - size[piece[1]], piece)):
            start = first
            while start < stop:
                end, owner = self._next(start, stop)
                self._kept.append((start, end, owner))
                self._room[owner] -= size[end] - size[start]
                start = end

    def _next(self, start: int, stop: int) -> tuple[int, int]:
        """Give how far a loose piece goes to which server: all of it where that fits best, else to the most room."""
        size = self._prefix[stop] - self._prefix[start]
        left = self._room - size
        if left.max() >= -ROUNDING * self._prefix[-1]:
            return stop, int(np.argmin(np.where(left >= -ROUNDING * self._prefix[-1], left, np.inf)))
        owner = int(np.argmax(self._room))
        most = (self._prefix[start] + self._room[owner]) * (1 + ROUNDING)
        end = int(np.searchsorted(self._prefix, most, side="right")) - 1
        if end > start:
            return end, owner
        # Not even one group fits: it goes where it does least harm.
        one = self._prefix[start + 1] - self._prefix[start]
        return start + 1, int(np.argmin((one - self._room) / self._speeds))

    def placement(self) -> Placement:
        kept = sorted(self._kept)
        return Placement((0, *(stop for _, stop, _ in kept)), tuple(owner for _, _, owner in kept))


def joined(placement: Placement, keep: Sequence[int] = ()) -> Placement:
    """Take out borders between stretches of one server, but for those to keep."""
    kept = set(keep)
    borders, owners = [0], list[int]()
    for stop, owner in zip(placement.borders[1:], placement.owners, strict=True):
        if owners and owners[-1] == owner and borders[-1] not in kept:
            borders[-1] = stop
        else:
            borders.append(stop)
            owners.append(owner)
    return Placement(tuple(borders), tuple(owners))


def divided(placement: Placement, size_bytes: Floats, most_bytes: float) -> Placement:
    """Cut stretches of more than `most_bytes` into near-equal ones, on group borders."""
    prefix = prefix_of(size_bytes)
    borders, owners = [0], []
    for stop, owner in zip(placement.borders[1:], placement.owners, strict=True):
        start = borders[-1]
        parts = int(-(-(prefix[stop] - prefix[start]) // most_bytes)) or 1
        wanted = prefix[start] + (prefix[stop] - prefix[start]) * np.arange(1, parts) / parts
        cuts = sorted(set(map(int, _nearest(prefix, wanted))) - {start, stop})
        for cut in (*(cut for cut in cuts if start < cut < stop), stop):
            borders.append(cut)
            owners.append(owner)
    return Placement(tuple(borders), tuple(owners))


def _nearest(prefix: Floats, wanted: Floats) -> list[int]:
    """Give the borders nearest to the wanted sums."""
    above = np.clip(np.searchsorted(prefix, wanted), 1, len(prefix) - 1)
    lower = wanted - prefix[above - 1] < prefix[above] - wanted
    return list(above - lower)
