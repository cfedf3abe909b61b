"""Read what a volume's rows hold: frames, and the original files.

Frames come in order and complete, or an error is raised: a row that is missing means that the volume was replaced or
removed meanwhile, or that the table is damaged.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from hbimg.errors import CellTooLargeError, CorruptCellError, HbimgError, VolumeChangedError, VolumeNotFoundError
from hbimg.store import Row
from hbimg.store.cells import SEAL_BYTES, check_seal, unseal
from hbimg.volumes.content import FrameRun
from hbimg.volumes.packing import pack_again
from hbimg.volumes.record import VolumeRecord
from hbimg.volumes.table import VolumeTable
from hbimg.volumes.writer import FILE_FACTS

if TYPE_CHECKING:  # who wants bytes only shall not wait for numpy
    import numpy as np
    import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class StoredFile:
    """What is stored of one source file; fields as in `hbimg.volumes.content.SourceFile`.

    Attributes
    ----------
    number : int
        Its place among the volume's files.
    literal_bytes, stream_bytes, unpacked_bytes : int
        Bytes beside the frames; of the kept packed stream, 0 when it is packed again; of the whole file unpacked.
    """

    number: int
    name: str
    size_bytes: int
    sha256: str
    runs: tuple[FrameRun, ...]
    packing: dict[str, Any] | None
    facts: dict[str, Any]
    literal_bytes: int
    stream_bytes: int
    unpacked_bytes: int

    @property
    def is_attached(self) -> bool:
        """Whether it lies beside the image and came in with it: a sidecar, gradients, events."""
        return bool(self.facts.get("attached"))

    @property
    def frames(self) -> int:
        """Number of frames in the file."""
        return sum(run.count for run in self.runs)


class VolumeReader:
    """Reads one generation of one volume."""

    def __init__(self, volumes: VolumeTable, record: VolumeRecord) -> None:
        self._volumes = volumes
        self.record = record

    def frames(self) -> Iterator[memoryview]:
        """Give the bytes of each frame in order; a view is valid until the iterator goes on.

        Raises
        ------
        CorruptCellError
            If a cell's checksum is wrong.
        VolumeChangedError
            If frames are missing.
        """
        record = self.record
        key_range = self._volumes.scheme.frames_range(record.key, record.generation)
        expected = 0
        for row in self._volumes.table.scan(key_range, ["i"]):
            if int(row.key[-6:]) != expected:
                raise self._gone("frame", expected)
            expected += 1
            chunks = [unseal(row.key, column, cell) for column, cell in row.cells.items()]
            if not _are_counted(row.cells):
                raise self._gone("a chunk of frame", expected - 1)
            yield chunks[0] if len(chunks) == 1 else memoryview(b"".join(chunks))
        if expected != record.frames:
            raise self._gone("frame", expected)

    def frame_bytes(self) -> npt.NDArray[np.uint8]:
        """Give the bytes of all frames, one behind the other: an array of shape (frame_bytes,), dtype uint8."""
        import numpy as np

        record = self.record
        out = np.empty(record.frame_bytes + SEAL_BYTES, np.uint8)  # every payload is received with its seal behind it
        key_range = self._volumes.scheme.frames_range(record.key, record.generation)
        expected = size_bytes = 0
        try:
            for row in self._volumes.table.receive(key_range, "i", out.data, SEAL_BYTES):
                if int(row.key[-6:]) != expected:
                    raise self._gone("frame", expected)
                if not _are_counted(row.cells):
                    raise self._gone("a chunk of frame", expected)
                for column, (payload, found) in row.cells.items():
                    check_seal(row.key, column, payload, found)
                    size_bytes += len(payload)
                expected += 1
        except CellTooLargeError as error:
            raise CorruptCellError(f"{record.key}: it has more bytes than its record says: {error}") from error
        if expected != record.frames:
            raise self._gone("frame", expected)
        if size_bytes != record.frame_bytes:
            raise CorruptCellError(f"{record.key}: its frames have {size_bytes:,} bytes of {record.frame_bytes:,}")
        return out[:-SEAL_BYTES]

    def read_ahead(self) -> bool:
        """Bring all rows near, unverified, and tell whether reading them soon will not wait; False: nothing was done.

        See `hbimg.store.Table.read_ahead`.
        """
        scheme, key, generation = self._volumes.scheme, self.record.key, self.record.generation
        table = self._volumes.table
        return table.read_ahead(scheme.files_range(key, generation), ["h"]) and table.read_ahead(
            scheme.frames_range(key, generation), ["i"]
        )

    def files(self) -> Iterator[StoredFile]:
        """Give what is stored of each source file, in order, without frames."""
        for number, (stored, _) in enumerate(self._file_blobs()):
            assert stored.number == number
            yield stored

    def originals(self, *, digest: bool = True) -> Iterator[tuple[StoredFile, Iterator[bytes]]]:
        """Give each source file and its bytes as it lay on the disk.

        The pieces of a file must be taken before the next file is asked for. The bytes are checked against the
        file's SHA-256 when they end; CorruptCellError if they differ. Without `digest` that is left out, save for
        files that are packed again: every cell has been checked by its own checksum.
        """
        frames = _Frames(self.frames(), copy=True)
        for stored, blob in self._file_blobs():
            pieces = _original(stored, blob, frames)
            is_cells = stored.packing is None or bool(stored.packing.get("kept"))
            yield stored, pieces if is_cells and not digest else _verified(stored, pieces)

    def unpacked(self, *, copy: bool = True) -> Iterator[tuple[StoredFile, Iterator[bytes | memoryview]]]:
        """Give each source file and its bytes unpacked: a ``.nii.gz`` as the NIfTI file in it.

        Without `copy` frames are views, valid until the next piece is taken.
        """
        frames = _Frames(self.frames(), copy=copy)
        for stored, blob in self._file_blobs():
            yield stored, _interleaved(stored, blob, frames)

    def _file_blobs(self) -> Iterator[tuple[StoredFile, Iterator[bytes]]]:
        record = self.record
        key_range = self._volumes.scheme.files_range(record.key, record.generation)
        rows = self._volumes.table.scan(key_range, ["h"])
        row = next(rows, None)
        for number in range(record.files):
            if row is None or int(row.key[-12:-6]) != number:
                raise self._gone("file", number)
            stored = stored_file(number, row)
            blob = _Blob(row, rows, partial(self._gone, "a part of file", number))
            yield stored, iter(blob)
            row = blob.next_file()
        if row is not None:
            raise self._gone("file", record.files)

    def _gone(self, what: str, number: int) -> VolumeChangedError | CorruptCellError:
        try:
            now = self._volumes.record(self.record.key).generation
        except VolumeNotFoundError:
            now = ""
        if now == self.record.generation:
            table = self._volumes.name
            return CorruptCellError(
                f"{self.record.key}: {what} {number} is missing from table {table!r}: ingest it again with --replace"
            )
        return VolumeChangedError(f"{self.record.key} was replaced or removed while it was read: run again")


class _Blob:
    """The bytes of one file's parts, read as the scan goes on."""

    def __init__(self, first: Row, rows: Iterator[Row], gone: Callable[[], HbimgError]) -> None:
        self._first = first
        self._gone = gone
        self._rows = rows
        self._next: Row | None = None
        self._wanted = True
        self._pieces = self._read()

    def __iter__(self) -> Iterator[bytes]:
        return self._pieces

    def next_file(self) -> Row | None:
        """Give the first row of the file behind this one; what nobody took (a kept stream) is passed over unread."""
        self._wanted = False
        for _ in self._pieces:
            pass
        return self._next

    def _read(self) -> Iterator[bytes]:
        row: Row | None = self._first
        name, part = self._first.key[:-5], 0
        while row is not None and row.key[:-5] == name:
            if int(row.key[-5:]) != part or not _are_counted(row.cells):
                raise self._gone()
            if self._wanted:
                # Copied before the scan goes on: the caller may hold a piece for longer.
                yield from [
                    bytes(unseal(row.key, column, cell)) for column, cell in row.cells.items() if column != FILE_FACTS
                ]
            row = next(self._rows, None)
            part += 1
        self._next = row


