"""Pictures: JPEG, PNG, TIFF and PPM files, gathered into packages of which each is a volume with a frame for each file.

A row for each of 50,000 pictures would be 50,000 volumes to list, plan and start; so those that share a key are stored
together, in the order of their names with numbers in them counted (`2.jpg` before `10.jpg`).
"""

from __future__ import annotations

import mmap
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import BinaryIO

from hbimg.errors import TooManyPixelsError, UnreadableFileError
from hbimg.ingest.candidates import Candidate, CandidateFile, Names, Outcome
from hbimg.model import Geometry
from hbimg.volumes.content import FrameEncoding, FrameRun
from hbimg.volumes.pictures import PictureFacts, examine_picture

#: Pictures in one package unless the user says otherwise: 1,000 files of 256 x 256 in colour are 200 MB.
PACKAGE_PICTURES = 1000
#: The scan of a package that nothing else names.
PACKAGE_SCAN = "pictures"
_PPM = re.compile(rb"P[1-6](?:\s+|#[^\n]*\n)+\d+(?:\s+|#[^\n]*\n)+\d+\s")
_MAGIC = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"II*\0", b"MM\0*", b"II+\0\x08\0\0\0", b"MM\0+\0\x08\0\0")
_IDENTITY = ((1.0, 0.0, 0.0, 0.0), (0.0, 1.0, 0.0, 0.0), (0.0, 0.0, 1.0, 0.0), (0.0, 0.0, 0.0, 1.0))


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture that was examined; `reason` says why one is kept, but never decoded."""

    path: Path
    name: str
    size_bytes: int
    facts: PictureFacts | None
    reason: str = ""


def is_picture(head: bytes) -> bool:
    """Whether the first bytes of a file are those of a picture in a format that is read."""
    return head.startswith(_MAGIC) or _PPM.match(head) is not None


def examine(path: Path, name: str) -> Picture:
    """Read what a picture says of itself, and check that the file is there to its end.

    Raises
    ------
    UnreadableFileError
        If it is broken, or ends too early.
    """
    try:
        with path.open("rb") as stream:
            size_bytes = stream.seek(0, 2)
            stream.seek(0)
            try:
                facts = examine_picture(stream, str(path))
            except TooManyPixelsError as error:
                return Picture(path, name, size_bytes, None, f"{error}: kept as it is")
            stream.seek(0)
            if _ends_early(stream, facts, size_bytes):
                raise UnreadableFileError(f"{path} ends too early, after {size_bytes:,} bytes: copy it from its source")
    except OSError as error:
        raise UnreadableFileError(f"{path} cannot be read: {error.strerror}") from error
    return Picture(path, name, size_bytes, facts)


def candidates(pictures: Iterable[tuple[Picture, Names | None]], package: int) -> list[Candidate]:
    """Gather pictures that share a key into packages of at most `package` files.

    Parameters
    ----------
    pictures : iterable of (Picture, Names or None)
        Each with what is told of its key (None: it cannot be told, and stays alone); without a scan, what lies in one
        folder is one package or several.
    package : int
    """
    groups: dict[tuple[Names, str], list[Picture]] = defaultdict(list)
    found: list[Candidate] = []
    for picture, names in pictures:
        if names is None:
            found.append(_candidate([picture], None, Outcome.STORE, ""))
        elif picture.facts is None:
            alone = names.over(Names(scan=picture.path.name))
            found.append(_candidate([picture], alone, Outcome.SET_ASIDE, picture.reason))
        else:
            groups[names, "" if names.scan else _folder_of(picture)].append(picture)
    for (names, _), group in groups.items():
        group.sort(key=lambda picture: _counted(picture.name))
        single = group[0].path.name if len(group) == 1 else PACKAGE_SCAN
        scan = names.scan or single
        parts = [group[start : start + package] for start in range(0, len(group), package)]
        for number, part in enumerate(parts, start=1):
            named = replace(names, scan=scan if len(parts) == 1 else f"{scan}-{number:04d}")
            found.append(_candidate(part, named, Outcome.STORE, ""))
    return found


def _folder_of(picture: Picture) -> str:
    return picture.name.rpartition("/")[0]


def _counted(name: str) -> tuple[tuple[int, int, str], ...]:
    """Give what names are ordered by: runs of digits as numbers, all else as text."""
    pieces = re.findall(r"\d+|\D+", name)
    return tuple((0, int(p), p) if p.isdecimal() else (1, 0, p) for p in pieces)


def _candidate(pictures: list[Picture], told: Names | None, outcome: Outcome, reason: str) -> Candidate:
    shapes = {picture.facts.shape for picture in pictures if picture.facts}
    formats = {picture.facts.format for picture in pictures if picture.facts}
    is_stored = outcome is Outcome.STORE
    return Candidate(
        outcome=outcome,
        reason=reason,
        format=formats.pop() if len(formats) == 1 else "pictures",
        files=tuple(_file(picture) for picture in pictures),
        names=Names(),
        told=told,
        geometry=_geometry(pictures) if len(shapes) == 1 else None,
        encoding=_encoding(pictures) if is_stored else None,
        remarks=tuple(_remarks(pictures, len(shapes))),
        plane_map={"order": "running", "by": ["file name"]},
    )


def _file(picture: Picture) -> CandidateFile:
    runs = (FrameRun(0, picture.size_bytes),) if picture.facts else ()
    facts = asdict(picture.facts) if picture.facts else {}
    return CandidateFile(
        picture.path, picture.size_bytes, runs, facts={k: v for k, v in facts.items() if k != "data_end"}
    )


def _geometry(pictures: list[Picture]) -> Geometry:
    """Give the shape of pictures of one size; they have no place in space, so the affine is the identity."""
    facts = [picture.facts for picture in pictures if picture.facts]
    shape = (facts[0].columns, facts[0].rows, sum(one.pages for one in facts))
    return Geometry(shape, facts[0].dtype, _IDENTITY, ("column", "row", "picture"))


def _encoding(pictures: list[Picture]) -> FrameEncoding:
    """Describe the frames; what differs from picture to picture is 0 here, and stands in the facts of each file."""
    facts = [picture.facts for picture in pictures if picture.facts]
    shapes = {one.shape for one in facts}
    rows, columns, samples, dtype = shapes.pop() if len(shapes) == 1 else (0, 0, 0, "|u1")
    planes = facts[0].pages if len({one.pages for one in facts}) == 1 else 0
    return FrameEncoding(dtype, rows, columns, samples, planes, details={"pictures": True})


def _remarks(pictures: list[Picture], shapes: int) -> Iterator[str]:
    if shapes > 1:
        yield f"pictures of {shapes} sizes or types: they make no one array"
    told: dict[str, list[Picture]] = defaultdict(list)
    for picture in pictures:
        if picture.facts and picture.facts.remark:
            told[picture.facts.remark].append(picture)
    for remark, those in told.items():
        more = f" and {len(those) - 1} more" if len(those) > 1 else ""
        yield f"{those[0].name}{more}: {remark}"


def _ends_early(stream: BinaryIO, facts: PictureFacts, size_bytes: int) -> bool:
    if facts.format == "tiff":
        return facts.data_end > size_bytes
    if facts.format == "ppm":
        return _ppm_is_cut(stream, facts, size_bytes)
    with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return _png_is_cut(data) if facts.format == "png" else _jpeg_is_cut(data)


def _png_is_cut(data: mmap.mmap) -> bool:
    """Walk from chunk to chunk to the last one."""
    position = 8
    while position + 12 <= len(data):
        length, kind = int.from_bytes(data[position : position + 4], "big"), data[position + 4 : position + 8]
        if kind == b"IEND":
            return False
        position += 12 + length
    return True


def _jpeg_is_cut(data: mmap.mmap) -> bool:
    """Walk to the start of the coded pixels; from there on the end mark stands nowhere but at the end."""
    position = 2
    while position + 4 <= len(data) and data[position] == 0xFF:
        marker = data[position + 1]
        if marker == 0xFF:  # a fill byte
            position += 1
        elif marker == 0xDA:
            return data.find(b"\xff\xd9", position) < 0
        else:
            position += 2 + int.from_bytes(data[position + 2 : position + 4], "big")
    return True


def _ppm_is_cut(stream: BinaryIO, facts: PictureFacts, size_bytes: int) -> bool:
    """Compare the size with the header's promise; numbers written as text are left to the decoder."""
    head = stream.read(1 << 16)
    kind = head[:2]
    values = 2 if kind == b"P4" else 3
    match = re.match(rb"P[4-6](?:(?:\s|#[^\n]*\n)+\d+){%d}\s" % values, head)
    if match is None:
        return kind in (b"P4", b"P5", b"P6")
    if kind == b"P4":
        return match.end() + facts.rows * -(-facts.columns // 8) > size_bytes
    largest = int(match[0].split()[-1])
    sample_bytes = 2 if largest > 255 else 1
    return match.end() + facts.rows * facts.columns * facts.samples * sample_bytes > size_bytes
