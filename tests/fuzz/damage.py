"""Damage to real files' bytes, the same for the same seed."""

from __future__ import annotations

import struct
from collections.abc import Callable
from random import Random

#: Numbers at which readers fail: borders of signed and unsigned fields, and sizes that lie.
_NUMBERS = (0, 1, 2, 7, 8, 127, 128, 255, 256, 32767, 32768, 65535, 65536, 2**31 - 1, 2**31, 2**32 - 2, 2**32 - 1)
#: Most of what a reader believes stands in the first bytes.
_HEADER_BYTES = 1500


def damaged(data: bytes, others: list[bytes], random: Random) -> bytes:
    """Give `data` with one to five faults; `others` are files from which pieces are taken."""
    bad = bytearray(data)
    for _ in range(random.choice((1, 1, 1, 2, 3, 5))):
        random.choice(_FAULTS)(bad, others, random)
    return bytes(bad)


def _place(bad: bytearray, random: Random) -> int:
    most = min(len(bad), _HEADER_BYTES) if random.random() < 0.7 else len(bad)
    return random.randrange(most) if most else 0


def _flip(bad: bytearray, _: list[bytes], random: Random) -> None:
    for _ in range(random.choice((1, 1, 4, 16))):
        if bad:
            bad[_place(bad, random)] ^= 1 << random.randrange(8)


def _number(bad: bytearray, _: list[bytes], random: Random) -> None:
    code = random.choice(("B", "<H", ">H", "<I", ">I", "<Q", ">Q", "<f", ">f"))
    value = random.choice(_NUMBERS)
    if code[-1] == "f":
        packed = struct.pack(code, random.choice((0.0, -1.0, 1e38, float("nan"), float("inf"), 1e-40)))
    else:
        packed = struct.pack(code, value % (1 << (8 * struct.calcsize(code))))
    at = _place(bad, random)
    bad[at : at + len(packed)] = packed


def _cut(bad: bytearray, _: list[bytes], random: Random) -> None:
    at = _place(bad, random)
    del bad[at : at + random.choice((1, 2, 4, 8, 100, 5000))]


def _end(bad: bytearray, _: list[bytes], random: Random) -> None:
    del bad[_place(bad, random) :]


def _double(bad: bytearray, _: list[bytes], random: Random) -> None:
    at = _place(bad, random)
    piece = bytes(bad[at : at + random.choice((2, 8, 64, 1024))])
    bad[at:at] = piece * random.choice((1, 2, 50))


def _noise(bad: bytearray, _: list[bytes], random: Random) -> None:
    at = _place(bad, random)
    bad[at:at] = random.randbytes(random.choice((1, 4, 32)))


def _blank(bad: bytearray, _: list[bytes], random: Random) -> None:
    at, length = _place(bad, random), random.choice((2, 16, 256))
    bad[at : at + length] = random.choice((b"\0", b"\xff", b"A")) * len(bad[at : at + length])


def _borrow(bad: bytearray, others: list[bytes], random: Random) -> None:
    other = random.choice(others)
    start = random.randrange(max(1, len(other)))
    piece = other[start : start + random.choice((8, 64, 512))]
    at = _place(bad, random)
    bad[at : at + len(piece)] = piece


_FAULTS: tuple[Callable[[bytearray, list[bytes], Random], None], ...] = (
    _flip,
    _number,
    _number,
    _number,
    _cut,
    _end,
    _double,
    _noise,
    _blank,
    _borrow,
)
