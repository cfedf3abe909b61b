"""What a reader hands over for storing: the files of one volume, cut into frames and the rest.

A file is literal bytes with frames cut out of it. The frames of all files, in the files' order, are the volume's
frames 0, 1, 2, ...; put back into the literals they give every file byte for byte.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Protocol

from hbimg.model import Geometry, VolumeKey


@dataclass(frozen=True, slots=True)
class FrameRun:
    """Frames that lie in a file at equal distances.

    Attributes
    ----------
    offset : int
        Byte offset of the first frame in the file (in its unpacked form, where the file is gzipped).
    length : int
        Bytes of each frame.
    count : int
        Number of frames.
    stride : int
        Bytes from one frame's start to the next one's; at least `length`.
    """

    offset: int
    length: int
    count: int = 1
    stride: int = 0

    def __post_init__(self) -> None:
        if self.count > 1 and self.stride < self.length:
            raise ValueError(f"frames of {self.length} bytes cannot lie {self.stride} bytes apart")


class ByteSource(Protocol):
    """Where a file's bytes come from; it may be opened several times, and in another process."""

    def open(self) -> AbstractContextManager[BinaryIO]:
        """Open the file for one sequential reading, unpacked where `packing` of the file says so."""

    def open_packed(self) -> AbstractContextManager[BinaryIO]:
        """Open the file as it lies on the disk."""


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file of a volume.

    Attributes
    ----------
    name : str
        Path below the folder that was ingested, with ``/``; `hbimg export` gives it back under this name.
    source : ByteSource
    size_bytes : int
        Size of the file on disk.
    sha256 : str
        SHA-256 of the file on disk, as hex digits; empty to have it made while the file is stored, which saves a
        reading when nothing stands under the key yet.
    runs : tuple of FrameRun
        The frames in it, in the order of their offsets.
    packing : mapping or None
        How the file is packed (``{"kind": "gzip", ...}``), or None. A packed file comes back as the same stream:
        kept whole beside the frames when ``"kept"`` is true, packed again by the recorded recipe else.
    facts : mapping
        What the reader knows of this file alone, ready for JSON: SOP instance UID, instance number, position, time;
        ``attached`` for a file that lies beside the image and came in with it (a sidecar, events).
    """

    name: str
    source: ByteSource
    size_bytes: int
    sha256: str
    runs: tuple[FrameRun, ...] = ()
    packing: Mapping[str, Any] | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def frames(self) -> int:
        """Number of frames in the file."""
        return sum(run.count for run in self.runs)

    @property
    def frame_bytes(self) -> int:
        """Bytes of all frames in the file."""
        return sum(run.count * run.length for run in self.runs)


@dataclass(frozen=True, slots=True)
class FrameEncoding:
    """How the pixels of a frame are written down.

    Attributes
    ----------
    dtype : str
        numpy's name of one stored sample with byte order, e.g. ``<u2``; for compressed frames, of the decoded sample.
    rows, columns : int
        Size of a plane. For NIfTI rows is the second axis (j), columns the first (i).
    samples : int
        Samples per pixel: 1 for grey, 3 for RGB.
    planes : int
        Planes in each frame (the last frame may hold fewer).
    transfer_syntax : str or None
        DICOM's transfer syntax UID; None for the plain array of a NIfTI file.
    details : mapping
        More that a decoder needs, ready for JSON: for DICOM bits stored, pixel representation, photometric
        interpretation, and so on.
    """

    dtype: str
    rows: int
    columns: int
    samples: int = 1
    planes: int = 1
    transfer_syntax: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_pictures(self) -> bool:
        """Whether frames are whole picture files."""
        return bool(self.details.get("pictures"))


@dataclass(frozen=True, slots=True)
class VolumeContent:
    """A volume, or a series that is no volume, ready to be stored.

    Attributes
    ----------
    key : VolumeKey
    kind : str
        ``volume``, ``series`` for files that are kept byte for byte but are no volume (a scout, a report), or ``files``
        for what a data set has beside its images.
    format : str
        ``dicom``, ``nifti1``, ``nifti2``, ``nifti1-pair``, ``nifti2-pair``, ``cifti2``; ``jpeg``, ``png``, ``tiff``,
        ``ppm``, or ``pictures`` for several of these; ``bids`` for files beside images.
    files : tuple of SourceFile
        In the order of their frames.
    geometry : Geometry or None
        None for a series.
    encoding : FrameEncoding or None
        None when there are no frames.
    header : mapping
        DICOM's JSON model of what the files share, or the NIfTI header's fields, ready for JSON.
    texts : mapping
        Level name to the text whose label the key has, where label and text differ.
    reason : str
        Why a series is no volume; empty for a volume.
    remarks : tuple of str
        What a user should know: how planes were ordered, what is missing though accepted.
    missing : mapping or None
        What is missing of a volume that was accepted incomplete.
    plane_map : mapping
        Which plane each frame is: ``{"order": "running"}`` when frame n is plane n, and by what planes were ordered.
    dataset : str
        ``bids`` where the files are part of a BIDS data set, and their names are its paths; else empty.
    """

    key: VolumeKey
    kind: str
    format: str
    files: tuple[SourceFile, ...]
    geometry: Geometry | None = None
    encoding: FrameEncoding | None = None
    header: Mapping[str, Any] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)
    reason: str = ""
    remarks: tuple[str, ...] = ()
    missing: Mapping[str, Any] | None = None
    plane_map: Mapping[str, Any] = field(default_factory=dict)
    dataset: str = ""

    @property
    def frames(self) -> int:
        """Number of frames of all files."""
        return sum(file.frames for file in self.files)

    @property
    def frame_bytes(self) -> int:
        """Bytes of all frames."""
        return sum(file.frame_bytes for file in self.files)

    @property
    def file_bytes(self) -> int:
        """Bytes of all files on disk."""
        return sum(file.size_bytes for file in self.files)
