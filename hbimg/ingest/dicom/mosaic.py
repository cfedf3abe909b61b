"""Mosaics: the planes of a volume beside each other in one frame, as Siemens and United Imaging write them."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hbimg.ingest.dicom.csa import numbers_of
from hbimg.ingest.dicom.elements import MalformedError, NeedMoreError, Walker
from hbimg.ingest.dicom.tags import Tag, Values, moment_of_datetime_s
from hbimg.ingest.dicom.vectors import Vector, cross, dot, vector

#: More tiles than a square of these would be pixels rather than planes.
_MAX_ACROSS = 64

_COUNT, _NORMAL = "NumberOfImagesInMosaic", "SliceNormalVector"
_COUNT_AND_NORMAL = frozenset((_COUNT, _NORMAL))
_SLICES = re.compile(rb"sSliceArray\.lSize\s*=\s*(0x[0-9a-fA-F]+|[1-9]\d{0,5})")


@dataclass(frozen=True, slots=True)
class Tiles:
    """How a frame is tiled: tiles lie row by row, the last places may be empty.

    `is_rising` tells whether the slices of the protocol, not the tiles, are counted along rows x columns: they are not
    in Siemens' sagittal mosaics.
    """

    count: int
    across: int
    down: int
    is_rising: bool = True


@dataclass(frozen=True, slots=True)
class Sheet:
    """What is known of a tile sheet as a whole: size in pixels, directions, place of its first pixel in LPS+."""

    rows: int
    columns: int
    orientation: tuple[float, ...]
    pixel_spacing_mm: tuple[float, ...]
    position_mm: tuple[float, ...] | None
    slice_spacing_mm: float | None


def siemens_tiles(values: Values, sheet: Sheet) -> tuple[Tiles, tuple[dict[str, Any], ...]] | str:
    """Give the tiling and the fields of each tile's plane; in a few words why not where it cannot be told.

    The sheet's position is the corner that it would have as one large plane around the true centre, so each tile's
    corner lies half of the difference inside it. Tiles follow each other along the slice normal of the private CSA
    header, which for sagittal planes points against rows x columns.
    """
    if sheet.position_mm is None:
        return "it has no position"
    if not sheet.slice_spacing_mm:
        return "it does not say how far its planes are apart"
    count, normal = _csa(values)
    if count < 1:
        return "nothing in its header says how many planes it has"
    across = math.ceil(math.sqrt(count))
    if across > _MAX_ACROSS or sheet.rows % across or sheet.columns % across:
        return f"{count} tiles do not divide its {sheet.columns} x {sheet.rows} pixels"
    rows, columns = sheet.rows // across, sheet.columns // across
    right, down = vector(sheet.orientation[:3]), vector(sheet.orientation[3:])
    row_mm, column_mm = sheet.pixel_spacing_mm
    inside_x, inside_y = (sheet.columns - columns) / 2 * column_mm, (sheet.rows - rows) / 2 * row_mm
    corner = _moved(sheet.position_mm, right, inside_x, down, inside_y)
    centre = _moved(corner, right, (columns - 1) / 2 * column_mm, down, (rows - 1) / 2 * row_mm)
    plain = cross(right, down)
    slices = _slices_of_protocol(values, count)
    is_reversed = slices is not None and math.dist(centre, slices[1]) < math.dist(centre, slices[0])
    # Without a normal: to the left, to the back or up, which is how Siemens counts slices.
    usual = (max(plain, key=abs) > 0) is not is_reversed
    along = usual if normal is None else dot(normal, plain) > 0
    is_rising = along is not is_reversed
    step = [(n if along else -n) * sheet.slice_spacing_mm for n in plain]
    tiles = tuple(
        {
            "tile": tile,
            "rows": rows,
            "columns": columns,
            "position_mm": tuple(c + tile * s for c, s in zip(corner, step, strict=True)),
        }
        for tile in range(count)
    )
    return Tiles(count, across, across, is_rising), tiles


def _csa(values: Values) -> tuple[int, Vector | None]:
    """Give the number of tiles and the slice normal of Siemens' private header."""
    known = numbers_of(values.raw(Tag.SIEMENS_CSA_IMAGE), _COUNT_AND_NORMAL)
    count, normal = known.get(_COUNT), known.get(_NORMAL, ())
    number = int(count[0]) if count else values.unsigned(Tag.SIEMENS_MOSAIC_IMAGES) or _of_protocol(values)
    return number, vector(normal) if len(normal) == 3 else None


