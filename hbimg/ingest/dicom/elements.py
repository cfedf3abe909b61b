"""Finds the top-level elements of a DICOM file up to its pixels, and where the pixel data lies, byte for byte.

pydicom reads values; this walk only jumps over them. It exists because ingest looks at the header of every file: it
takes a half (53 elements) to a quarter (341 elements) of pydicom's time, it tells a file that was cut inside its
header (pydicom gives what is left, silently), and no length in the file makes it ask for memory. A test compares it
with pydicom on every file that pydicom ships.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterator
from dataclasses import dataclass

#: Tags of pixel data: float, double, integer.
PIXEL_TAGS = (0x7FE00008, 0x7FE00009, 0x7FE00010)

IMPLICIT_LITTLE = "1.2.840.10008.1.2"
EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
EXPLICIT_BIG = "1.2.840.10008.1.2.2"
DEFLATED = "1.2.840.10008.1.2.1.99"

UNDEFINED = 0xFFFFFFFF
ITEM = 0xFFFEE000
ITEM_END = 0xFFFEE00D
SEQUENCE_END = 0xFFFEE0DD

#: Value representations whose length takes four bytes after two that are reserved (PS3.5, 7.1.2).
_LONG = frozenset((b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"))

#: Sequences in sequences that we follow; real files have fewer than ten, a hostile one could have a million.
_MAX_DEPTH = 64
#: Elements of a file outside of its sequences, and items of all its sequences, above which it is no image.
MAX_ELEMENTS, MAX_ITEMS = 100_000, 300_000


class NeedMoreError(Exception):
    """The buffer ends before the walk does; the position it needs is the first argument. Never leaves the reader."""


class MalformedError(Exception):
    """The bytes are no sequence of DICOM elements. Never leaves the reader."""


@dataclass(frozen=True, slots=True)
class PixelElement:
    """Pixel data: tag, VR (None when implicit), offset of its value in bytes, length or `UNDEFINED`."""

    tag: int
    vr: str | None
    offset: int
    length: int


@dataclass(slots=True)
class Walk:
    """What a walk found: values of the wanted tags, the pixel data, and where the walk ended."""

    values: dict[int, bytes]
    pixels: PixelElement | None = None
    end: int = 0
    elements: int = 0


class Walker:
    """Walks the elements in a buffer that holds the beginning of a file.

    Parameters
    ----------
    data : bytes
    little : bool
        Byte order.
    implicit : bool
        Whether elements have no VR.
    """

    def __init__(self, data: bytes, *, little: bool, implicit: bool) -> None:
        order = "<" if little else ">"
        self._data = data
        self._short = struct.Struct(f"{order}HH2sH").unpack_from
        self._long = struct.Struct(f"{order}L").unpack_from
        self._implicit_header = struct.Struct(f"{order}HHL").unpack_from
        self._implicit = implicit
        self._little = little

    def header_at(self, at: int) -> tuple[int, bytes | None, int, int]:
        """Read an element's tag, VR, value offset and length at `at`."""
        data = self._data
        if at + 8 > len(data):
            raise NeedMoreError(at + 8)
        if self._implicit:
            group, element, length = self._implicit_header(data, at)
            return group << 16 | element, None, at + 8, length
        group, element, vr, length = self._short(data, at)
        tag = group << 16 | element
        if vr in _LONG:
            if at + 12 > len(data):
                raise NeedMoreError(at + 12)
            return tag, vr, at + 12, self._long(data, at + 8)[0]
        if group == 0xFFFE or not b"AA" <= vr <= b"ZZ":
            # Items have no VR, and some writers slip implicit elements into explicit files.
            return tag, None, at + 8, self._long(data, at + 4)[0]
        return tag, vr, at + 8, length

    def walk(
        self, start: int, wanted: Collection[int], *, into: dict[int, bytes], stop_group: int = 0xFFFF, end: int = 0
    ) -> Walk:
        """Walk from `start` to the pixel data, the end of the buffer, or the first tag of `stop_group` or above.

        Values of the wanted tags go `into` a mapping, which has them also when the walk fails; a sequence's value is
        its items. `end` is the size of the file where the buffer may be shorter.

        Raises
        ------
        NeedMoreError
            If an element reaches beyond the buffer.
        MalformedError
            If what stands there are no elements.
        """
        found = Walk(into, end=start)
        at, size, header = start, len(self._data), self.header_at
        while at < size:
            tag, vr, value, length = header(at)
            if tag >> 16 >= stop_group:
                break
            if tag in PIXEL_TAGS:
                found.pixels = PixelElement(tag, vr.decode("latin-1") if vr else None, value, length)
                break
            if length == UNDEFINED:
                at = self._skip_items(value, vr, 0)
            else:
                at = value + length
                if at > size:
                    raise NeedMoreError(at)
            if tag in wanted:
                found.values[tag] = self._data[value:at]
            found.elements += 1
        found.end = at
        if found.pixels is None and at == size < end:
            raise NeedMoreError(size + 1)
        return found

    def items(self) -> Iterator[bytes]:
        """Give the content of each item when the buffer is the value of a sequence.

        Raises
        ------
        MalformedError
            If it is none.
        """
        at, data = 0, self._data
        try:
            while at < len(data):
                tag, _, value, length = self.header_at(at)
                if tag == SEQUENCE_END:
                    return
                if tag != ITEM:
                    raise MalformedError(f"byte {at} of a sequence should begin an item")
                at = self.skip_item(value, 0) if length == UNDEFINED else value + length
                if at > len(data):
                    raise MalformedError("an item is longer than its sequence")
                yield data[value : at - 8 if length == UNDEFINED else at]
        except NeedMoreError as need:
            raise MalformedError("an item reaches beyond its sequence") from need

    def _skip_items(self, at: int, vr: bytes | None, depth: int) -> int:
        """Give the offset behind a sequence of undefined length whose first item is at `at`."""
        if depth > _MAX_DEPTH:
            raise MalformedError(f"sequences lie more than {_MAX_DEPTH} deep")
        # The content of an unknown element of undefined length is implicit little endian (PS3.5, 6.2.2).
        inner = Walker(self._data, little=True, implicit=True) if vr == b"UN" else self
        while True:
            tag, _, value, length = inner.header_at(at)
            if tag == SEQUENCE_END:
                return value
            if tag != ITEM:
                raise MalformedError(f"byte {at} should begin an item of a sequence")
            at = inner.skip_item(value, depth) if length == UNDEFINED else value + length

    def skip_item(self, at: int, depth: int) -> int:
        """Give the offset behind an item of undefined length whose first element is at `at`."""
        while True:
            tag, vr, value, length = self.header_at(at)
            if tag == ITEM_END:
                return value
            at = self._skip_items(value, vr, depth + 1) if length == UNDEFINED else value + length


