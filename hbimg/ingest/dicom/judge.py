"""Judges one part of a series: a volume, files that are none, or a volume that is broken."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hbimg.ingest.candidates import Outcome
from hbimg.ingest.dicom import completeness as complete
from hbimg.ingest.dicom.assemble import Stack
from hbimg.ingest.dicom.elements import EXPLICIT_LITTLE, IMPLICIT_LITTLE
from hbimg.ingest.dicom.facts import DicomFacts
from hbimg.ingest.dicom.geometry import (
    affine_ras,
    has_true_directions,
    lean_of,
    normal_of,
    position_of,
    spacing_of,
)
from hbimg.ingest.dicom.kinds import sample_dtype
from hbimg.ingest.dicom.order import Slot, TimeOrder, in_time, slots_of, time_step_s, uneven_counts
from hbimg.model import Geometry


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome for one part, the reason when it is not stored, and its planes in order when it is."""

    outcome: Outcome
    reason: str = ""
    stack: Stack | None = None


def why_not_placed(facts: Sequence[DicomFacts]) -> Verdict | None:
    """Judge files by what each of them lacks to be placed in space; None when all can be."""
    placed = [one for one in facts if one.position_mm and one.orientation and one.pixel_spacing_mm]
    if not placed:
        return Verdict(Outcome.SET_ASIDE, "no volume: its files have no position, orientation or pixel spacing")
    if len(placed) < len(facts):
        there = {id(one) for one in placed}
        names = complete.listed([one.file_name for one in facts if id(one) not in there])
        return Verdict(Outcome.REFUSE, f"no position, orientation or pixel spacing can be read in {names}")
    wrong = [one for one in facts if not has_true_directions(one) or min(one.pixel_spacing_mm or (0.0,)) <= 0]
    if wrong:
        names = complete.listed([one.file_name for one in wrong])
        return Verdict(Outcome.REFUSE, f"directions at no right angle, or a pixel spacing of zero, in {names}")
    return None


def judge(facts: Sequence[DicomFacts], files_in_series: int, *, accept_incomplete: bool) -> Verdict:
    """Judge files of one shape and orientation that can all be placed.

    Parameters
    ----------
    facts : sequence of DicomFacts
    files_in_series : int
        Files of the whole series, for what its headers promise.
    accept_incomplete : bool
        Whether what is missing or uneven is stored, so marked, instead of refused.
    """
    # Whether elements are written with their types makes no difference to the samples.
    syntaxes = {EXPLICIT_LITTLE if one.transfer_syntax == IMPLICIT_LITTLE else one.transfer_syntax for one in facts}
    if len(syntaxes) > 1:
        return Verdict(
            Outcome.SET_ASIDE, f"its files are in {len(syntaxes)} transfer syntaxes: {', '.join(sorted(syntaxes))}"
        )
    again = _same_instance(facts)
    if again:
        return Verdict(Outcome.REFUSE, f"the same instance is there twice: {again}; keep one of them")
    slots = slots_of(facts)
    usual, odd = uneven_counts(slots)
    order = in_time(slots)
    if order is None:
        return _undecided(slots, usual, odd)
    if len(slots) == 1 and order.tie_break:
        return Verdict(
            Outcome.SET_ASIDE,
            f"no volume: all {len(facts)} files show one plane, at {slots[0].position_mm:.2f} mm, and no time tells"
            " them apart",
        )
    faults = _faults(order, usual, odd, files_in_series)
    if faults and not accept_incomplete:
        return Verdict(Outcome.REFUSE, "; ".join(fault.words for fault in faults))
    return Verdict(Outcome.STORE, stack=_stack(order, usual, faults))


def _same_instance(facts: Sequence[DicomFacts]) -> str:
    """Name the first two files that hold the same instance."""
    seen: dict[str, DicomFacts] = {}
    for one in facts:
        other = seen.setdefault(one.sop_instance, one)
        if one.sop_instance and other.path != one.path:
            return f"{other.path} and {one.path}"
    return ""


def _undecided(slots: Sequence[Slot], usual: int, odd: Sequence[Slot]) -> Verdict:
    fault = complete.double_fault(slots)
    counts = complete.count_fault(slots, usual, odd)
    return Verdict(Outcome.REFUSE, f"{fault.words}; {counts.words}" if counts else fault.words)


