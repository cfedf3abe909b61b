"""Key ranges as HBase's MultiTableInputFormat takes them, and its splits as tasks get them.

A range travels as a Scan: a protobuf message (ClientProtos.Scan of HBase), written here by hand, since it takes five
fields of it. A split comes back as a TableSplit, a Hadoop Writable.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from io import BytesIO

from hbimg.rowkeys import KeyRange

#: Field numbers of ClientProtos.Scan, NameBytesPair and Column.
_COLUMN, _ATTRIBUTE, _START, _STOP = 1, 2, 3, 4
_NAME, _VALUE, _FAMILY = 1, 2, 1
_BYTES = 2  # protobuf's wire type of byte strings
#: Hadoop's variable-length integers: the first byte is the value itself, or says how many bytes follow.
_LEAST_SINGLE, _LEAST_POSITIVE = -112, -120


@dataclass(frozen=True, slots=True)
class TableSplit:
    """What a map task is told: a range of a table, and the host of its region."""

    table: str
    range: KeyRange
    host: str


def scans_property(table: str, ranges: Iterable[KeyRange]) -> str:
    """Give the value of ``hbase.mapreduce.scans``: one Scan for each range of a table, named as in HBase."""
    return ",".join(base64.b64encode(_scan(table.encode(), key_range)).decode() for key_range in ranges)


def _scan(table: bytes, key_range: KeyRange) -> bytes:
    attribute = _field(_NAME, b"scan.attributes.table.name") + _field(_VALUE, table)
    # Only the family of the records: the range is all that counts, the task reads by itself.
    column = _field(_FAMILY, b"m")
    message = _field(_COLUMN, column) + _field(_ATTRIBUTE, attribute) + _field(_START, key_range.start)
    return message + (_field(_STOP, key_range.stop) if key_range.stop else b"")


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | _BYTES) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def parse_table_split(raw: bytes) -> TableSplit:
    """Read a serialized TableSplit: version, table, first row, row behind the last, host, and more that is left."""
    stream = BytesIO(raw)
    length = _read_vint(stream)
    if length < 0:  # a version number stands before the length
        length = _read_vint(stream)
    table = stream.read(length).decode()
    start, stop, host = (stream.read(_read_vint(stream)) for _ in range(3))
    return TableSplit(table, KeyRange(start, stop), host.decode())


def _read_vint(stream: BytesIO) -> int:
    """Read Hadoop's variable-length integer (WritableUtils.readVInt)."""
    first: int = struct.unpack("b", stream.read(1))[0]
    if first >= _LEAST_SINGLE:
        return first
    negative = first < _LEAST_POSITIVE
    count = (_LEAST_POSITIVE if negative else _LEAST_SINGLE) - first
    value = int.from_bytes(stream.read(count), "big")
    return ~value if negative else value