def refuse_crowded(data: bytes, walk: Walk, *, little: bool) -> None:
    """Refuse a header with more elements, or items in its sequences, than an image has; MalformedError.

    Each costs a microsecond here, but thirty and a kilobyte where the header is read as a whole. An enhanced file of
    10,000 frames has about 100,000 items.
    """
    if walk.elements > MAX_ELEMENTS:
        raise MalformedError(f"its header has {walk.elements:,} elements; no image has over {MAX_ELEMENTS:,}")
    items = data.count(b"\xfe\xff\x00\xe0" if little else b"\xff\xfe\xe0\x00", 0, walk.end)
    if items > MAX_ITEMS:
        raise MalformedError(f"its header has {items:,} items in sequences; no image has over {MAX_ITEMS:,}")


def looks_implicit(data: bytes, at: int) -> bool:
    """Tell whether the element at `at` has no VR: two capitals stand where a length below 16 KiB never has them."""
    vr = data[at + 4 : at + 6]
    return not (len(vr) == 2 and all(0x40 < byte < 0x5B for byte in vr))


def looks_big_endian(data: bytes, at: int) -> bool:
    """Tell whether the first group, 0x0008 or so, was written with its high byte first."""
    return len(data) >= at + 2 and data[at] == 0 and 0 < data[at + 1] < 0x40
