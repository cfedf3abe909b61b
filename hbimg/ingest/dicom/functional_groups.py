"""Enhanced multi-frame files: what each frame's functional groups say of its place (PS3.3, C.7.6.16).

The standard's macros are sequences of one item, in the shared groups or in each frame's own, which win. Only the known
ones are opened: some makers keep a second, different position in private sequences beside them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from hbimg.ingest.dicom.elements import MalformedError, NeedMoreError, Walker, looks_implicit
from hbimg.ingest.dicom.tags import Tag, Values, moment_of_datetime_s

#: Macros that are opened: position, orientation, measures, value transformation, frame content, and for MR, CT and PET
#: the frame type; for MR echo, timing, diffusion (with its direction), cardiac synchronisation and echo-planar.
_MACROS = frozenset(
    (
        *(0x00209113, 0x00209116, 0x00289110, 0x00289145, 0x00209111),
        *(0x00189226, 0x00189329, 0x00189751, 0x00189806, 0x00189504),
        *(0x00189114, 0x00189112, 0x00189117, 0x00189076, 0x00189118, 0x00189115),
    )
)
_LEAVES = frozenset(
    (
        *(Tag.POSITION, Tag.ORIENTATION, Tag.PIXEL_SPACING, Tag.SLICE_THICKNESS, Tag.SLICE_SPACING, Tag.SLOPE),
        *(Tag.INTERCEPT, Tag.FRAME_TYPE, Tag.COMPLEX_COMPONENT, Tag.EFFECTIVE_ECHO_TIME, Tag.REPETITION_TIME),
        *(Tag.B_VALUE, Tag.GRADIENT_DIRECTION, Tag.TRIGGER_DELAY, Tag.TEMPORAL_POSITION_INDEX, Tag.STACK),
        *(Tag.IN_STACK_POSITION, Tag.FRAME_ACQUISITION_DATETIME, Tag.FRAME_REFERENCE_DATETIME, Tag.DIMENSION_VALUES),
    )
)
_WANTED = _MACROS | _LEAVES

#: Dimensions that say where a plane lies; the others tell the volumes of a file apart.
_OF_PLACE = frozenset((Tag.STACK, Tag.IN_STACK_POSITION, Tag.POSITION))


def frames_of(values: Values, *, little: bool, implicit: bool) -> tuple[dict[str, Any], ...]:
    """Give for each frame of an enhanced file the fields of its plane, by their names in `DicomFacts`.

    Raises
    ------
    MalformedError
        If the functional groups are no sequences of elements.
    """
    shared: dict[int, bytes] = {}
    for item in _items(values.raw(Tag.SHARED_GROUPS), little=little, implicit=implicit):
        _collect(item, shared, little=little, implicit=implicit)
    of_volume = _volume_dimensions(values, little=little, implicit=implicit)
    found = []
    for number, item in enumerate(_items(values.raw(Tag.FRAME_GROUPS), little=little, implicit=implicit)):
        own = dict(shared)
        _collect(item, own, little=little, implicit=implicit)
        found.append({"frame": number, **_fields(Values(own, little=little), of_volume)})
    return tuple(found)


def _items(data: bytes, *, little: bool, implicit: bool) -> Iterator[bytes]:
    return Walker(data, little=little, implicit=implicit).items()


def _collect(item: bytes, into: dict[int, bytes], *, little: bool, implicit: bool, depth: int = 0) -> None:
    """Gather the values of an item and of the macros in it."""
    # Sequences of unknown VR are written implicitly (PS3.5, 6.2.2).
    implicit = implicit or (little and len(item) >= 8 and looks_implicit(item, 0))
    found: dict[int, bytes] = {}
    try:
        Walker(item, little=little, implicit=implicit).walk(0, _WANTED, into=found)
    except NeedMoreError as need:
        raise MalformedError("an element of a functional group reaches beyond it") from need
    for tag, value in found.items():
        if tag not in _MACROS:
            into[tag] = value
        elif depth < 2:
            for inner in _items(value, little=little, implicit=implicit):
                _collect(inner, into, little=little, implicit=implicit, depth=depth + 1)
                break


def _volume_dimensions(values: Values, *, little: bool, implicit: bool) -> tuple[int, ...]:
    """Give the places of the dimension index values that are none of place."""
    pointers = []
    for item in _items(values.raw(Tag.DIMENSIONS), little=little, implicit=implicit):
        found: dict[int, bytes] = {}
        try:
            Walker(item, little=little, implicit=implicit).walk(0, (Tag.DIMENSION_POINTER,), into=found)
        except NeedMoreError as need:
            raise MalformedError("an element of a dimension reaches beyond it") from need
        raw, order = found.get(Tag.DIMENSION_POINTER, b"").ljust(4, b"\0"), "little" if little else "big"
        pointers.append(_number(raw[:2], order) << 16 | _number(raw[2:4], order))
    return tuple(number for number, pointer in enumerate(pointers) if pointer not in _OF_PLACE)


def _number(raw: bytes, order: Any) -> int:
    return int.from_bytes(raw, order)


def _fields(values: Values, of_volume: tuple[int, ...]) -> Mapping[str, Any]:
    """Give what is known; what is not is left to the file's own elements."""
    moment = values.text(Tag.FRAME_ACQUISITION_DATETIME) or values.text(Tag.FRAME_REFERENCE_DATETIME)
    indices = values.unsigned_all(Tag.DIMENSION_VALUES)
    # The last dimension varies slowest, which is how makers number contrasts, and how dcm2niix orders them.
    dimension = tuple(indices[place] for place in reversed(of_volume) if place < len(indices))
    known = {
        "position_mm": values.floats(Tag.POSITION, 3),
        "orientation": values.floats(Tag.ORIENTATION, 6),
        "pixel_spacing_mm": values.floats(Tag.PIXEL_SPACING, 2),
        "slice_thickness_mm": values.number(Tag.SLICE_THICKNESS),
        "slice_spacing_mm": values.number(Tag.SLICE_SPACING),
        "slope": values.number(Tag.SLOPE),
        "intercept": values.number(Tag.INTERCEPT),
        "echo_time_ms": _one(values, Tag.EFFECTIVE_ECHO_TIME),
        "repetition_time_ms": values.number(Tag.REPETITION_TIME),
        "trigger_time_ms": _one(values, Tag.TRIGGER_DELAY),
        "temporal_position": values.unsigned(Tag.TEMPORAL_POSITION_INDEX),
        "acquisition_s": moment_of_datetime_s(moment),
        "b_value": _one(values, Tag.B_VALUE),
        "gradient": values.doubles(Tag.GRADIENT_DIRECTION, 3),
        "dimension": dimension or None,
        "image_type": _frame_type(values) or None,
    }
    return {name: value for name, value in known.items() if value is not None}


def _one(values: Values, tag: Tag) -> float | None:
    found = values.doubles(tag, 1)
    return found[0] if found else None


def _frame_type(values: Values) -> tuple[str, ...]:
    """Give the frame's type, and behind it whether it is magnitude, phase, real or imaginary."""
    kinds = tuple(part.upper() for part in values.texts(Tag.FRAME_TYPE))
    component = (values.text(Tag.COMPLEX_COMPONENT) or "").upper()
    return (*kinds, component) if kinds and component not in ("", "MIXED") else kinds
