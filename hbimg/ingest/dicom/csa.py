"""Siemens' private CSA header, as far as mosaics need it.

The format is not published; this follows what nibabel's documentation and converters found out. A header is the mark
``SV10`` (absent in old ones), the number of tags, and for each tag its name, how many items it has, and the items as
texts. Anything odd ends the reading: what was read until there counts.
"""

from __future__ import annotations

import struct

_MARK = b"SV10"
_TAG = struct.Struct("<64s4x4x4xi4x")
_LENGTHS = struct.Struct("<4i")
_MOST_TAGS, _MOST_ITEMS = 1024, 4096


def numbers_of(header: bytes, wanted: frozenset[str]) -> dict[str, tuple[float, ...]]:
    """Give the numbers of the wanted tags; tags that are absent or hold none are left out."""
    found: dict[str, tuple[float, ...]] = {}
    is_new = header.startswith(_MARK)
    at = 16 if is_new else 8
    if len(header) < at:
        return found
    tags = struct.unpack_from("<I", header, at - 8)[0]
    try:
        for _ in range(min(tags, _MOST_TAGS)):
            raw_name, count = _TAG.unpack_from(header, at)
            at += _TAG.size
            texts = []
            for _ in range(min(count, _MOST_ITEMS)):
                lengths = _LENGTHS.unpack_from(header, at)
                length = lengths[1] if is_new else max(0, lengths[0] - tags)
                at += _LENGTHS.size
                texts.append(header[at : at + max(0, length)])
                at += -(-max(0, length) // 4) * 4
            name = raw_name.split(b"\0")[0].decode("latin-1")
            if name in wanted:
                found[name] = tuple(_numbers(texts))
    except struct.error:
        pass
    return {name: numbers for name, numbers in found.items() if numbers}


def _numbers(texts: list[bytes]) -> list[float]:
    numbers = []
    for text in texts:
        try:
            numbers.append(float(text.split(b"\0")[0]))
        except ValueError:
            continue
    return numbers
