"""Write the content of a volume under a claim: files in, frame rows and file rows out.

A file is read once, from front to back. Memory holds one batch of the store's size, whatever the volume's size.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import BinaryIO

from hbimg import __version__
from hbimg.errors import ClaimLostError, KeyClashError, UnreadableFileError, VolumeBusyError
from hbimg.model import LEVELS
from hbimg.rowkeys import RowKeyScheme, is_hashed
from hbimg.store import CHUNK_BYTES, Buffer, Put, Table
from hbimg.store.cells import chunk_columns, seal_all
from hbimg.volumes.claims import Claim
from hbimg.volumes.content import FrameRun, SourceFile, VolumeContent
from hbimg.volumes.record import VolumeRecord, digest_of
from hbimg.volumes.table import VolumeTable
from hbimg.volumes.where import Where

FILE_FACTS = b"h:file"
#: Chunks in one row of a file, so that no row grows with the file: 16 MiB at most.
CHUNKS_PER_PART = 16


@dataclass(frozen=True, slots=True)
class WrittenVolume:
    """A volume of which all rows are written, and that nobody sees yet: to be committed or abandoned.

    Where a store says how many bytes to gather (`Table.gathered_bytes`), several are written before they are committed.
    """

    record: VolumeRecord
    _content: VolumeContent
    _claim: Claim
    _replaced: str | None

    def renew(self) -> None:
        """Keep others out for longer; call it often while more is written. If the claim was lost, `commit` says so."""
        with suppress(ClaimLostError):
            self._claim.renew()

    def commit(self) -> VolumeRecord:
        """Make it visible and give its record.

        Raises
        ------
        ClaimLostError
            If another process took the volume over; nothing of ours is left then.
        StoreError
            If it cannot be proved that all was written, it is not visible.
        """
        self._claim.commit(self.record, self._content.header, self._replaced)
        return self.record

    def abandon(self) -> None:
        """Delete what was written."""
        self._claim.abandon()


def store_content(
    volumes: VolumeTable, content: VolumeContent, *, replace: bool = False, wait_s: float = 0.0
) -> VolumeRecord | None:
    """Store a volume, unless the same content stands there already: `write_content`, and its commit at once.

    Returns
    -------
    VolumeRecord or None
        The new record; None if the key holds the same content already.

    Raises
    ------
    HbimgError
        As `write_content` and `WrittenVolume.commit` do.
    """
    written = write_content(volumes, content, replace=replace, wait_s=wait_s)
    return written.commit() if written else None


def write_content(
    volumes: VolumeTable, content: VolumeContent, *, replace: bool = False, wait_s: float = 0.0
) -> WrittenVolume | None:
    """Write the rows of a volume, unless the same content stands there already.

    Another process that writes this volume is waited for, up to `wait_s` seconds.

    Returns
    -------
    WrittenVolume or None
        What is to be committed; None if the key holds the same content already.

    Raises
    ------
    KeyClashError
        If the key holds other content and `replace` is not set, or one of its labels stands for another text.
    VolumeBusyError
        If another process writes this volume, and goes on for that long.
    UnreadableFileError
        If a file cannot be read, or changed since its headers were read.
    """
    _refuse_label_clash(volumes, content)
    claim = _claim_unless_there(volumes, content, replace=replace, wait_s=wait_s)
    if claim is None:
        volumes.settle(content.key)
        return None
    try:
        # Looked at again under the claim: another process may have stored the volume in between.
        old = volumes.find(content.key)
        if _is_there(old, content, replace=replace):
            claim.abandon()
            return None
        digests = _Writer(volumes.table, volumes.scheme, claim).write(content)
        stored = {"at": datetime.now(UTC).isoformat(timespec="seconds"), "by": f"hbimg {__version__}"}
        record = VolumeRecord.of(content, digest_of(digests), claim.generation, stored)
    except BaseException:
        claim.abandon()
        raise
    return WrittenVolume(record, content, claim, old.generation if old else None)


def _claim_unless_there(volumes: VolumeTable, content: VolumeContent, *, replace: bool, wait_s: float) -> Claim | None:
    end = time.monotonic() + wait_s
    while not _is_there(volumes.find(content.key), content, replace=replace):
        try:
            return volumes.claim(content.key)
        except VolumeBusyError:
            if time.monotonic() >= end:
                raise
        time.sleep(min(0.2, wait_s))
    return None


def _refuse_label_clash(volumes: VolumeTable, content: VolumeContent) -> None:
    """Refuse a hashed label that stands for another text in this table, at any level of the key."""
    for number, (level, label) in enumerate(zip(LEVELS, content.key.labels, strict=True), start=1):
        if not is_hashed(label):
            continue
        neighbour = next(volumes.records(Where(*content.key.labels[:number])), None)
        if neighbour is not None and neighbour.texts.get(level) != content.texts.get(level):
            raise KeyClashError(
                f"{content.key}: the {level} has a long name whose label {label} stands for another {level} already: "
                f"give a shorter one with --{level}"
            )


def _is_there(found: VolumeRecord | None, content: VolumeContent, *, replace: bool) -> bool:
    """Whether what was found is this content; KeyClashError if it is other content that may not be replaced."""
    if found is None:
        return False
    if found.kind == content.kind and found.digest == digest_of(file_sha256(file) for file in content.files):
        return True
    if not replace:
        raise KeyClashError(
            f"{content.key} holds other content (stored {found.stored['at']}, {found.files} files): "
            "give another key with --subject, --session or --scan, or overwrite it with --replace"
        )
    return False


def file_sha256(file: SourceFile) -> str:
    """Give the SHA-256 of a source file as it lies on the disk, read if it is not known."""
    if file.sha256:
        return file.sha256
    with file.source.open_packed() as stream:
        reader = _Reader(stream, file.name)
        deque(reader.rest(), maxlen=0)
    return reader.hexdigest()


class _Writer:
    """Writes the rows of one generation in batches."""

    def __init__(self, table: Table, scheme: RowKeyScheme, claim: Claim) -> None:
        self._table = table
        self._scheme = scheme
        self._claim = claim
        self._batch: list[Put] = []
        self._batch_bytes = 0
        self._frame = 0

    def write(self, content: VolumeContent) -> list[str]:
        """Write all files and give their SHA-256 digests."""
        digests = [self._write_file(number, file) for number, file in enumerate(content.files)]
        self._flush()
        return digests

    def _write_file(self, number: int, file: SourceFile) -> str:
        blob = _FileBlob(self, number)
        with file.source.open() as stream:
            reader = _Reader(stream, file.name, hashed=file.packing is None)
            for run in file.runs:
                self._write_run(reader, run, blob)
            blob.add_all(reader.rest())
        literal_bytes, unpacked_bytes = blob.size, reader.position
        if file.packing:
            with file.source.open_packed() as packed:
                reader = _Reader(packed, file.name)
                if file.packing.get("kept"):
                    blob.add_all(reader.rest())
                else:
                    deque(reader.rest(), maxlen=0)
        sha256 = reader.hexdigest()
        if reader.position != file.size_bytes or sha256 != (file.sha256 or sha256):
            raise UnreadableFileError(
                f"{file.name} changed while it was read: nothing of its volume is kept, run again"
            )
        blob.finish(
            {
                "name": file.name,
                "size_bytes": file.size_bytes,
                "sha256": sha256,
                "runs": [[run.offset, run.length, run.count, run.stride] for run in file.runs],
                "packing": dict(file.packing) if file.packing else None,
                "facts": dict(file.facts),
                "literal_bytes": literal_bytes,
                "stream_bytes": blob.size - literal_bytes,
                "unpacked_bytes": unpacked_bytes,
            }
        )
        return sha256

    def _write_run(self, reader: _Reader, run: FrameRun, blob: _FileBlob) -> None:
        for index in range(run.count):
            blob.add(reader.read(run.offset + index * run.stride - reader.position))
            payload = reader.read(run.length)
            row = self._scheme.frame(self._claim.key, self._claim.generation, self._frame)
            self.put(row, dict(chunk_columns("i", payload)))
            self._frame += 1

    def put_part(self, number: int, part: int, payloads: dict[bytes, Buffer]) -> None:
        self.put(self._scheme.file(self._claim.key, self._claim.generation, number, part), payloads)

    def put(self, row: bytes, payloads: dict[bytes, Buffer]) -> None:
        put = Put(row, seal_all(row, payloads))
        self._batch.append(put)
        self._batch_bytes += put.size_bytes
        if self._batch_bytes >= self._table.batch_bytes:
            self._flush()

    def _flush(self) -> None:
        if self._batch:
            self._claim.renew()
            self._table.put_many(self._batch)
            self._batch, self._batch_bytes = [], 0


class _FileBlob:
    """Gathers the literal bytes of a file, and its kept stream behind them, into the parts of its rows."""

    def __init__(self, writer: _Writer, number: int) -> None:
        self._writer = writer
        self._number = number
        self._pending = bytearray()
        self._first: dict[bytes, Buffer] = {}  # part 0 waits for the facts, which are known at the end
        self._part = 0
        self.size = 0

    def add(self, data: bytes) -> None:
        self.size += len(data)
        self._pending += data
        while len(self._pending) >= CHUNKS_PER_PART * CHUNK_BYTES:
            self._put_part(bytes(self._pending[: CHUNKS_PER_PART * CHUNK_BYTES]))
            del self._pending[: CHUNKS_PER_PART * CHUNK_BYTES]

    def add_all(self, pieces: Iterable[bytes]) -> None:
        for piece in pieces:
            self.add(piece)

    def finish(self, facts: dict[str, object]) -> None:
        if self._pending:
            self._put_part(bytes(self._pending))
        payloads: dict[bytes, Buffer] = {FILE_FACTS: json.dumps(facts, ensure_ascii=False).encode()}
        self._writer.put_part(self._number, 0, payloads | self._first)

    def _put_part(self, data: bytes) -> None:
        payloads: dict[bytes, Buffer] = dict(chunk_columns("h", data))
        if self._part == 0:
            self._first = payloads
        else:
            self._writer.put_part(self._number, self._part, payloads)
        self._part += 1


class _Reader:
    """Reads a stream to its end, exactly, and hashes what it read."""

    def __init__(self, stream: BinaryIO, name: str, *, hashed: bool = True) -> None:
        self._stream = stream
        self._name = name
        self._sha256 = hashlib.sha256() if hashed else None
        self.position = 0

    def read(self, length: int) -> bytes:
        data = self._stream.read(length) if length else b""
        if len(data) != length:
            end = self.position + len(data)
            raise UnreadableFileError(
                f"{self._name} ends after {end:,} bytes: {length - len(data):,} more were promised"
            )
        self._took(data)
        return data

    def rest(self) -> Iterator[bytes]:
        """Give all that is left, in pieces."""
        while data := self._stream.read(CHUNK_BYTES):
            self._took(data)
            yield data

    def hexdigest(self) -> str:
        return self._sha256.hexdigest() if self._sha256 else ""

    def _took(self, data: bytes) -> None:
        if self._sha256:
            self._sha256.update(data)
        self.position += len(data)