def _are_counted(columns: Collection[bytes]) -> bool:
    """Whether a row has all of its chunks up to the last one."""
    chunks = [column for column in columns if column != FILE_FACTS]
    return not chunks or int(chunks[-1].partition(b":")[2]) == len(chunks) - 1


def stored_file(number: int, row: Row) -> StoredFile:
    """Read the facts of a file from its first row."""
    facts = json.loads(bytes(unseal(row.key, FILE_FACTS, row.cells[FILE_FACTS])))
    facts["runs"] = tuple(FrameRun(*run) for run in facts["runs"])
    return StoredFile(number, **facts)


def _original(stored: StoredFile, blob: Iterator[bytes], frames: _Frames) -> Iterator[bytes]:
    if stored.packing is None:
        yield from map(bytes, _interleaved(stored, blob, frames))  # copies nothing that is bytes already
    elif stored.packing.get("kept"):
        frames.skip(stored.frames)
        yield from _after(blob, stored.literal_bytes)
    else:
        yield from pack_again(stored.packing, map(bytes, _interleaved(stored, blob, frames)))


def _interleaved(stored: StoredFile, blob: Iterator[bytes], frames: _Frames) -> Iterator[bytes | memoryview]:
    """Put the frames back between the literals."""
    literals = _Literals(blob)
    position = 0
    for run in stored.runs:
        for index in range(run.count):
            offset = run.offset + index * run.stride
            yield from literals.take(offset - position)
            yield frames.take()
            position = offset + run.length
    yield from literals.take(stored.unpacked_bytes - position)


class _Frames:
    """Frames one after the other; what is skipped is read only if a later one is wanted."""

    def __init__(self, frames: Iterator[memoryview], *, copy: bool) -> None:
        self._frames = frames
        self._copy = copy
        self._skip = 0

    def skip(self, count: int) -> None:
        self._skip += count

    def take(self) -> bytes | memoryview:
        for _ in range(self._skip):
            self._next()
        self._skip = 0
        return bytes(self._next()) if self._copy else self._next()

    def _next(self) -> memoryview:
        frame = next(self._frames, None)
        if frame is None:
            raise CorruptCellError("a volume's files have more frames than its record says: ingest it with --replace")
        return frame


class _Literals:
    """Takes exact numbers of bytes from pieces of any size."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._held = b""

    def take(self, length: int) -> Iterator[bytes]:
        while length > 0:
            if not self._held:
                self._held = next(self._pieces, b"")
            if not self._held:
                raise CorruptCellError("a file has fewer bytes than its facts say: ingest its volume with --replace")
            piece, self._held = self._held[:length], self._held[length:]
            length -= len(piece)
            yield piece


def _after(pieces: Iterator[bytes], skip: int) -> Iterator[bytes]:
    """Give what follows the first `skip` bytes."""
    for piece in pieces:
        if skip < len(piece):
            yield piece[skip:]
        skip = max(0, skip - len(piece))


def _verified(stored: StoredFile, pieces: Iterator[bytes]) -> Iterator[bytes]:
    sha256 = hashlib.sha256()
    for piece in pieces:
        sha256.update(piece)
        yield piece
    if sha256.hexdigest() != stored.sha256:
        raise CorruptCellError(f"{stored.name} does not come back as it was: its SHA-256 differs from the recorded one")