def _faults(order: TimeOrder, usual: int, odd: Sequence[Slot], files_in_series: int) -> list[complete.Fault]:
    slots = order.slots
    frames = [one for slot in slots for one in slot.files]
    found = [complete.count_fault(slots, usual, odd), complete.pair_fault(slots)]
    if len(slots) > 1:
        spacing = spacing_of([slot.position_mm for slot in slots])
        found.append(None if complete.is_by_design(slots, spacing) else complete.gap_fault(slots, spacing))
    lean = lean_of(frames)
    if not lean.is_uniform:
        found.append(
            complete.Fault(
                f"planes are shifted sideways, by up to {lean.degrees:.1f} degrees and not all alike"
                f" ({frames[0].file_name} to {frames[-1].file_name})",
                {"tilt_degrees": round(lean.degrees, 3)},
            )
        )
    found.append(complete.repetition_fault(slots, order.by))
    found.append(complete.promise_fault(slots, files_in_series))
    return [fault for fault in found if fault is not None]


def _stack(order: TimeOrder, times: int, faults: Sequence[complete.Fault]) -> Stack:
    times = max(times, *(len(slot.files) for slot in order.slots))
    planes = _running(order, times)
    step, remark = _step_mm(order.slots)
    remarks = [
        remark,
        _tilt_remark(order),
        complete.remark_on_repetitions(order.slots),
        complete.remark_on_first_instance([plane for _, plane in planes]),
    ]
    positions = [slot.position_mm for slot in order.slots]
    is_uneven = len(positions) > 1 and bool(spacing_of(positions).gaps)
    if order.tie_break:
        remarks.append(f"repeated planes are ordered by {', then '.join(order.by)}: no time alone tells them apart")
    missing: dict[str, Any] = {}
    for fault in faults:
        missing.update(fault.missing)
        remarks.append(f"accepted though {fault.words}")
    return Stack(
        planes,
        _geometry(order, times, step),
        order.by,
        order.tie_break,
        tuple(remark for remark in remarks if remark),
        ({"faults": [fault.words for fault in faults]} | missing) if faults else None,
        tuple(round(position, 4) for position in positions) if is_uneven else (),
    )


def _tilt_remark(order: TimeOrder) -> str:
    lean = lean_of([slot.files[0] for slot in order.slots])
    if not lean.degrees or not lean.is_uniform:
        return ""
    return f"gantry tilt: the planes' stack leans by {lean.degrees:.1f} degrees, so the affine is sheared"


def _running(order: TimeOrder, times: int) -> tuple[tuple[int, DicomFacts], ...]:
    """Give the planes with their numbers, running fastest in space, then in time."""
    return tuple(
        (time * len(order.slots) + place, slot.files[time])
        for time in range(times)
        for place, slot in enumerate(order.slots)
        if time < len(slot.files)
    )


def _step_mm(slots: Sequence[Slot]) -> tuple[tuple[float, ...], str]:
    """Give the step from plane to plane in LPS+, and a remark where it is not the headers' own."""
    first = slots[0].files[0]
    normal = normal_of(first)
    if len(slots) == 1:
        known = first.slice_spacing_mm or first.slice_thickness_mm or 0.0
        remark = "" if known > 0 else "one plane of unknown thickness: 1 mm is assumed"
        return tuple(n * (known if known > 0 else 1.0) for n in normal), remark
    last = slots[-1].files[0]
    steps = [(b - a) / (len(slots) - 1) for a, b in zip(position_of(first), position_of(last), strict=True)]
    spacing = spacing_of([slot.position_mm for slot in slots])
    if not spacing.gaps:
        return tuple(steps), ""
    mean = (slots[-1].position_mm - slots[0].position_mm) / (len(slots) - 1)
    fault = complete.gap_fault(slots, spacing)
    even = f"the affine holds up to the first gap; planes are {spacing.usual_mm:.4g} mm apart in it"
    words = f"{fault.words}; {even}" if fault and complete.is_by_design(slots, spacing) else even
    return tuple(step * spacing.usual_mm / mean for step in steps), words


def _geometry(order: TimeOrder, times: int, step_mm: Sequence[float]) -> Geometry:
    first = order.slots[0].files[0]
    shape = (first.columns or 0, first.rows or 0, len(order.slots))
    return Geometry(
        shape=(*shape, times) if times > 1 else shape,
        dtype=sample_dtype(first),
        affine=affine_ras(first, step_mm),
        axes=("i", "j", "k", "t") if times > 1 else ("i", "j", "k"),
        time_step_s=time_step_s(order) if times > 1 else None,
    )
