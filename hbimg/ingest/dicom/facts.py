"""What the reader knows of one DICOM file: read once, from the header only, ready to be sent between processes."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

from hbimg.errors import UnreadableFileError
from hbimg.ingest.dicom.deflated import unpacked
from hbimg.ingest.dicom.diffusion import b_value_of
from hbimg.ingest.dicom.elements import (
    DEFLATED,
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    MalformedError,
    NeedMoreError,
    Walk,
    Walker,
    looks_big_endian,
    looks_implicit,
    refuse_crowded,
)
from hbimg.ingest.dicom.inner import with_inner
from hbimg.ingest.dicom.mosaic import Tiles
from hbimg.ingest.dicom.palette import palette_of
from hbimg.ingest.dicom.pixels import check_no_pixels_due, locate_pixels
from hbimg.ingest.dicom.private_parts import private_part
from hbimg.ingest.dicom.recognise import is_dicom
from hbimg.ingest.dicom.tags import WANTED, Tag, Values, moment_of_datetime_s, moment_s
from hbimg.volumes.content import FrameRun

__all__ = ["DicomFacts", "examine", "is_dicom", "read_facts"]

#: Bytes read at first: the header of nearly every classic file; a longer one costs a second read, 16 times as long.
_FIRST_READ = 32 * 1024
_GROWTH = 16

PALETTE = "PALETTE COLOR"


@dataclass(frozen=True, slots=True, kw_only=True)
class DicomFacts:
    """The header of one DICOM file, as far as it decides on the file's place in a volume.

    Values that are absent or unreadable are None; texts that name something are empty.

    Attributes
    ----------
    path : Path
    size_bytes : int
    runs : tuple of FrameRun
        The file's frames, in its unpacked form where it is packed: native pixels as they are; of a compressed frame
        the span of its fragments *with* their item tags, after the offset table and before the sequence delimiter.
        Empty without pixels, and where frames cannot be cut out.
    packing : mapping or None
        As in `hbimg.volumes.content.SourceFile`: of a deflated or gzipped file.
    fault : str
        What is broken in the file, one line that names it; empty for a sound one.
    transfer_syntax : str
        As the file says; where it does not say, what the elements look like.
    little_endian : bool
        Byte order of native samples.
    position_mm : tuple of 3 floats or None
        ImagePositionPatient: the centre of the first voxel, in DICOM's LPS+.
    orientation : tuple of 6 floats or None
        ImageOrientationPatient: directions in LPS+ along a row, then along a column.
    pixel_spacing_mm : tuple of 2 floats or None
        Between rows, then between columns.
    trigger_time_ms, acquisition_s, content_s : float or None
        Times that order repeated planes; the latter two count from a fixed day when the file has a date.
    private_part : str
        Magnitude, phase, ... by the labels of BIDS, where a maker's private element says it.
    inner : tuple of mappings
        For a file that holds several planes, enhanced or a mosaic: the fields of each that are not the file's.
    why_no_inner : str
        Why the planes of a mosaic cannot be told.
    tiles : Tiles or None
        How the frames of a mosaic are tiled.
    frame, tile : int
        Of a plane: which frame of its file, and which tile of that it is.
    dimension : tuple of int or None
        Of an enhanced frame: its dimension index values except those of place, the slowest first.
    """

    path: Path
    size_bytes: int
    runs: tuple[FrameRun, ...] = ()
    packing: Mapping[str, Any] | None = None
    fault: str = ""
    has_pixels: bool = False
    float_bits: int = 0
    words: bool = False
    transfer_syntax: str = EXPLICIT_LITTLE
    little_endian: bool = True
    sop_class: str = ""
    sop_instance: str = ""
    series_uid: str = ""
    study_uid: str = ""
    modality: str = ""
    image_type: tuple[str, ...] = ()
    rows: int | None = None
    columns: int | None = None
    samples: int = 1
    bits_allocated: int | None = None
    bits_stored: int | None = None
    high_bit: int | None = None
    signed: bool = False
    photometric: str = ""
    planar_configuration: int = 0
    frames: int = 1
    position_mm: tuple[float, ...] | None = None
    orientation: tuple[float, ...] | None = None
    pixel_spacing_mm: tuple[float, ...] | None = None
    slice_thickness_mm: float | None = None
    slice_spacing_mm: float | None = None
    echo_time_ms: float | None = None
    echo_number: int | None = None
    repetition_time_ms: float | None = None
    scanning_sequence: tuple[str, ...] = ()
    acquisition_type: str = ""
    echo_planar: str = ""
    temporal_position: int | None = None
    temporal_positions: int | None = None
    trigger_time_ms: float | None = None
    acquisition_s: float | None = None
    content_s: float | None = None
    instance_number: int | None = None
    images_in_acquisition: int | None = None
    slope: float = 1.0
    intercept: float = 0.0
    series_number: int | None = None
    series_description: str = ""
    protocol_name: str = ""
    patient_id: str = ""
    study_date: str = ""
    study_id: str = ""
    manufacturer: str = ""
    private_part: str = ""
    inner: tuple[Mapping[str, Any], ...] = ()
    why_no_inner: str = ""
    tiles: Tiles | None = None
    frame: int = 0
    tile: int = 0
    dimension: tuple[int, ...] | None = None
    b_value: float | None = None
    gradient: tuple[float, ...] | None = None
    palette: Mapping[str, Any] | None = None

    @property
    def is_mosaic(self) -> bool:
        """Whether Siemens laid several planes beside each other in the one frame."""
        return "MOSAIC" in self.image_type

    @property
    def is_grid(self) -> bool:
        """Whether United Imaging laid several planes beside each other in the one frame."""
        return self.manufacturer.upper().startswith("UIH") and "VFRAME" in self.image_type

    @property
    def is_localizer(self) -> bool:
        """Whether the file itself says that it is a scout."""
        return "LOCALIZER" in self.image_type

    @property
    def run(self) -> FrameRun | None:
        """The one run of frames of a file that has one."""
        return self.runs[0] if len(self.runs) == 1 else None

    @property
    def file_name(self) -> str:
        """The last part of the path and which part of the file this is, for messages."""
        part = f" tile {self.tile + 1}" if self.tiles else f" frame {self.frame + 1}" if self.frames > 1 else ""
        return f"{self.path.name}{part}" if not self.inner else self.path.name

    def planes(self) -> list[DicomFacts]:
        """Give the planes in this file, itself when it is one."""
        if not self.inner:
            return [self]
        # What makers promise of images is of files or of planes, nobody knows which, when a file has several.
        unsaid = {"images_in_acquisition": None, "temporal_positions": None}
        return [replace(self, inner=(), **{**unsaid, **fields}) for fields in self.inner]


def read_facts(path: Path) -> DicomFacts:
    """Read the header of a DICOM file, opening it once and without reading native pixels.

    Raises
    ------
    UnreadableFileError
        If the file cannot be read, is no DICOM file, is cut short, or holds fewer pixels than it says.
    """
    facts = examine(path)
    if facts.fault:
        raise UnreadableFileError(facts.fault)
    return facts


def examine(path: Path, *, gzipped: bool = False) -> DicomFacts:
    """Read the header like `read_facts`, but give a broken file with its `fault` when its series is known.

    So the series can be refused: without its broken file, a series whose last plane was cut would look whole.

    Raises
    ------
    UnreadableFileError
        If the file cannot be read, is no DICOM file, or is broken before it says which series it belongs to.
    """
    try:
        with path.open("rb", buffering=0) as file:
            size = os.fstat(file.fileno()).st_size
            if not gzipped:
                return _read(path, file, size)
        stream, unpacked_bytes = unpacked(path)
        with stream:
            facts = _read(path, stream, unpacked_bytes)
        if facts.packing is not None:
            return replace(facts, size_bytes=size, runs=(), fault=f"{path} is a gzipped file of a deflated DICOM file")
        return replace(facts, size_bytes=size, packing={"kind": "gzip"})
    except OSError as error:
        if isinstance(error, UnreadableFileError):
            raise
        raise UnreadableFileError(f"{path} cannot be read: {error.strerror or error}") from error


@dataclass(frozen=True, slots=True)
class _Syntax:
    uid: str
    implicit: bool
    little: bool


def _read(path: Path, file: BinaryIO, size: int, *, is_inflated: bool = False) -> DicomFacts:
    data, limit = _read_up_to(file, 0, _FIRST_READ), _FIRST_READ
    if not is_dicom(data[:512]):
        raise UnreadableFileError(f"{path} is {'empty' if size == 0 else 'no DICOM file'}")
    syntax = _Syntax(EXPLICIT_LITTLE, implicit=False, little=True)
    while True:
        known: dict[int, bytes] = {}
        try:
            end, syntax = _meta(data, known)
            if syntax.uid == DEFLATED and not is_inflated:
                return _read_deflated(path, size, end)
            walker = Walker(data, little=syntax.little, implicit=syntax.implicit)
            walk = walker.walk(end, WANTED, into=known, end=size)
            refuse_crowded(data, walk, little=syntax.little)
            return _facts(path, size, walk, syntax, file)
        except NeedMoreError as need:
            if need.args[0] > size or len(data) >= size:
                words = (
                    f"{path} is cut short inside its header: it ends at byte {size:,}, an element reaches to byte"
                    f" {need.args[0]:,} or beyond; copy the file again"
                )
                return _described(path, size, Walk(known), syntax, words)
            limit = max(limit * _GROWTH, need.args[0])
            data += _read_up_to(file, len(data), limit - len(data))
        except MalformedError as error:
            return _described(path, size, Walk(known), syntax, f"{path} is a broken DICOM file: {error}")


def _read_deflated(path: Path, size: int, start: int) -> DicomFacts:
    stream, unpacked_bytes = unpacked(path, start)
    with stream:
        facts = _read(path, stream, unpacked_bytes, is_inflated=True)
    return replace(facts, size_bytes=size, packing={"kind": "deflate", "start": start, "kept": True})


def _read_up_to(file: BinaryIO, at: int, count: int) -> bytes:
    """Read `count` bytes at `at`, fewer only at the end of the file."""
    file.seek(at)
    parts, missing = [], count
    while missing > 0 and (part := file.read(missing)):
        parts.append(part)
        missing -= len(part)
    return b"".join(parts)


def _meta(data: bytes, into: dict[int, bytes]) -> tuple[int, _Syntax]:
    """Read the file meta information, if there is any, and tell where it ends and how what follows is written."""
    start = 132 if data[128:132] == b"DICM" else 0
    end = start
    if data[start : start + 2] == b"\x02\x00":
        implicit = looks_implicit(data, start)  # some writers forget that group 2 is explicit
        end = Walker(data, little=True, implicit=implicit).walk(start, WANTED, into=into, stop_group=3).end
    declared = into.get(Tag.TRANSFER_SYNTAX, b"").strip(b" \0").decode("ascii", "replace")
    if declared == DEFLATED:
        return end, _Syntax(declared, implicit=False, little=True)
    # The bytes have the last word: files whose elements are not written as the transfer syntax says are common.
    implicit = looks_implicit(data, end) if len(data) >= end + 6 else declared == IMPLICIT_LITTLE
    big = declared == EXPLICIT_BIG or (not declared and not implicit and looks_big_endian(data, end))
    seen = IMPLICIT_LITTLE if implicit else EXPLICIT_BIG if big else EXPLICIT_LITTLE
    return end, _Syntax(declared or seen, implicit=implicit, little=not big)


def _facts(path: Path, size: int, walk: Walk, syntax: _Syntax, file: BinaryIO) -> DicomFacts:
    """Make facts of raw values, with the fault of a file whose pixels are not all there."""
    values = Values(walk.values, little=syntax.little)
    runs: tuple[FrameRun, ...] = ()
    fault = ""
    try:
        if walk.pixels is None:
            sop_class = values.text(Tag.SOP_CLASS) or values.text(Tag.MEDIA_CLASS) or ""
            check_no_pixels_due(path, values, sop_class, size)
        else:
            runs = locate_pixels(path, walk.pixels, values, syntax.uid, file, size)
    except UnreadableFileError as error:
        fault = str(error)
    facts = _described(path, size, walk, syntax, fault)
    if fault:
        return facts
    if facts.photometric == PALETTE:
        facts = replace(facts, palette=palette_of(values, little=syntax.little, signed=facts.signed))
    return with_inner(replace(facts, runs=runs), values, implicit=syntax.implicit)


def _described(path: Path, size: int, walk: Walk, syntax: _Syntax, fault: str) -> DicomFacts:
    values, pixels = Values(walk.values, little=syntax.little), walk.pixels
    sop_class = values.text(Tag.SOP_CLASS) or values.text(Tag.MEDIA_CLASS) or ""
    if not values.text(Tag.SERIES_UID) and (fault or (not sop_class and pixels is None)):
        raise UnreadableFileError(
            fault or f"{path} is a broken DICOM file: it has no SOP class, no series and no pixels"
        )
    texts: dict[str, Any] = {field: values.text(tag) or "" for field, tag in _TEXTS.items()}
    return DicomFacts(
        path=path,
        size_bytes=size,
        fault=fault,
        has_pixels=pixels is not None,
        float_bits={0x7FE00008: 32, 0x7FE00009: 64}.get(pixels.tag, 0) if pixels else 0,
        words=pixels is not None and pixels.vr != "OB",
        transfer_syntax=syntax.uid,
        little_endian=syntax.little,
        sop_class=sop_class,
        rows=values.unsigned(Tag.ROWS),
        columns=values.unsigned(Tag.COLUMNS),
        samples=values.unsigned(Tag.SAMPLES) or 1,
        bits_allocated=values.unsigned(Tag.BITS_ALLOCATED),
        bits_stored=values.unsigned(Tag.BITS_STORED),
        high_bit=values.unsigned(Tag.HIGH_BIT),
        signed=values.unsigned(Tag.PIXEL_REPRESENTATION) == 1,
        photometric=values.text(Tag.PHOTOMETRIC) or "",
        planar_configuration=values.unsigned(Tag.PLANAR_CONFIGURATION) or 0,
        frames=values.integer(Tag.FRAMES) or 1,
        position_mm=values.floats(Tag.POSITION, 3),
        orientation=values.floats(Tag.ORIENTATION, 6),
        pixel_spacing_mm=values.floats(Tag.PIXEL_SPACING, 2),
        slice_thickness_mm=values.number(Tag.SLICE_THICKNESS),
        slice_spacing_mm=values.number(Tag.SLICE_SPACING),
        echo_time_ms=values.number(Tag.ECHO_TIME),
        echo_number=values.integer(Tag.ECHO_NUMBERS),
        repetition_time_ms=values.number(Tag.REPETITION_TIME),
        scanning_sequence=values.texts(Tag.SCANNING_SEQUENCE),
        temporal_position=values.integer(Tag.TEMPORAL_POSITION),
        temporal_positions=values.integer(Tag.TEMPORAL_POSITIONS),
        trigger_time_ms=values.number(Tag.TRIGGER_TIME),
        acquisition_s=_acquisition_s(values),
        content_s=moment_s(values.text(Tag.CONTENT_DATE), values.text(Tag.CONTENT_TIME)),
        instance_number=values.integer(Tag.INSTANCE_NUMBER),
        images_in_acquisition=values.integer(Tag.IMAGES_IN_ACQUISITION),
        slope=_number_or(values.number(Tag.SLOPE), 1.0),
        intercept=_number_or(values.number(Tag.INTERCEPT), 0.0),
        series_number=values.integer(Tag.SERIES_NUMBER),
        image_type=tuple(part.upper() for part in values.texts(Tag.IMAGE_TYPE)),
        private_part=private_part(values),
        b_value=b_value_of(values),
        **texts,
    )


_TEXTS: dict[str, Tag] = {
    "sop_instance": Tag.SOP_INSTANCE,
    "series_uid": Tag.SERIES_UID,
    "study_uid": Tag.STUDY_UID,
    "modality": Tag.MODALITY,
    "acquisition_type": Tag.ACQUISITION_TYPE,
    "echo_planar": Tag.ECHO_PLANAR,
    "series_description": Tag.SERIES_DESCRIPTION,
    "protocol_name": Tag.PROTOCOL_NAME,
    "patient_id": Tag.PATIENT_ID,
    "study_date": Tag.STUDY_DATE,
    "study_id": Tag.STUDY_ID,
    "manufacturer": Tag.MANUFACTURER,
}


def _number_or(number: float | None, default: float) -> float:
    return default if number is None else number


def _acquisition_s(values: Values) -> float | None:
    """Give the acquisition's moment: from the date-time, else from date and time."""
    moment = moment_of_datetime_s(values.text(Tag.ACQUISITION_DATETIME))
    if moment is not None:
        return moment
    return moment_s(values.text(Tag.ACQUISITION_DATE), values.text(Tag.ACQUISITION_TIME))
