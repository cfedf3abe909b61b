"""Which elements the reader looks at, and how their raw values become Python's: small, and never raising.

A value that cannot be read counts as absent. What depends on it then says that it is missing.
"""

from __future__ import annotations

import math
import re
import struct
import warnings
from collections.abc import Mapping
from datetime import date
from enum import IntEnum
from typing import Literal


class Tag(IntEnum):
    """The elements that decide on a file's place in a volume."""

    MEDIA_CLASS = 0x00020002
    TRANSFER_SYNTAX = 0x00020010
    CHARACTER_SET = 0x00080005
    IMAGE_TYPE = 0x00080008
    SOP_CLASS = 0x00080016
    SOP_INSTANCE = 0x00080018
    STUDY_DATE = 0x00080020
    ACQUISITION_DATE = 0x00080022
    CONTENT_DATE = 0x00080023
    ACQUISITION_DATETIME = 0x0008002A
    ACQUISITION_TIME = 0x00080032
    CONTENT_TIME = 0x00080033
    MODALITY = 0x00080060
    MANUFACTURER = 0x00080070
    SERIES_DESCRIPTION = 0x0008103E
    FRAME_TYPE = 0x00089007
    COMPLEX_COMPONENT = 0x00089208
    PATIENT_ID = 0x00100020
    SCANNING_SEQUENCE = 0x00180020
    ACQUISITION_TYPE = 0x00180023
    SLICE_THICKNESS = 0x00180050
    REPETITION_TIME = 0x00180080
    ECHO_TIME = 0x00180081
    ECHO_NUMBERS = 0x00180086
    SLICE_SPACING = 0x00180088
    PROTOCOL_NAME = 0x00181030
    TRIGGER_TIME = 0x00181060
    ECHO_PLANAR = 0x00189018
    FRAME_ACQUISITION_DATETIME = 0x00189074
    EFFECTIVE_ECHO_TIME = 0x00189082
    B_VALUE = 0x00189087
    GRADIENT_DIRECTION = 0x00189089
    FRAME_REFERENCE_DATETIME = 0x00189151
    SIEMENS_MOSAIC_IMAGES = 0x0019100A
    SIEMENS_B_VALUE = 0x0019100C
    GE_PULSE_SEQUENCE = 0x0019109C
    GE_INTERNAL_SEQUENCE = 0x0019109E
    STUDY_UID = 0x0020000D
    SERIES_UID = 0x0020000E
    STUDY_ID = 0x00200010
    SERIES_NUMBER = 0x00200011
    INSTANCE_NUMBER = 0x00200013
    POSITION = 0x00200032
    ORIENTATION = 0x00200037
    TEMPORAL_POSITION = 0x00200100
    TEMPORAL_POSITIONS = 0x00200105
    IMAGES_IN_ACQUISITION = 0x00201002
    STACK = 0x00209056
    IN_STACK_POSITION = 0x00209057
    TEMPORAL_POSITION_INDEX = 0x00209128
    TRIGGER_DELAY = 0x00209153
    DIMENSION_VALUES = 0x00209157
    DIMENSION_POINTER = 0x00209165
    DIMENSIONS = 0x00209222
    SAMPLES = 0x00280002
    PHOTOMETRIC = 0x00280004
    PLANAR_CONFIGURATION = 0x00280006
    FRAMES = 0x00280008
    ROWS = 0x00280010
    COLUMNS = 0x00280011
    PIXEL_SPACING = 0x00280030
    BITS_ALLOCATED = 0x00280100
    BITS_STORED = 0x00280101
    HIGH_BIT = 0x00280102
    PIXEL_REPRESENTATION = 0x00280103
    INTERCEPT = 0x00281052
    SLOPE = 0x00281053
    RED_DESCRIPTOR = 0x00281101
    GREEN_DESCRIPTOR = 0x00281102
    BLUE_DESCRIPTOR = 0x00281103
    RED_TABLE = 0x00281201
    GREEN_TABLE = 0x00281202
    BLUE_TABLE = 0x00281203
    SIEMENS_CSA_IMAGE = 0x00291010
    SIEMENS_CSA_SERIES = 0x00291020
    GE_IMAGE_KIND = 0x0043102F
    GE_COLLAPSE_FLAG = 0x00431030
    GE_B_VALUE = 0x00431039
    UIH_B_VALUE = 0x00651009
    UIH_GRID_IMAGES = 0x00651050
    UIH_GRID_FRAMES = 0x00651051
    PHILIPS_B_VALUE = 0x20011003
    SHARED_GROUPS = 0x52009229
    FRAME_GROUPS = 0x52009230
    EXTENDED_OFFSETS = 0x7FE00001


WANTED = frozenset(int(tag) for tag in Tag)

_DATE = re.compile(r"(\d{4})[.]?(\d{2})[.]?(\d{2})$")
_TIME = re.compile(r"(\d{2})(?::?(\d{2})(?::?(\d{2})([.]\d*)?)?)?$")
_DATETIME = re.compile(r"(\d{8})(\d{2}(?:\d{2}(?:\d{2}(?:[.]\d*)?)?)?)(?:[+-]\d{4})?$")
_SECONDS_PER_DAY = 86400.0


