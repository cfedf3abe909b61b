"""Where planes lie: the normal, positions along it, even spacing, tilt, and the affine. Pure, in DICOM's LPS+.

Tolerances, with their reasons, stand here and nowhere else; docs/decisions/0005 repeats them in words.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from hbimg.ingest.dicom.facts import DicomFacts
from hbimg.ingest.dicom.vectors import Vector, cross, dot, vector

#: Positions have four to six decimals in real files, spacing-relative noise stays below 0.01 % there; scanners that
#: round positions to 0.01 mm exist. 1 % of a plane's distance is far below what a missing plane makes (100 %).
EVEN_RELATIVE = 0.01
EVEN_MM = 0.01

#: Files nearer than this along the normal show the same plane: GE writes -17.6875 and -17.68746 for one.
SAME_PLANE_MM = 0.01

#: Direction cosines that differ less are the same: they are printed with 5 to 14 digits; 1e-3 is 0.06 degrees.
SAME_DIRECTION = 1e-3

#: Sideways shift of planes per mm along the normal that is still upright: 1 %, or 0.6 degrees. Gantry tilts are whole
#: degrees.
TILT_RELATIVE = 0.01
#: And a part of a pixel that is no shift at all.
TILT_PIXELS = 0.1


def row_direction(facts: DicomFacts) -> Vector:
    """Give the direction along a row, to larger column numbers."""
    assert facts.orientation is not None
    return vector(facts.orientation[:3])


def column_direction(facts: DicomFacts) -> Vector:
    """Give the direction along a column, to larger row numbers."""
    assert facts.orientation is not None
    return vector(facts.orientation[3:])


def normal_of(facts: DicomFacts) -> Vector:
    """Give the unit normal of a plane: row direction x column direction (PS3.3, C.7.6.2.1.1)."""
    normal = cross(row_direction(facts), column_direction(facts))
    length = math.hypot(*normal)
    return (normal[0] / length, normal[1] / length, normal[2] / length)


def position_of(facts: DicomFacts) -> Vector:
    """Give the centre of a plane's first voxel."""
    assert facts.position_mm is not None
    return vector(facts.position_mm)


def has_true_directions(facts: DicomFacts) -> bool:
    """Tell whether row and column directions are unit vectors at a right angle."""
    a, b = row_direction(facts), column_direction(facts)
    return (
        abs(math.hypot(*a) - 1) < 10 * SAME_DIRECTION
        and abs(math.hypot(*b) - 1) < 10 * SAME_DIRECTION
        and abs(dot(a, b)) < 10 * SAME_DIRECTION
    )


@dataclass(frozen=True, slots=True)
class Gap:
    """A distance between neighbouring planes that is not like the others.

    `before` is the index of the plane before it; `missing_mm` the positions where planes should be, empty when the
    distance is no multiple of the usual one.
    """

    before: int
    distance_mm: float
    missing_mm: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Spacing:
    """The usual distance of neighbouring planes in mm, and where it is broken."""

    usual_mm: float
    gaps: tuple[Gap, ...]


def spacing_of(positions_mm: Sequence[float]) -> Spacing:
    """Judge ascending positions along the normal; at least two.

    The usual distance is the lower median, so that one gap among three planes does not count as usual.
    """
    distances = [b - a for a, b in pairwise(positions_mm)]
    usual = sorted(distances)[(len(distances) - 1) // 2]
    tolerance = max(EVEN_MM, EVEN_RELATIVE * usual)
    gaps = []
    for index, distance in enumerate(distances):
        if abs(distance - usual) <= tolerance:
            continue
        times = round(distance / usual)
        fits = times >= 2 and abs(distance - times * usual) <= times * tolerance
        absent = tuple(positions_mm[index] + step * distance / times for step in range(1, times)) if fits else ()
        gaps.append(Gap(index, distance, absent))
    return Spacing(usual, tuple(gaps))


@dataclass(frozen=True, slots=True)
class Lean:
    """By how much a stack of planes leans away from its normal, and whether all planes do so alike."""

    degrees: float
    is_uniform: bool


def lean_of(facts: Sequence[DicomFacts]) -> Lean:
    """Judge how planes are shifted sideways against the first; 0 degrees when within tolerance.

    A gantry tilt shifts every plane by the same for each mm along the normal; a single plane that is out of its place
    does not.
    """
    normal, first = normal_of(facts[0]), position_of(facts[0])
    assert facts[0].pixel_spacing_mm is not None
    allowed_mm = TILT_PIXELS * min(facts[0].pixel_spacing_mm)
    worst, shifts = 0.0, []
    for other in facts[1:]:
        step = [b - a for a, b in zip(first, position_of(other), strict=True)]
        along = dot(step, normal)
        shift = [s - along * n for s, n in zip(step, normal, strict=True)]
        shifts.append((along, shift))
        sideways = math.hypot(*shift)
        if sideways > max(allowed_mm, TILT_RELATIVE * abs(along)):
            worst = max(worst, math.degrees(math.atan2(sideways, abs(along))))
    return Lean(worst, worst == 0 or _is_uniform(shifts, allowed_mm))


def _is_uniform(shifts: Sequence[tuple[float, Sequence[float]]], allowed_mm: float) -> bool:
    """Tell whether shifts are one vector times the way along the normal."""
    along, far = max(shifts, key=lambda shift: abs(shift[0]))
    if abs(along) <= SAME_PLANE_MM:
        return False
    per_mm = [x / along for x in far]
    return all(
        math.hypot(*(x - way * each for x, each in zip(shift, per_mm, strict=True)))
        <= max(allowed_mm, TILT_RELATIVE * abs(way))
        for way, shift in shifts
    )


def affine_ras(first: DicomFacts, step_mm: Sequence[float]) -> tuple[tuple[float, ...], ...]:
    """Give the affine from (column, row, plane) of the frames as stored to millimetres in RAS+.

    Columns are the row direction times the distance of columns, the column direction times the distance of rows,
    `step_mm` from plane to plane, and the first plane's position (PS3.3, equation C.7.6.2.1-1); x and y are negated,
    from DICOM's LPS+ to RAS+.
    """
    assert first.pixel_spacing_mm is not None
    between_rows, between_columns = first.pixel_spacing_mm
    i = [value * between_columns for value in row_direction(first)]
    j = [value * between_rows for value in column_direction(first)]
    lps = list(zip(i, j, step_mm, position_of(first), strict=True))
    signs = (-1.0, -1.0, 1.0)
    rows = [tuple(sign * value + 0.0 for value in row) for sign, row in zip(signs, lps, strict=True)]
    return (*rows, (0.0, 0.0, 0.0, 1.0))
