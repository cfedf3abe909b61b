"""Tells a DICOM file by its first bytes, never by its name."""

from __future__ import annotations

import struct

from hbimg.ingest.dicom.elements import looks_implicit

#: The longest first element that a file without preamble may begin with; they are dates, UIDs and character sets.
_MAX_FIRST_LENGTH = 256

_KNOWN_VRS = frozenset(
    b"AE AS AT CS DA DS DT FD FL IS LO LT OB OD OF OL OV OW PN SH SL SQ SS ST SV TM UC UI UL UN UR US UT UV".split()
)


def is_dicom(head: bytes) -> bool:
    """Tell whether `head`, the first 512 bytes of a file, begins a DICOM file.

    It does with ``DICM`` after a preamble, or with two elements of the groups 0x0002 or 0x0008 in ascending order, in
    any of DICOM's ways of writing elements: files without preamble are common in old archives.
    """
    if head[128:132] == b"DICM":
        return True
    return _begins_with_elements(head, little=True) or _begins_with_elements(head, little=False)


def _begins_with_elements(head: bytes, *, little: bool) -> bool:
    order = "<" if little else ">"
    if len(head) < 16:
        return False
    group, element = struct.unpack_from(f"{order}HH", head)
    if group not in {0x0002, 0x0008}:
        return False
    length, value = _length(head, order)
    if length is None or length > _MAX_FIRST_LENGTH or length % 2 or value + length + 4 > len(head):
        return False
    next_group, next_element = struct.unpack_from(f"{order}HH", head, value + length)
    return group <= next_group <= 0x0020 and (next_group, next_element) > (group, element)


def _length(head: bytes, order: str) -> tuple[int | None, int]:
    """Give length and offset of the first element's value; no length when its VR is unknown."""
    if looks_implicit(head, 0):
        return struct.unpack_from(f"{order}L", head, 4)[0], 8
    vr = head[4:6]
    if vr not in _KNOWN_VRS:
        return None, 8
    if vr in {b"OB", b"UN", b"SQ", b"UT"}:
        return struct.unpack_from(f"{order}L", head, 8)[0], 12
    return struct.unpack_from(f"{order}H", head, 6)[0], 8