class Values:
    """Raw values of one file's elements, read as what they are."""

    def __init__(self, raw: Mapping[int, bytes], *, little: bool) -> None:
        self._raw = raw
        self._order: Literal["little", "big"] = "little" if little else "big"

    def text(self, tag: Tag) -> str | None:
        """Give a text without padding, in the file's character set; None when absent or blank."""
        raw = self._raw.get(tag, b"").strip(b" \0")
        if not raw:
            return None
        if raw.isascii():
            return raw.decode("ascii")
        return _in_character_set(raw, self._raw.get(Tag.CHARACTER_SET, b""))

    def texts(self, tag: Tag) -> tuple[str, ...]:
        """Give the parts of a text with several values."""
        text = self.text(tag)
        return tuple(part.strip() for part in text.split("\\")) if text else ()

    def floats(self, tag: Tag, count: int) -> tuple[float, ...] | None:
        """Give `count` finite decimals; None when there are not as many or one is no number."""
        parts = self.texts(tag)
        if len(parts) != count:
            return None
        try:
            numbers = tuple(float(part) for part in parts)
        except ValueError:
            return None
        return numbers if all(math.isfinite(number) for number in numbers) else None

    def number(self, tag: Tag) -> float | None:
        """Give the first decimal of a text."""
        parts = self.texts(tag)[:1]
        try:
            number = float(parts[0]) if parts else math.nan
        except ValueError:
            return None
        return number if math.isfinite(number) else None

    def integer(self, tag: Tag) -> int | None:
        """Give the whole number of a text."""
        number = self.number(tag)
        return int(number) if number is not None and number == int(number) else None

    def unsigned(self, tag: Tag) -> int | None:
        """Give a binary unsigned number of one to four bytes."""
        raw = self._raw.get(tag, b"")
        if not 1 <= len(raw) <= 4:
            return None
        return int.from_bytes(raw, self._order)

    def unsigned_all(self, tag: Tag) -> tuple[int, ...]:
        """Give all of the binary 32-bit unsigned numbers."""
        raw = self._raw.get(tag, b"")
        return struct.unpack(f"{'<' if self._order == 'little' else '>'}{len(raw) // 4}L", raw[: len(raw) // 4 * 4])

    def doubles(self, tag: Tag, count: int) -> tuple[float, ...] | None:
        """Give `count` finite binary doubles; None when there are not as many or one is no number."""
        raw = self._raw.get(tag, b"")
        if len(raw) != 8 * count:
            return None
        numbers = struct.unpack(f"{'<' if self._order == 'little' else '>'}{count}d", raw)
        return numbers if all(math.isfinite(number) for number in numbers) else None

    def single(self, tag: Tag) -> float | None:
        """Give a finite binary number of four bytes."""
        raw = self._raw.get(tag, b"")
        if len(raw) != 4:
            return None
        number = float(struct.unpack(f"{'<' if self._order == 'little' else '>'}f", raw)[0])
        return number if math.isfinite(number) else None

    def raw(self, tag: Tag) -> bytes:
        """Give the bytes of a value; for a sequence its items. Empty when absent."""
        return self._raw.get(tag, b"")


def _in_character_set(raw: bytes, character_set: bytes) -> str:
    """Decode a text that is not plain ASCII; what cannot be decoded is replaced."""
    from pydicom.charset import convert_encodings, decode_bytes

    names = [name.strip() for name in character_set.decode("ascii", "replace").strip(" \0").split("\\")]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a wrong character set spoils a name at most
        try:
            return decode_bytes(raw, convert_encodings(names), {0x5C}).strip()
        except (LookupError, ValueError):
            return raw.decode("latin-1").strip()


def seconds_of_time(text: str | None) -> float | None:
    """Give the seconds since midnight of a DICOM time (``HHMMSS.FFFFFF``, later parts may be absent)."""
    match = _TIME.match(text or "")
    if match is None:
        return None
    hours, minutes, seconds, fraction = match.groups()
    fine = float(fraction) if fraction and fraction != "." else 0.0
    return int(hours) * 3600.0 + int(minutes or 0) * 60.0 + int(seconds or 0) + fine


def moment_s(day: str | None, time: str | None) -> float | None:
    """Give a DICOM date and time in seconds from a fixed day; without a date, seconds of an unnamed day."""
    seconds = seconds_of_time(time)
    if seconds is None:
        return None
    match = _DATE.match(day or "")
    if match is None:
        return seconds
    try:
        return date(*(int(part) for part in match.groups())).toordinal() * _SECONDS_PER_DAY + seconds
    except ValueError:
        return seconds


def moment_of_datetime_s(text: str | None) -> float | None:
    """Give a DICOM date-time in seconds from a fixed day; None when it has no time of day."""
    match = _DATETIME.match(text or "")
    return moment_s(match.group(1), match.group(2)) if match else None
