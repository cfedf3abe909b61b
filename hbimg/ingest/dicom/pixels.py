"""Finds the bytes of a file's frames and checks that they are all there."""

from __future__ import annotations

import struct
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO

from hbimg.errors import UnreadableFileError
from hbimg.ingest.dicom.elements import ITEM, SEQUENCE_END, UNDEFINED, PixelElement
from hbimg.ingest.dicom.syntaxes import NATIVE
from hbimg.ingest.dicom.tags import Tag, Values
from hbimg.volumes.content import FrameRun

#: How the bytes of a frame begin in JPEG and JPEG-LS, and in JPEG 2000 and HTJ2K.
_STARTS = (b"\xff\xd8\xff", b"\xff\x4f\xff")


def locate_pixels(
    path: Path, pixels: PixelElement | None, values: Values, syntax: str, file: BinaryIO, size: int
) -> tuple[FrameRun, ...]:
    """Give the runs of a file's frames; none when it has no frames that can be cut out.

    Raises
    ------
    UnreadableFileError
        If the pixel data are cut short, or shorter than rows, columns and frames ask for.
    """
    if pixels is None:
        return ()
    if pixels.length == UNDEFINED:
        return _compressed(path, pixels.offset, values, file, size)
    if pixels.offset + pixels.length > size:
        raise UnreadableFileError(
            f"{path} is cut short: its pixel data reach to byte {pixels.offset + pixels.length:,}, the file ends at"
            f" byte {size:,}; copy the file again"
        )
    return _native(path, pixels, values) if syntax in NATIVE else ()


def check_no_pixels_due(path: Path, values: Values, sop_class: str, size: int) -> None:
    """Check a file without pixel data: it was cut if its header describes pixels, or its class is one of images.

    Raises
    ------
    UnreadableFileError
        If pixels are due.
    """
    from pydicom.config import IGNORE
    from pydicom.uid import UID

    class_name = UID(sop_class, IGNORE).name
    if values.unsigned(Tag.ROWS) and values.unsigned(Tag.BITS_ALLOCATED):
        due = "its header describes pixels"
    elif "Image Storage" in class_name:
        due = f"its class is {class_name}"
    else:
        return
    raise UnreadableFileError(
        f"{path} has no pixels, though {due}: the file ends at byte {size:,}; copy it again if it was cut"
    )


def _native(path: Path, pixels: PixelElement, values: Values) -> tuple[FrameRun, ...]:
    rows, columns = values.unsigned(Tag.ROWS), values.unsigned(Tag.COLUMNS)
    bits = {0x7FE00008: 32, 0x7FE00009: 64}.get(pixels.tag) or values.unsigned(Tag.BITS_ALLOCATED)
    if not rows or not columns or not bits:
        raise UnreadableFileError(f"{path} is a broken DICOM file: it has pixel data but no rows, columns or bits")
    frames = values.integer(Tag.FRAMES) or 1
    samples = values.unsigned(Tag.SAMPLES) or 1
    if values.text(Tag.PHOTOMETRIC) == "YBR_FULL_422":
        samples = 2  # two pixels share their colour: four bytes for two pixels
    frame_bits = rows * columns * samples * bits
    needed = -(-frame_bits * frames // 8)
    if frames < 1 or pixels.length < needed:
        raise UnreadableFileError(
            f"{path} holds fewer pixels than it says: {frames} x {rows} rows x {columns} columns x {samples} x {bits}"
            f" bits need {needed:,} bytes, its pixel data have {pixels.length:,}"
        )
    if frame_bits % 8:
        return ()
    return (FrameRun(pixels.offset, frame_bits // 8, count=frames, stride=frame_bits // 8),)


def _compressed(path: Path, at: int, values: Values, file: BinaryIO, size: int) -> tuple[FrameRun, ...]:
    """Give for each frame the span of its fragments, item tags and all.

    Frames begin where the extended or the basic offset table says; without a table each fragment is a frame when there
    are as many, else each that begins as a compressed image does. None when all of that fails.
    """
    items, end = _items(path, at, file, size)
    table, fragments = items[0], items[1:]
    frames = values.integer(Tag.FRAMES) or 1
    if not fragments:
        raise UnreadableFileError(f"{path} is a broken DICOM file: its compressed pixel data are empty")
    begin = fragments[0][0]
    if frames == 1:
        return (FrameRun(begin, end - begin),)
    places = [offset for offset, _ in fragments]
    starts = (
        _of_table(values.raw(Tag.EXTENDED_OFFSETS), "Q", begin, places, frames)
        or _of_table(_read(file, table[0] + 8, table[1]), "L", begin, places, frames)
        or (places if len(places) == frames else [])
        or [offset for offset in places if _read(file, offset + 8, 3) in _STARTS]
    )
    if len(starts) != frames or starts[0] != begin:
        return ()
    return tuple(FrameRun(a, b - a) for a, b in pairwise([*starts, end]))


def _of_table(raw: bytes, kind: str, begin: int, places: list[int], frames: int) -> list[int]:
    """Give where frames begin by an offset table; nothing when it has not one offset of a fragment for each frame."""
    width = struct.calcsize(f"<{kind}")
    if len(raw) // width != frames:
        return []
    starts = [begin + offset for offset in struct.unpack_from(f"<{frames}{kind}", raw)]
    return starts if set(starts) <= set(places) and sorted(set(starts)) == starts else []


def _items(path: Path, at: int, file: BinaryIO, size: int) -> tuple[list[tuple[int, int]], int]:
    """Give offset and length of the offset table and of each fragment, and where they end."""
    items: list[tuple[int, int]] = []
    while True:
        header = _read(file, at, 8)
        if len(header) < 8:
            raise UnreadableFileError(
                f"{path} is cut short: the file ends at byte {size:,} before the end mark of its compressed pixels;"
                " copy the file again"
            )
        # Items are little endian in every compressed transfer syntax (PS3.5, A.4).
        group, element, length = struct.unpack("<HHL", header)
        tag = group << 16 | element
        if tag == SEQUENCE_END and items:
            return items, at
        if tag != ITEM or length == UNDEFINED:
            raise UnreadableFileError(f"{path} is a broken DICOM file: byte {at:,} should begin a fragment of pixels")
        items.append((at, length))
        at += 8 + length


def _read(file: BinaryIO, at: int, count: int) -> bytes:
    file.seek(at)
    return file.read(count)
