"""Palettes: the colours that stored numbers stand for (PS3.3, C.7.6.3.1.5)."""

from __future__ import annotations

import base64
import struct
import zlib
from typing import Any

from hbimg.ingest.dicom.tags import Tag, Values

_DESCRIPTORS = (Tag.RED_DESCRIPTOR, Tag.GREEN_DESCRIPTOR, Tag.BLUE_DESCRIPTOR)
_TABLES = (Tag.RED_TABLE, Tag.GREEN_TABLE, Tag.BLUE_TABLE)


def palette_of(values: Values, *, little: bool, signed: bool) -> dict[str, Any] | None:
    """Give a palette, ready for JSON; None when there is none that is whole.

    Returns
    -------
    dict or None
        ``first``, the stored number of the first colour; ``colours``, how many; ``rgb``, base64 of zlib of their red,
        green and blue as bytes, colour by colour.
    """
    order = "<" if little else ">"
    channels: list[bytes] = []
    firsts: list[int] = []
    for descriptor, table in zip(_DESCRIPTORS, _TABLES, strict=True):
        raw = values.raw(descriptor)
        if len(raw) != 6:
            return None
        count, first, bits = struct.unpack(f"{order}H{'h' if signed else 'H'}H", raw)
        channel = _channel(values.raw(table), count or 65536, bits, order)
        if channel is None:
            return None
        channels.append(channel)
        firsts.append(first)
    if len({len(channel) for channel in channels}) != 1 or len(set(firsts)) != 1:
        return None
    rgb = bytes(value for colour in zip(*channels, strict=True) for value in colour)
    return {
        "first": firsts[0],
        "colours": len(channels[0]),
        "rgb": base64.b64encode(zlib.compress(rgb)).decode("ascii"),
    }


def _channel(table: bytes, count: int, bits: int, order: str) -> bytes | None:
    """Give one byte for each colour; the high one where two are kept."""
    if bits == 16 and len(table) >= 2 * count:
        words = struct.unpack_from(f"{order}{count}H", table)
        # Some writers say 16 bits and fill the low byte alone.
        shift = 8 if max(words) > 255 else 0
        return bytes(word >> shift for word in words)
    if bits == 8 and len(table) >= count:
        return table[:count]
    return None
