"""The contract of a job: one frozen dataclass, the same for every engine.

A job names what it needs of a volume, says which volumes it takes, and maps a volume to artefacts. Its fields are its
parameters. An engine loads the volume, calls `map`, and stores the artefacts beside the volume. Nothing of a job is
pickled: an engine tells its workers the class's name and the parameters as JSON, and results are bytes.

A job in ten lines::

    @dataclass(frozen=True)
    class Sizes(Job):
        \"\"\"Writes down how many bytes each frame has.\"\"\"

        name: ClassVar[str] = "sizes"
        version: ClassVar[str] = "1"

        def map(self, volume: LoadedVolume) -> Iterable[Artefact]:
            text = "\\n".join(str(len(frame)) for frame in volume.frames)
            yield Artefact("sizes.txt", [text.encode()])
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self, get_type_hints

from hbimg.errors import ParameterError
from hbimg.mapreduce.streams import Streams
from hbimg.model import VolumeKey
from hbimg.store import Buffer
from hbimg.volumes import StoredFile, VolumeRecord

if TYPE_CHECKING:  # a job that needs no arrays shall not wait for numpy
    import numpy as np
    import numpy.typing as npt


class Need(StrEnum):
    """What a job needs of a volume, so that the engine can fetch it while the volume before is worked on."""

    FRAMES = "frames"  # the frames as they are stored
    UNPACKED = "unpacked"  # the source files, a `.nii.gz` as the `.nii` in it
    STREAMED = "streamed"  # the unpacked files piece by piece: nothing has to fit the memory
    STAGED = "staged"  # the unpacked files as files in the volume's scratch folder, for tools that want files
    ORIGINALS = "originals"  # the source files as they lay on the disk
    DIGESTS = "digests"  # everything is read and verified, and only sizes and digests are kept


@dataclass(frozen=True, slots=True)
class Artefact:
    """One output: a file name, and its bytes in pieces of any size, which may be made while they are taken."""

    name: str
    pieces: Iterable[Buffer]


@dataclass(frozen=True, slots=True)
class LoadedFile:
    """A source file.

    Attributes
    ----------
    stored : StoredFile
    data : buffer
        Its bytes; empty where only its digest was asked for, or it was written to `path`.
    sha256 : str
        Of the bytes that were read, where digests were asked for; else empty, and every cell was verified by its own
        checksum.
    path : Path or None
        Where it lies in the scratch folder, where it was asked for so.
    """

    stored: StoredFile
    data: Buffer
    sha256: str
    path: Path | None = None

    @property
    def read_bytes(self) -> int:
        """Bytes that were read of it."""
        if self.path:
            return self.stored.unpacked_bytes
        return self.stored.size_bytes if self.sha256 else len(self.data)


@dataclass(frozen=True)
class LoadedVolume:
    """A volume with what its job needs of it.

    Attributes
    ----------
    record : VolumeRecord
    header : mapping
        DICOM's JSON model or the NIfTI fields.
    block : memoryview
        The bytes of all frames, one behind the other. Empty unless frames are needed.
    frames : tuple of memoryview
        The bytes of each frame, in order; views of `block`.
    files : tuple of LoadedFile
        Empty unless files are needed.
    scratch : Path
        A folder of this volume's own on a local disk; it is removed when the volume is done.
    streams : Streams
        The files to be taken once, piece by piece. Empty unless they are needed so.
    """

    record: VolumeRecord
    header: Mapping[str, Any]
    block: memoryview
    frames: tuple[memoryview, ...]
    files: tuple[LoadedFile, ...]
    scratch: Path
    streams: Streams = field(default_factory=Streams)

    @property
    def size_bytes(self) -> int:
        """Bytes of frames and files that were loaded, or taken from the streams so far."""
        return len(self.block) + sum(file.read_bytes for file in self.files) + self.streams.taken_bytes

    @property
    def frame_block(self) -> npt.NDArray[np.uint8]:
        """The bytes of all frames: an array of shape (frame_bytes,), dtype uint8; empty unless frames are needed."""
        import numpy as np

        return np.frombuffer(self.block, np.uint8)

    def voxels(self) -> npt.NDArray[Any]:
        """Give the voxels as stored, unscaled, as `hbimg.volumes.voxels.voxels` does; needs `Need.FRAMES`."""
        from hbimg.volumes.decoding import is_plain
        from hbimg.volumes.voxels import voxels_of_frames

        encoding = self.record.encoding
        plain = encoding is not None and is_plain(encoding)
        return voxels_of_frames(self.record, self.frame_block if plain else self.frames)

    def pictures(self) -> Iterator[npt.NDArray[Any]]:
        """Give each frame of a package of pictures as an array (pages, rows, columns[, samples]), one at a time."""
        from hbimg.volumes.pictures import decode_picture

        for index, frame in enumerate(self.frames):
            yield decode_picture(frame, index)

    @property
    def stem(self) -> str:
        """The start of an output's file name: the scan's label."""
        return self.record.key.scan


def parameter(default: Any, about: str, choices: tuple[str, ...] = ()) -> Any:
    """Declare a parameter of a job: a dataclass field of type str, int, float or bool with its line of help."""
    return field(default=default, metadata={"help": about, "choices": choices})


@dataclass(frozen=True)
class Job(ABC):
    """A job over single volumes. Subclasses are frozen dataclasses; their fields are the parameters.

    Class attributes
    ----------------
    name : str
        What users call it; also the default name of its results, so it must be a label (`hbimg.rowkeys.label_of`).
    version : str
        Raise it whenever the same input and parameters give other bytes: older results are then made anew.
    examples : tuple of str
        Command lines for the help.
    always_anew : bool
        Whether a result of an earlier run is never current, because the job checks rather than makes.
    takes_series : bool
        Whether it takes series that were set aside too, which have files but neither planes nor geometry.
    bytes_per_s : float
        How fast one worker is, about: it decides into how many tasks a job is cut, and nothing else. Little is safe.
    """

    name: ClassVar[str]
    version: ClassVar[str]
    examples: ClassVar[tuple[str, ...]] = ()
    always_anew: ClassVar[bool] = False
    takes_series: ClassVar[bool] = False
    bytes_per_s: ClassVar[float] = 1e6

    def need(self, record: VolumeRecord) -> Need:  # noqa: ARG002 - for subclasses
        """Tell what of a volume is loaded before `map`."""
        return Need.FRAMES

    def memory_beside_bytes(self) -> int:
        """Tell what one volume's work takes beside the volume itself, in bytes, where the job knows: a tool's limit."""
        return 0

    def accepts(self, record: VolumeRecord) -> str:  # noqa: ARG002 - for subclasses
        """Give '' for a volume that the job takes, else in a few words why not. Set-aside series come here only
        with `takes_series`.
        """
        return ""

    @abstractmethod
    def map(self, volume: LoadedVolume) -> Iterable[Artefact]:
        """Give the artefacts of one volume. It may raise: the volume is then recorded as failed, and the rest goes on.

        The same volume and parameters must give the same bytes, in whichever engine and order.
        """

    def parameters(self) -> dict[str, Any]:
        """Give the parameters, ready for JSON."""
        return asdict(self)

    def deciding_parameters(self) -> dict[str, Any]:
        """Give the parameters that decide whether a stored result is current: all, unless a job leaves limits out."""
        return self.parameters()

    @classmethod
    def of_parameters(cls, parameters: Mapping[str, Any]) -> Self:
        """Make the job from parameters as `parameters` gave them; ParameterError for one that it does not have."""
        known = {f.name for f in fields(cls)}
        for name in parameters:
            if name not in known:
                have = ", ".join(sorted(known)) or "none"
                raise ParameterError(f"job {cls.name} has no parameter {name!r}; it has: {have}")
        return cls(**parameters)

    @classmethod
    def of_texts(cls, texts: Mapping[str, str]) -> Self:
        """Make the job from texts as a user types them, by the types of its fields."""
        return cls.of_parameters({name: cls._parse(name, text) for name, text in texts.items()})

    @classmethod
    def _parse(cls, name: str, text: str) -> Any:
        kind = get_type_hints(cls).get(name, str)
        try:
            if kind is bool:
                return {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}[text.lower()]
            return kind(text) if kind in (int, float) else text
        except (KeyError, ValueError) as error:
            raise ParameterError(f"job {cls.name}: {name}={text!r} is no {kind.__name__}") from error


@dataclass(frozen=True)
class ReducingJob(Job):
    """A job over many volumes: each is mapped to a partial, partials of a group are combined, the last step finishes.

    A partial is bytes that say nothing of how they were made (JSON, numpy without pickle). Engines combine partials
    from left to right in key order, one volume at a time, so that every split of the work gives the same bytes.
    Partials are kept as results of their volumes, so a run that was interrupted goes on where it was.
    """

    @abstractmethod
    def partial(self, volume: LoadedVolume) -> bytes:
        """Give the partial of one volume."""

    @abstractmethod
    def combine(self, left: bytes, right: bytes) -> bytes:
        """Give the partial of the volumes of both; all of `left` come before those of `right`."""

    @abstractmethod
    def finalize(self, groups: Mapping[str, bytes]) -> Iterator[Artefact]:
        """Give the artefacts of the run, from the partial of each group, in the groups' order."""

    def group_of(self, key: VolumeKey) -> str:  # noqa: ARG002 - for subclasses
        """Give the group of a volume; one for all unless overridden."""
        return "all"

    def partial_parameters(self) -> dict[str, Any]:
        """Give the parameters that partials depend on; the same partials serve jobs that differ in others."""
        return self.parameters()

    def map(self, volume: LoadedVolume) -> Iterable[Artefact]:
        """Give the partial as the one artefact of the volume."""
        yield Artefact(PARTIAL, [self.partial(volume)])


#: The artefact in which a reducing job keeps a volume's partial.
PARTIAL = "partial"


def result_parameters(job: Job) -> dict[str, Any]:
    """Give the parameters that decide whether a stored result is current."""
    return job.partial_parameters() if isinstance(job, ReducingJob) else job.deciding_parameters()
