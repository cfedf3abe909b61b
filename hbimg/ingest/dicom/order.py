"""Puts planes in order: by position along the normal, and repeated positions by time. Names and keys never count."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from hbimg.ingest.dicom.facts import DicomFacts
from hbimg.ingest.dicom.geometry import SAME_PLANE_MM, normal_of, position_of
from hbimg.ingest.dicom.vectors import dot

#: What orders repeated positions, the first that tells all of them apart wins; the names go into the plane map.
TIMES: tuple[tuple[str, Callable[[DicomFacts], Any]], ...] = (
    ("temporal_position", lambda facts: facts.temporal_position),
    ("trigger_time", lambda facts: facts.trigger_time_ms),
    ("dimension_index", lambda facts: facts.dimension),
    ("acquisition_time", lambda facts: facts.acquisition_s),
    ("content_time", lambda facts: facts.content_s),
)

TIE_BREAK = "instance_number"


@dataclass(frozen=True, slots=True)
class Slot:
    """One position along the normal, in mm, and the files that show it."""

    position_mm: float
    files: tuple[DicomFacts, ...]


@dataclass(frozen=True, slots=True)
class TimeOrder:
    """The files of each slot in time, and by what they were ordered: nothing when no position is repeated."""

    slots: tuple[Slot, ...]
    by: tuple[str, ...]
    tie_break: bool


def slots_of(facts: Sequence[DicomFacts]) -> list[Slot]:
    """Group files of one orientation by position along their common normal, ascending."""
    normal = normal_of(facts[0])
    placed = sorted(((dot(position_of(one), normal), index) for index, one in enumerate(facts)))
    groups: list[list[tuple[float, int]]] = [[placed[0]]]
    for before, here in pairwise(placed):
        if here[0] - before[0] > SAME_PLANE_MM:
            groups.append([])
        groups[-1].append(here)
    return [Slot(group[0][0], tuple(facts[index] for _, index in group)) for group in groups]


def in_time(slots: Sequence[Slot]) -> TimeOrder | None:
    """Order the files of every slot by time; None when nothing tells some of them apart.

    One tag that tells all files of every slot apart is used alone. Without one, all the times there are together
    order them, and the instance number breaks what ties are left. An order that would mix b-values in a volume is
    none; where every order does, or nothing else tells files apart, the b-value comes first.
    """
    if all(len(slot.files) == 1 for slot in slots):
        return TimeOrder(tuple(slots), (), tie_break=False)
    for name, key in TIMES:
        if all(_tells_apart(slot.files, key) for slot in slots):
            found = _sorted(slots, _alone(key))
            if not _mixes_b_values(found):
                return TimeOrder(found, (name,), tie_break=False)
    return _ties_broken(slots)


def _ties_broken(slots: Sequence[Slot]) -> TimeOrder | None:
    """Order by all times together and the instance number, or by b-value before these; None when both leave ties."""
    if any(one.instance_number is None for slot in slots for one in slot.files):
        return None
    known = [(name, key) for name, key in TIMES if all(key(one) is not None for slot in slots for one in slot.files)]
    useful = [(name, key) for name, key in known if any(len({key(one) for one in slot.files}) > 1 for slot in slots)]
    names = (*(name for name, _ in useful), TIE_BREAK)

    def together(facts: DicomFacts) -> tuple[Any, ...]:
        return (*(key(facts) for _, key in useful), facts.instance_number, facts.frame)

    def by_b_value(facts: DicomFacts) -> tuple[Any, ...]:
        return (facts.b_value or 0.0, *together(facts))

    for key, by in ((together, names), (by_b_value, ("b_value", *names))):
        found = _sorted(slots, key)
        if all(_tells_apart(slot.files, key) for slot in slots) and not _mixes_b_values(found):
            return TimeOrder(found, by, tie_break=True)
    return None


def _tells_apart(files: Sequence[DicomFacts], key: Callable[[DicomFacts], Any]) -> bool:
    values = {key(one) for one in files}
    return None not in values and len(values) == len(files)


def _mixes_b_values(slots: Sequence[Slot]) -> bool:
    """Whether volumes are not of one b-value each, though another order would make them so."""
    found = {tuple(round(one.b_value or 0.0) for one in slot.files) for slot in slots}
    is_known = all(one.b_value is not None for slot in slots for one in slot.files)
    return is_known and len(found) > 1 and len({tuple(sorted(values)) for values in found}) == 1


def _alone(key: Callable[[DicomFacts], Any]) -> Callable[[DicomFacts], tuple[Any, ...]]:
    return lambda facts: (key(facts),)


def _sorted(slots: Sequence[Slot], key: Callable[[DicomFacts], tuple[Any, ...]]) -> tuple[Slot, ...]:
    return tuple(Slot(slot.position_mm, tuple(sorted(slot.files, key=key))) for slot in slots)


def uneven_counts(slots: Sequence[Slot]) -> tuple[int, list[Slot]]:
    """Give how many files most positions have, and the positions that have another number of them."""
    usual = Counter(len(slot.files) for slot in slots).most_common()
    # Of equally common counts the larger one is the promise: half of the last repetition was lost.
    count = max(number for number, times in usual if times == usual[0][1])
    return count, [slot for slot in slots if len(slot.files) != count]


def time_step_s(order: TimeOrder) -> float | None:
    """Give the seconds between repetitions when the files say so, else None.

    For echo-planar images it is the repetition time, because one excitation makes one plane of each volume. Else times
    that were used for ordering count when their steps at the first position agree within 5 %, because acquisition times
    are written to the second by some. Temporal positions and instance numbers are no times.
    """
    files = order.slots[0].files
    first = files[0]
    is_echo_planar = "EP" in first.scanning_sequence or first.echo_planar == "YES"
    if is_echo_planar and first.repetition_time_ms:
        return first.repetition_time_ms / 1000
    readers: dict[str, Callable[[DicomFacts], float]] = {
        "trigger_time": lambda facts: (facts.trigger_time_ms or 0.0) / 1000,
        "acquisition_time": lambda facts: facts.acquisition_s or 0.0,
    }
    if len(order.by) != 1 or order.by[0] not in readers:
        return None
    moments = [readers[order.by[0]](one) for one in files]
    steps = [b - a for a, b in pairwise(moments)]
    mean = sum(steps) / len(steps)
    return round(mean, 6) if all(abs(step - mean) <= 0.05 * mean for step in steps) else None
