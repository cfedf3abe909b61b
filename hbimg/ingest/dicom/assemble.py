"""Makes of planes in order what is stored: geometry, encoding, which frame is which plane.

Planes that stand together in files, magnitude and phase in one, are stored together: their volumes follow each other
along the fourth axis, and the plane map names the parts.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from hbimg.ingest.dicom.facts import PALETTE, DicomFacts
from hbimg.ingest.dicom.kinds import sample_dtype
from hbimg.ingest.dicom.layout import Layout, layout_of
from hbimg.ingest.dicom.syntaxes import COMPRESSED
from hbimg.ingest.dicom.vectors import dot
from hbimg.model import Geometry
from hbimg.volumes.content import FrameEncoding

#: Affines of parts that differ less, in mm at the far corner, are of one grid.
_SAME_GRID_MM = 0.05


@dataclass(frozen=True, slots=True)
class Stack:
    """The planes of one volume in order.

    Attributes
    ----------
    planes : tuple of (int, DicomFacts)
        Each plane with its number, counted through space, then through time.
    geometry : Geometry
        Without scaling.
    by : tuple of str
        By what repeated positions were ordered.
    tie_break : bool
        Whether only instance numbers told some of them apart.
    remarks : tuple of str
    missing : mapping or None
        What is missing though accepted.
    uneven_mm : tuple of float
        The positions of the planes along the normal where they are uneven.
    """

    planes: tuple[tuple[int, DicomFacts], ...]
    geometry: Geometry
    by: tuple[str, ...] = ()
    tie_break: bool = False
    remarks: tuple[str, ...] = ()
    missing: Mapping[str, Any] | None = None
    uneven_mm: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Assembled:
    """What is stored of one or more stacks; fields as in `hbimg.volumes.content.VolumeContent`."""

    layout: Layout
    geometry: Geometry
    encoding: FrameEncoding
    plane_map: dict[str, Any]
    remarks: tuple[str, ...] = ()
    missing: Mapping[str, Any] | None = field(default=None)


def assembled(stacks: Sequence[Stack], names: Sequence[str]) -> Assembled | str:
    """Put stacks together that share files, or give the one; in a few words why not where they have no common grid."""
    whole = stacks[0] if len(stacks) == 1 else _joined(stacks)
    if whole is None:
        shapes = ", ".join(" x ".join(map(str, stack.geometry.shape)) for stack in stacks)
        return f"its files hold {len(stacks)} volumes on grids of their own ({shapes}; {', '.join(names)})"
    layout = layout_of(whole.planes)
    planes = [plane for _, plane in whole.planes]
    encoding, geometry, remark = _scaled(_encoding(planes), whole.geometry, planes)
    plane_map: dict[str, Any] = {"order": "running", "by": ["position", *whole.by], "tie_break": whole.tie_break}
    is_whole = len(planes) == math.prod(geometry.shape[2:])
    if not (is_whole and layout.is_running):
        plane_map |= {"order": "listed", "planes": list(layout.planes)}
    if len(stacks) > 1:
        plane_map["parts"] = _parts(stacks, names)
    if whole.uneven_mm:
        plane_map["positions_mm"] = list(whole.uneven_mm)
    volumes = _volumes(whole)
    if volumes:
        plane_map["volumes"] = volumes
    return Assembled(
        layout, geometry, encoding, plane_map, tuple(filter(None, (*whole.remarks, remark))), whole.missing
    )


def _joined(stacks: Sequence[Stack]) -> Stack | None:
    """Put the volumes of several stacks behind each other; None when they do not lie on one grid."""
    first = stacks[0].geometry
    if not all(_same_grid(first, stack.geometry) for stack in stacks):
        return None
    planes: list[tuple[int, DicomFacts]] = []
    start = 0
    for stack in stacks:
        planes += [(start + number, plane) for number, plane in stack.planes]
        start += math.prod(stack.geometry.shape[2:])
    geometry = replace(
        first, shape=(*first.shape[:3], start // first.shape[2]), axes=("i", "j", "k", "volume"), time_step_s=None
    )
    faults = [stack.missing for stack in stacks if stack.missing]
    return Stack(
        tuple(planes),
        geometry,
        tuple(dict.fromkeys(by for stack in stacks for by in stack.by)),
        any(stack.tie_break for stack in stacks),
        tuple(dict.fromkeys(remark for stack in stacks for remark in stack.remarks)),
        faults[0] if faults else None,
        stacks[0].uneven_mm,
    )


def _same_grid(one: Geometry, other: Geometry) -> bool:
    if one.shape[:3] != other.shape[:3] or one.dtype != other.dtype:
        return False
    far = (*(n - 1 for n in one.shape[:3]), 1.0)
    return all(
        abs(dot(a, corner) - dot(b, corner)) < _SAME_GRID_MM
        for corner in ((0.0, 0.0, 0.0, 1.0), far)
        for a, b in zip(one.affine[:3], other.affine[:3], strict=True)
    )


def _parts(stacks: Sequence[Stack], names: Sequence[str]) -> list[dict[str, Any]]:
    """Name the parts: the first of their planes, how many there are, and their own geometry."""
    found, start = [], 0
    for stack, name in zip(stacks, names, strict=True):
        planes = [plane for _, plane in stack.planes]
        _, geometry, _ = _scaled(_encoding(planes), stack.geometry, planes)
        count = math.prod(geometry.shape[2:])
        found.append({"name": name.strip("_"), "first_plane": start, "planes": count, "geometry": geometry.to_json()})
        start += count
    return found


def _volumes(stack: Stack) -> list[dict[str, Any]]:
    """Say what tells the volumes of a diffusion series apart: b-value in s/mm2 and gradient direction in LPS+."""
    depth = stack.geometry.shape[2]
    if len(stack.geometry.shape) < 4 or not any(plane.b_value for _, plane in stack.planes):
        return []
    first = {number // depth: plane for number, plane in reversed(stack.planes)}
    return [
        {"b_value": plane.b_value, "gradient": list(plane.gradient) if plane.gradient else None}
        for _, plane in sorted(first.items(), key=lambda item: item[0])
    ]


def _scaled(
    encoding: FrameEncoding, geometry: Geometry, planes: Sequence[DicomFacts]
) -> tuple[FrameEncoding, Geometry, str]:
    """Put slope and intercept with the geometry where there is one of each, else with the encoding, plane by plane."""
    rescales = {(plane.slope, plane.intercept) for plane in planes}
    if len(rescales) == 1:
        slope, intercept = rescales.pop()
        return encoding, replace(geometry, slope=slope, intercept=intercept), ""
    details = {
        **encoding.details,
        "rescale_slopes": [plane.slope for plane in planes],
        "rescale_intercepts": [plane.intercept for plane in planes],
    }
    words = "slope and intercept differ from plane to plane: they are kept with the encoding, for each plane"
    return replace(encoding, details=details), geometry, words


def _encoding(planes: Sequence[DicomFacts]) -> FrameEncoding:
    first = planes[0]
    details: dict[str, Any] = {
        "bits_allocated": first.bits_allocated,
        "bits_stored": first.bits_stored,
        "high_bit": first.high_bit,
        "pixel_representation": int(first.signed),
        "photometric_interpretation": first.photometric,
        "fragments": first.transfer_syntax in COMPRESSED,
        "acquisition_type": first.acquisition_type,
        "modality": first.modality,
    }
    if first.samples > 1:
        details["planar_configuration"] = first.planar_configuration
    if first.photometric == PALETTE:
        details["palette"] = first.palette
    if first.tiles:
        tiles = first.tiles
        details["mosaic"] = {"across": tiles.across, "down": tiles.down, "rising": tiles.is_rising}
    return FrameEncoding(
        dtype=sample_dtype(first),
        rows=first.rows or 0,
        columns=first.columns or 0,
        samples=3 if first.photometric == PALETTE else first.samples,
        planes=first.tiles.count if first.tiles else 1,
        transfer_syntax=first.transfer_syntax,
        details=details,
    )
