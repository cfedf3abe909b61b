"""Load from the store what a job needs of a volume; every cell is verified on the way."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from hbimg.errors import CorruptCellError
from hbimg.mapreduce.blocks import Blocks
from hbimg.mapreduce.job import Job, LoadedFile, LoadedVolume, Need
from hbimg.mapreduce.streams import Streams
from hbimg.store import Buffer
from hbimg.volumes import StoredFile, VolumeReader, VolumeRecord, VolumeTable

#: Where staged files lie in a volume's scratch folder.
STAGED_FOLDER = "originals"


def load(volumes: VolumeTable, record: VolumeRecord, job: Job, scratch: Path, blocks: Blocks) -> LoadedVolume:
    """Load a volume for a job, into memory that `blocks` gives.

    Raises
    ------
    CorruptCellError
        If a checksum is wrong.
    VolumeChangedError
        If the volume was replaced or removed meanwhile.
    """
    need = job.need(record)
    reader = VolumeReader(volumes, record)
    block = blocks.take(record.frame_bytes if need is Need.FRAMES else 0)
    return LoadedVolume(
        record=record,
        header=volumes.header(record.key),
        block=block,
        frames=_frames(reader, block) if need is Need.FRAMES else (),
        files=tuple(_staged(reader, scratch) if need is Need.STAGED else _files(reader, need, blocks)),
        scratch=scratch,
        streams=Streams(_streamed(reader) if need is Need.STREAMED else ()),
    )


def _frames(reader: VolumeReader, block: memoryview) -> tuple[memoryview, ...]:
    """Copy the frames, one behind the other, into the block; give a view of each."""
    found, start = [], 0
    for frame in reader.frames():
        end = start + len(frame)
        block[start:end] = frame
        found.append(block[start:end])
        start = end
    return tuple(found)


def _files(reader: VolumeReader, need: Need, blocks: Blocks) -> Iterator[LoadedFile]:
    if need is Need.ORIGINALS:
        for stored, pieces in reader.originals(digest=False):
            yield LoadedFile(stored, _joined(blocks.take(stored.size_bytes), pieces), "")
    elif need is Need.UNPACKED:
        for stored, views in reader.unpacked(copy=False):
            yield LoadedFile(stored, _joined(blocks.take(stored.unpacked_bytes), views), "")
    elif need is Need.DIGESTS:
        yield from _digests(reader)


def _staged(reader: VolumeReader, scratch: Path) -> Iterator[LoadedFile]:
    """Write the files into a folder, under numbers: their own names may be anything, and come twice."""
    suffix = ".dcm" if reader.record.format == "dicom" else ""
    folder = scratch / STAGED_FOLDER
    folder.mkdir()
    for stored, pieces in reader.unpacked(copy=False):
        path = folder / f"{stored.number:06d}{suffix}"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            for piece in pieces:
                written = os.write(descriptor, piece)
                while written < len(piece):  # Linux writes 2 GiB at once at most
                    written += os.write(descriptor, memoryview(piece)[written:])
        finally:
            os.close(descriptor)
        yield LoadedFile(stored, b"", "", path)


def _streamed(reader: VolumeReader) -> Iterable[tuple[StoredFile, Iterable[Buffer]]]:
    """Give the unpacked files: from the store as they are taken, or from memory where the store is far."""
    if reader.read_ahead():
        return reader.unpacked(copy=False)
    return [(stored, list(pieces)) for stored, pieces in reader.unpacked()]


def _joined(block: memoryview, pieces: Iterable[Buffer]) -> memoryview:
    start = 0
    for piece in pieces:
        end = start + len(piece)
        block[start:end] = piece
        start = end
    return block[:start]


def _digests(reader: VolumeReader) -> Iterator[LoadedFile]:
    """Read every file as it lay on the disk and its frames too, and keep the digests."""
    unread = reader.record.frames
    for stored, pieces in reader.originals():
        yield LoadedFile(stored, b"", _sha256(pieces))
        if not (stored.packing and stored.packing.get("kept")):
            unread -= stored.frames
    if not unread:
        return
    # A kept stream comes back without its frames being read: read those as well.
    read = sum(len(frame) for frame in reader.frames())
    if read != reader.record.frame_bytes:
        raise CorruptCellError(
            f"{reader.record.key}: its frames have {read:,} bytes, its record says {reader.record.frame_bytes:,}: "
            "ingest it again with --replace"
        )


def _sha256(pieces: Iterable[Buffer]) -> str:
    sha256 = hashlib.sha256()
    for piece in pieces:
        sha256.update(piece)
    return sha256.hexdigest()