def _moved(point: Sequence[float], a: Vector, a_mm: float, b: Vector, b_mm: float) -> Vector:
    return vector([p + x * a_mm + y * b_mm for p, x, y in zip(point, a, b, strict=True)])


def _slices_of_protocol(values: Values, count: int) -> tuple[Vector, Vector] | None:
    """Give the centres of the first and the last slice of the protocol; tiles may be numbered against the slices."""
    first, last = _slice_position(values, 0), _slice_position(values, count - 1)
    return (first, last) if count > 1 and first is not None and last is not None else None


def _slice_position(values: Values, number: int) -> Vector | None:
    """Give the centre of a slice of the protocol; coordinates that are zero are left out there."""
    protocol = values.raw(Tag.SIEMENS_CSA_SERIES)
    found = {
        axis: re.search(rb"sSliceArray\.asSlice\[%d\]\.sPosition\.d%s\s*=\s*(-?[\d.]+)" % (number, axis), protocol)
        for axis in (b"Sag", b"Cor", b"Tra")
    }
    if not any(found.values()):
        return None
    return vector([float(match.group(1)) if match else 0.0 for match in found.values()])


def _of_protocol(values: Values) -> int:
    """Give the number of slices of the protocol that the series' private header holds; 0 when it does not."""
    found = _SLICES.search(values.raw(Tag.SIEMENS_CSA_SERIES))
    return int(found.group(1), 0) if found else 0


def united_tiles(
    values: Values, sheet: Sheet, *, little: bool, implicit: bool
) -> tuple[Tiles, tuple[dict[str, Any], ...]] | str:
    """Give the tiling of United Imaging's grid, where a private sequence has the position of each tile."""
    number = values.number(Tag.UIH_GRID_IMAGES)
    count = int(number) if number is not None else 0
    frames = _united_frames(values.raw(Tag.UIH_GRID_FRAMES), little=little, implicit=implicit)
    positions = [frame.floats(Tag.POSITION, 3) for frame in frames]
    if count < 1 or len(positions) != count or None in positions:
        return f"it names {len(positions)} positions for {count} tiles"
    across = math.ceil(math.sqrt(count))
    down = math.ceil(count / across)
    if across > _MAX_ACROSS or sheet.rows % down or sheet.columns % across:
        return f"{count} tiles do not divide its {sheet.columns} x {sheet.rows} pixels"
    shared: dict[str, Any] = {"rows": sheet.rows // down, "columns": sheet.columns // across}
    moments = [moment_of_datetime_s(frame.text(Tag.ACQUISITION_DATETIME)) for frame in frames]
    known = [moment for moment in moments if moment is not None]
    if known:
        shared["acquisition_s"] = min(known)
    return Tiles(count, across, down), tuple(
        {"tile": tile, "position_mm": position, **shared} for tile, position in enumerate(positions)
    )


def _united_frames(data: bytes, *, little: bool, implicit: bool) -> list[Values]:
    found = []
    wanted = (Tag.POSITION, Tag.ACQUISITION_DATETIME)
    try:
        for item in Walker(data, little=little, implicit=implicit).items():
            raw: dict[int, bytes] = {}
            Walker(item, little=little, implicit=implicit).walk(0, wanted, into=raw)
            found.append(Values(raw, little=little))
    except (MalformedError, NeedMoreError):
        return []
    return found
