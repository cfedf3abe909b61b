"""A pydoop program for test_locality.py: every map scans its split over the Thrift server of its own host."""

from __future__ import annotations

import io
import socket
import struct

import happybase
from pydoop.mapreduce import api, pipes


def read_vint(stream: io.BytesIO) -> int:
    """Hadoop's variable-length integer (WritableUtils.readVInt)."""
    first = struct.unpack("b", stream.read(1))[0]
    if first >= -112:
        return first
    negative = first < -120
    value = int.from_bytes(stream.read(-(first + (120 if negative else 112))), "big")
    return ~value if negative else value


def read_bytes(stream: io.BytesIO) -> bytes:
    return stream.read(read_vint(stream))


def parse_table_split(raw: bytes) -> tuple[str, bytes, bytes, str]:
    """Table, first row, row after the last and host of a serialized HBase TableSplit."""
    stream = io.BytesIO(raw)
    length = read_vint(stream)
    if length < 0:  # a version number stands before the length
        length = read_vint(stream)
    table = stream.read(length).decode()
    return table, read_bytes(stream), read_bytes(stream), read_bytes(stream).decode()


class Reader(api.RecordReader):
    def __init__(self, context):
        super().__init__(context)
        table, start, stop, host = parse_table_split(context.get_input_split(raw=True))
        own = socket.gethostname()
        context.increment_counter(context.get_counter("TEST", "OWN_HOST" if host == own else "OTHER_HOST"), 1)
        self.connection = happybase.Connection(own, 9190, timeout=60_000)
        self.rows = self.connection.table(table).scan(row_start=start or None, row_stop=stop or None)

    def next(self):
        return next(self.rows)

    def close(self):
        self.connection.close()

    def get_progress(self):
        return 0.5


class Mapper(api.Mapper):
    def map(self, context):
        context.increment_counter(context.get_counter("TEST", "ROWS"), 1)


def __main__():  # noqa: N807 - the name pydoop calls
    pipes.run_task(pipes.Factory(Mapper, record_reader_class=Reader), private_encoding=False)
