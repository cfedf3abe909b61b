"""Finds the bytes of a file's frames and checks that they are all there."""

from __future__ import annotations

import struct
from io import FileIO
from pathlib import Path

from hbimg.errors import UnreadableFileError
from hbimg.ingest.dicom.elements import ITEM, SEQUENCE_END, UNDEFINED, PixelElement
from hbimg.ingest.dicom.syntaxes import NATIVE
from hbimg.ingest.dicom.tags import Tag, Values
from hbimg.volumes.content import FrameRun


def locate_pixels(
    path: Path, pixels: PixelElement | None, values: Values, syntax: str, file: FileIO, size: int
) -> FrameRun | None:
    """Give the run of a file's frames, or None when it has none that can be cut out.

    Raises
    ------
    UnreadableFileError
        If the pixel data are cut short, or shorter than rows, columns and frames ask for.
    """
    if pixels is None:
        return None
    if pixels.length == UNDEFINED:
        return _fragments(path, pixels.offset, values, file, size)
    if pixels.offset + pixels.length > size:
        raise UnreadableFileError(
            f"{path} is cut short: its pixel data reach to byte {pixels.offset + pixels.length:,}, the file ends at"
            f" byte {size:,}; copy the file again"
        )
    return _native(path, pixels, values) if syntax in NATIVE else None


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


def _native(path: Path, pixels: PixelElement, values: Values) -> FrameRun | None:
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
        return None
    return FrameRun(pixels.offset, frame_bits // 8, count=frames, stride=frame_bits // 8)


def _fragments(path: Path, at: int, values: Values, file: FileIO, size: int) -> FrameRun | None:
    """Give the span of the fragments after the offset table, item tags and all; None for several frames."""
    begin, items = at, 0
    while True:
        file.seek(at)
        header = file.read(8)
        if len(header) < 8:
            raise UnreadableFileError(
                f"{path} is cut short: the file ends at byte {size:,} before the end mark of its compressed pixels;"
                " copy the file again"
            )
        # Items are little endian in every compressed transfer syntax (PS3.5, A.4).
        group, element, length = struct.unpack("<HHL", header)
        tag = group << 16 | element
        if tag == SEQUENCE_END:
            break
        if tag != ITEM or length == UNDEFINED:
            raise UnreadableFileError(f"{path} is a broken DICOM file: byte {at:,} should begin a fragment of pixels")
        at += 8 + length
        items += 1
        if items == 1:
            begin = at
    if items < 2:
        raise UnreadableFileError(f"{path} is a broken DICOM file: its compressed pixel data are empty")
    return FrameRun(begin, at - begin) if (values.integer(Tag.FRAMES) or 1) == 1 else None
