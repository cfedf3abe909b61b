"""Files that hold several planes: enhanced multi-frame files and mosaics, told and divided."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from hbimg.ingest.dicom.functional_groups import frames_of
from hbimg.ingest.dicom.mosaic import Sheet, siemens_tiles, united_tiles
from hbimg.ingest.dicom.tags import Tag, Values

if TYPE_CHECKING:
    from hbimg.ingest.dicom.facts import DicomFacts


def with_inner(facts: DicomFacts, values: Values, *, implicit: bool) -> DicomFacts:
    """Give the facts of a file with its planes, when it holds several, or with the reason why they cannot be told.

    Raises
    ------
    MalformedError
        If functional groups are no sequences of elements.
    """
    if values.raw(Tag.FRAME_GROUPS):
        inner = frames_of(values, little=facts.little_endian, implicit=implicit)
        if len(inner) != facts.frames:
            return replace(facts, why_no_inner=f"{len(inner)} functional groups for {facts.frames} frames")
        return replace(facts, inner=_of_one_moment(inner))
    if facts.is_mosaic or facts.is_grid:
        return _of_mosaic(facts, values, implicit=implicit)
    return facts


def _of_mosaic(facts: DicomFacts, values: Values, *, implicit: bool) -> DicomFacts:
    if not (facts.orientation and facts.pixel_spacing_mm and facts.rows and facts.columns):
        return replace(facts, why_no_inner="it has no size, orientation or pixel spacing")
    spacing = facts.slice_spacing_mm or facts.slice_thickness_mm
    sheet = Sheet(facts.rows, facts.columns, facts.orientation, facts.pixel_spacing_mm, facts.position_mm, spacing)
    found = (
        united_tiles(values, sheet, little=facts.little_endian, implicit=implicit)
        if facts.is_grid
        else siemens_tiles(values, sheet)
    )
    if isinstance(found, str):
        return replace(facts, why_no_inner=found)
    tiles, inner = found
    return replace(facts, tiles=tiles, inner=inner)


def _of_one_moment(inner: tuple[dict[str, Any], ...]) -> tuple[Mapping[str, Any], ...]:
    """Give planes of one volume one time: the earliest of their own, which are those of single planes in it.

    The order of whole volumes in time is then one order, whatever the order in which planes were excited.
    """
    places = {(fields.get("position_mm"), fields.get("orientation")) for fields in inner}
    moments = [fields["acquisition_s"] for fields in inner if "acquisition_s" in fields]
    if len(places) < len(inner) or len(moments) < len(inner):
        return inner
    return tuple({**fields, "acquisition_s": min(moments)} for fields in inner)
