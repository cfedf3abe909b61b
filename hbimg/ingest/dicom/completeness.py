"""Judges whether the planes of a part are all there, and says which are not and where."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from hbimg.ingest.dicom.facts import DicomFacts
from hbimg.ingest.dicom.geometry import Gap, Spacing
from hbimg.ingest.dicom.order import Slot

#: Files or positions that a message names before it says 'and N more'.
_NAMED = 4


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that is missing or uneven: the words, and the same ready for JSON."""

    words: str
    missing: dict[str, Any] = field(default_factory=dict)


def listed(texts: Sequence[str]) -> str:
    """Join texts for a message; long lists are cut and counted."""
    shown = ", ".join(texts[:_NAMED])
    return f"{shown} and {len(texts) - _NAMED} more" if len(texts) > _NAMED else shown


def gap_fault(slots: Sequence[Slot], spacing: Spacing) -> Fault | None:
    """Tell where neighbouring planes are not as far apart as the others."""
    if not spacing.gaps:
        return None
    absent = [position for gap in spacing.gaps for position in gap.missing_mm]
    uneven = [gap for gap in spacing.gaps if not gap.missing_mm]
    words = []
    if absent:
        places = listed([f"{position:.2f} mm" for position in absent])
        where = listed([_between(slots, gap) for gap in spacing.gaps if gap.missing_mm])
        words.append(
            f"{len(absent)} {'plane is' if len(absent) == 1 else 'planes are'} missing at {places} ({where};"
            f" planes are {spacing.usual_mm:.4g} mm apart)"
        )
    if uneven:
        where = listed([f"{gap.distance_mm:.4g} mm {_between(slots, gap)}" for gap in uneven])
        words.append(f"planes are uneven: {spacing.usual_mm:.4g} mm apart, but {where}")
    return Fault(
        "; ".join(words),
        {
            "planes_mm": [round(position, 4) for position in absent],
            "uneven_mm": [round(slots[gap.before].position_mm, 4) for gap in uneven],
            "positions_mm": [round(slot.position_mm, 4) for slot in slots],
        },
    )


def is_by_design(slots: Sequence[Slot], spacing: Spacing) -> bool:
    """Tell whether uneven distances are how the planes were acquired, and none is missing between them.

    CT is acquired in blocks of other distances. A lost plane makes a multiple of the usual distance and leaves a hole
    in the instance numbers; without either sign nothing is missing. Planes of one file cannot be lost one by one.
    """
    pairs = [(slots[gap.before].files[0], slots[gap.before + 1].files[0]) for gap in spacing.gaps]
    if all(before.path == after.path for before, after in pairs):
        return True
    if any(one.modality != "CT" for pair in pairs for one in pair):
        return False
    return all(not gap.missing_mm for gap in spacing.gaps) or are_neighbours(slots)


def are_neighbours(slots: Sequence[Slot]) -> bool:
    """Tell whether instance numbers count the planes one by one, upwards or downwards, or one file has them all."""
    firsts = [slot.files[0] for slot in slots]
    if len({one.path for one in firsts}) == 1:
        return True
    numbers = [one.instance_number for one in firsts]
    known = [number for number in numbers if number is not None]
    if len(known) < len(numbers) or any(len(slot.files) > 1 for slot in slots):
        return False
    return {b - a for a, b in pairwise(known)} in ({1}, {-1})


def _between(slots: Sequence[Slot], gap: Gap) -> str:
    before, after = slots[gap.before], slots[gap.before + 1]
    return f"between {before.files[0].file_name} and {after.files[0].file_name}"


def count_fault(slots: Sequence[Slot], usual: int, odd: Sequence[Slot]) -> Fault | None:
    """Tell which positions have fewer or more files than the others."""
    if not odd:
        return None
    where = listed([f"{len(slot.files)} at {slot.position_mm:.2f} mm ({slot.files[0].file_name})" for slot in odd])
    words = f"{len(slots) - len(odd)} positions have {usual} {'file' if usual == 1 else 'files'} each, but {where}"
    return Fault(words, {"files_per_position": {f"{slot.position_mm:.4f}": len(slot.files) for slot in odd}})


