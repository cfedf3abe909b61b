"""Divides the files of a series into what can be one volume each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, replace

from hbimg.ingest.dicom.facts import DicomFacts
from hbimg.ingest.dicom.geometry import SAME_DIRECTION
from hbimg.ingest.dicom.order import slots_of

#: Labels of BIDS for what the third value of the image type says; Philips appends the sequence (``M_FFE``).
_PARTS = {
    "M": "mag",
    "MAGNITUDE": "mag",
    "P": "phase",
    "PHASE": "phase",
    "R": "real",
    "REAL": "real",
    "I": "imag",
    "IMAGINARY": "imag",
    "FIELD": "fieldmap",
    "B0": "fieldmap",
}


@dataclass(frozen=True, slots=True)
class Part:
    """Files that may be one volume, and what to append to the scan's name to tell them from the series' others."""

    facts: tuple[DicomFacts, ...]
    suffix: str = ""
    contrasts: tuple[tuple[str, str], ...] = ()

    @property
    def name(self) -> str:
        """What to append to the scan's name: the suffix, then echo, part and type where they divide."""
        return self.suffix + "".join(f"_{label}-{value}" for label, value in sorted(self.contrasts))


def by_series(facts: Iterable[DicomFacts]) -> list[list[DicomFacts]]:
    """Group by series, and by number and folder where these hold copies of a series; files by path."""
    groups: dict[Hashable, list[DicomFacts]] = defaultdict(list)
    for one in sorted(facts, key=lambda one: str(one.path)):
        groups[one.series_uid or one.path].append(one)
    found: list[list[DicomFacts]] = []
    for group in groups.values():
        for series in _by_number(group):
            found.extend(_copies(series))
    return found


def _by_number(group: list[DicomFacts]) -> list[list[DicomFacts]]:
    """Divide by the series' number where one place is shown under several: tools copy a series and leave its UID.

    The directions of a scout may have numbers of their own, and stay together. Files without a number, cut before it
    mostly, belong to the first.
    """
    known = sorted({one.series_number for one in group if one.series_number is not None})
    places: dict[Hashable, set[int | None]] = defaultdict(set)
    for one in group:
        if one.position_mm:
            places[one.position_mm, one.orientation].add(one.series_number)
    if all(len(numbers - {None}) < 2 for numbers in places.values()):
        return [group]
    pieces: dict[int, list[DicomFacts]] = {number: [] for number in known}
    for one in group:
        pieces[known[0] if one.series_number is None else one.series_number].append(one)
    return list(pieces.values())


def _copies(group: list[DicomFacts]) -> list[list[DicomFacts]]:
    """Divide by folder when instances repeat across folders, else not: one series may lie in several folders."""
    instances = [one.sop_instance for one in group if one.sop_instance]
    if len(set(instances)) == len(instances):
        return [group]
    folders: dict[Hashable, list[DicomFacts]] = defaultdict(list)
    for one in group:
        folders[one.path.parent].append(one)
    return list(folders.values())


def by_shape(facts: Sequence[DicomFacts]) -> list[list[DicomFacts]]:
    """Group by all that one volume has once: class, size, sample type, spacing of pixels, orientation."""
    groups: list[tuple[Hashable, DicomFacts, list[DicomFacts]]] = []
    for one in facts:
        key = _shape(one)
        for other_key, example, members in groups:
            if other_key == key and _near(one, example):
                members.append(one)
                break
        else:
            groups.append((key, one, [one]))
    return [members for _, _, members in groups]


def _shape(facts: DicomFacts) -> Hashable:
    return (
        facts.sop_class,
        facts.rows,
        facts.columns,
        facts.bits_allocated,
        facts.signed,
        facts.float_bits,
        facts.photometric,
        facts.tiles,
    )


def _near(one: DicomFacts, other: DicomFacts) -> bool:
    """Tell whether orientation and pixel spacing agree; files that have neither agree with each other."""
    return _close(one.orientation, other.orientation, SAME_DIRECTION) and _close(
        one.pixel_spacing_mm, other.pixel_spacing_mm, 1e-3 * max(other.pixel_spacing_mm or (1.0,))
    )


def _close(a: Sequence[float] | None, b: Sequence[float] | None, tolerance: float) -> bool:
    if a is None or b is None:
        return a is b
    return all(abs(x - y) <= tolerance for x, y in zip(a, b, strict=True))


def by_contrast(part: Part) -> list[Part]:
    """Divide by magnitude, phase, ..., then by echo, then by image type, where that explains repeated positions.

    A division explains them when the positions repeat less in every piece, so that the pieces' repetitions add up to
    the whole's: two echoes of ten repetitions are ten and ten of twenty. Planes whose echo time merely differs from
    plane to plane are left together.
    """
    parts = [part]
    for label, key in (("part", _part), ("echo", _echo), ("type", _type)):
        parts = [piece for whole in parts for piece in _divided(whole, label, key)]
    return sorted(parts, key=lambda piece: sorted((label, len(value), value) for label, value in piece.contrasts))


def _divided(part: Part, label: str, key: Callable[[DicomFacts], Hashable]) -> list[Part]:
    pieces: dict[Hashable, list[DicomFacts]] = defaultdict(list)
    for one in part.facts:
        pieces[key(one)].append(one)
    if len(pieces) == 1 or sum(_repeats(piece) for piece in pieces.values()) != _repeats(part.facts):
        return [part]
    ordered = sorted(pieces.items(), key=lambda item: _sortable(item[0]))
    return [
        replace(
            part,
            facts=tuple(piece),
            contrasts=(*part.contrasts, (label, str(value if label == "part" and value else number))),
        )
        for number, (value, piece) in enumerate(ordered, 1)
    ]


def _repeats(facts: Sequence[DicomFacts]) -> int:
    """Give how often the most repeated position is there."""
    return max(len(slot.files) for slot in slots_of(facts))


def _sortable(value: Hashable) -> tuple[float, str]:
    return (value, "") if isinstance(value, int | float) else (0.0, str(value))


def _echo(facts: DicomFacts) -> float | None:
    return facts.echo_time_ms if facts.echo_time_ms is not None else facts.echo_number


def _part(facts: DicomFacts) -> str:
    for value in facts.image_type[2:]:
        label = _PARTS.get(value.split("_")[0].split(" ")[0])
        if label:
            return label
    return facts.private_part


def _type(facts: DicomFacts) -> tuple[str, ...]:
    return facts.image_type
