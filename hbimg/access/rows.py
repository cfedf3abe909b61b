"""Single rows of a volume: some of its frames, what is stored of one file, and the bytes of a file beside the frames.

`hbimg.volumes.VolumeReader` reads whole volumes in order; here as little as possible is read, in any order. Every cell
is checked by its checksum.
"""

from __future__ import annotations

from collections.abc import Iterator

from hbimg.errors import VolumeChangedError
from hbimg.rowkeys import KeyRange
from hbimg.rowkeys.scheme import MAX_FILE_PARTS
from hbimg.store import Row
from hbimg.store.cells import unseal
from hbimg.volumes import StoredFile, VolumeReader, VolumeRecord, VolumeTable
from hbimg.volumes.writer import FILE_FACTS

#: Up to this many files their facts are fetched one by one, which leaves alone what else is stored of large ones.
_FEW_FILES = 4


def frames_between(volumes: VolumeTable, record: VolumeRecord, first: int, end: int) -> Iterator[bytes]:
    """Give the bytes of the frames first, ..., end - 1.

    Raises
    ------
    VolumeChangedError
        If one is missing: the volume was replaced or removed.
    """
    row_of, expected = volumes.scheme.frame, first
    key_range = KeyRange(
        row_of(record.key, record.generation, first), row_of(record.key, record.generation, end - 1) + b"\0"
    )
    for row in volumes.table.scan(key_range, ["i"]):
        if row.key != row_of(record.key, record.generation, expected):
            break
        expected += 1
        yield _joined(row)
    if expected != end:
        raise VolumeChangedError(f"{record.key}: frame {expected} is gone: the volume was replaced, so open it again")


def stored_files(volumes: VolumeTable, record: VolumeRecord) -> list[StoredFile]:
    """Give what is stored of each source file, in order."""
    reader = VolumeReader(volumes, record)
    if record.files > _FEW_FILES:
        return list(reader.files())
    return [_facts(volumes, record, number) for number in range(record.files)]


def _facts(volumes: VolumeTable, record: VolumeRecord, number: int) -> StoredFile:
    from hbimg.volumes.reader import stored_file

    name = volumes.scheme.file(record.key, record.generation, number, 0)
    cells = volumes.table.get(name)
    if FILE_FACTS not in cells:
        raise VolumeChangedError(f"{record.key}: file {number} is gone: the volume was replaced, so open it again")
    return stored_file(number, Row(name, {FILE_FACTS: cells[FILE_FACTS]}))


def literals_of(volumes: VolumeTable, record: VolumeRecord, file: StoredFile) -> bytes:
    """Give the bytes of an unpacked file that are not in frames; a packed stream that is kept too is not read."""
    row_of = volumes.scheme.file
    first = row_of(record.key, record.generation, file.number, 0)
    key_range = KeyRange(first, row_of(record.key, record.generation, file.number, MAX_FILE_PARTS - 1) + b"\0")
    found = bytearray()
    for row in volumes.table.scan(key_range, ["h"]):
        for column, cell in row.cells.items():
            if column != FILE_FACTS and len(found) < file.literal_bytes:
                found += unseal(row.key, column, cell)
        if len(found) >= file.literal_bytes:
            break
    if len(found) < file.literal_bytes:
        raise VolumeChangedError(
            f"{record.key}: a part of {file.name} is gone: the volume was replaced, so open it again"
        )
    return bytes(found[: file.literal_bytes])


def _joined(row: Row) -> bytes:
    chunks = [unseal(row.key, column, cell) for column, cell in row.cells.items() if column != FILE_FACTS]
    return bytes(chunks[0]) if len(chunks) == 1 else b"".join(chunks)