def promise_fault(slots: Sequence[Slot], files_in_series: int) -> Fault | None:
    """Tell whether the header promises more images than there are.

    `ImagesInAcquisition` is the number of all images for some makers and of one repetition's for others (GE), so it
    is a promise broken only when there are fewer files in the whole series, or, with repetitions that are all
    there, fewer positions and fewer files than repetitions times it.
    """
    first, times = slots[0].files[0], len(slots[0].files)
    if "DERIVED" in first.image_type[:1]:
        return None  # the header is that of the images they were derived from
    images, repetitions = first.images_in_acquisition or 0, first.temporal_positions or 0
    is_stopped = times > 1 and (times < repetitions or images % len(slots) == 0)
    if images > files_in_series and not is_stopped:
        return Fault(
            f"the header promises {images} images (ImagesInAcquisition), {files_in_series} are there",
            {"images": images - files_in_series},
        )
    if repetitions == times > 1 and len(slots) < images < files_in_series:
        return Fault(
            f"the header promises {images} planes in each repetition (ImagesInAcquisition), {len(slots)} are there",
            {"planes": images - len(slots)},
        )
    return None


def remark_on_repetitions(slots: Sequence[Slot]) -> str:
    """Remark on a series whose header promises more repetitions than there are, each of them whole.

    Scans are stopped early every day, and end with a whole repetition; a copy that was stopped rarely does.
    """
    first, times = slots[0].files[0], len(slots[0].files)
    promised = first.temporal_positions or 0
    if not 1 < times < promised or "DERIVED" in first.image_type[:1]:
        return ""
    return (
        f"the header promises {promised} repetitions (NumberOfTemporalPositions), {times} whole ones are there: the"
        " scan was stopped, or the copy"
    )


def pair_fault(slots: Sequence[Slot]) -> Fault | None:
    """Tell whether nothing confirms the distance of only two planes.

    From three planes on, equal distances confirm each other. Two planes need instance numbers that follow each other,
    or a slice thickness or spacing, and must be nearer than two of them: else a plane may be missing between.
    """
    if len(slots) != 2 or are_neighbours(slots):
        return None
    first = slots[0].files[0]
    distance = slots[1].position_mm - slots[0].position_mm
    known = max(first.slice_spacing_mm or 0.0, first.slice_thickness_mm or 0.0)
    if distance < 1.99 * known:
        return None
    names = f"{first.file_name} and {slots[1].files[0].file_name}"
    said = f"the header says {known:.4g} mm" if known else "no slice thickness or spacing confirms that"
    return Fault(
        f"there are only two planes, {distance:.4g} mm apart ({names}), and {said}: planes may be missing",
        {"positions_mm": [round(slot.position_mm, 4) for slot in slots]},
    )


def repetition_fault(slots: Sequence[Slot], by: Sequence[str]) -> Fault | None:
    """Tell whether positions have different temporal positions, though equally many."""
    if tuple(by) != ("temporal_position",):
        return None
    everywhere = {one.temporal_position for one in slots[0].files}
    odd = [slot for slot in slots if {one.temporal_position for one in slot.files} != everywhere]
    if not odd:
        return None
    where = listed([f"{slot.position_mm:.2f} mm ({slot.files[0].file_name})" for slot in odd])
    return Fault(f"the temporal positions at {where} are not those of the other positions")


def double_fault(slots: Sequence[Slot]) -> Fault:
    """Name the files that show the same plane, when no time tells them apart."""
    doubled = [slot for slot in slots if len(slot.files) > 1]
    where = listed(
        [f"{slot.position_mm:.2f} mm ({' and '.join(one.file_name for one in slot.files[:2])})" for slot in doubled]
    )
    return Fault(f"planes are there more than once and no time tells them apart: {where}")


def remark_on_first_instance(facts: Sequence[DicomFacts]) -> str:
    """Remark on a series whose numbers begin late: planes before it may be missing, but many exports are parts."""
    numbers = [one.instance_number for one in facts if one.instance_number is not None]
    if len(numbers) == len(facts) and min(numbers) > 1:
        return f"instance numbers begin at {min(numbers)}: the series may be a part of a larger one"
    return ""
