"""`compress`: a gzipped NIfTI file of every volume."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import ClassVar

from hbimg.mapreduce.job import Artefact, Job, LoadedVolume, Need, parameter
from hbimg.mapreduce.jobs.gzipping import DEFAULT_LEVEL, GzipLevel
from hbimg.volumes import VolumeRecord

_NIFTI_SUFFIXES = (".nii.gz", ".hdr.gz", ".img.gz", ".nii", ".hdr", ".img")


@dataclass(frozen=True)
class Compress(Job):
    """Gzip every volume as NIfTI.

    A volume that came as NIfTI gives its file again, byte for byte in the gzip stream; a .hdr/.img pair gives both
    files. A DICOM volume gives the NIfTI made of its planes, oriented as dcm2niix orients it; one whose files hold
    several parts, magnitude and phase, gives one of each.
    """

    name: ClassVar[str] = "compress"
    version: ClassVar[str] = "2"
    bytes_per_s: ClassVar[float] = 20e6
    examples: ClassVar[tuple[str, ...]] = (
        "hbimg run compress --table t1",
        "hbimg run compress --table t1 --level libdeflate-9 --result-name archive --where 'scan=*T1w'",
    )

    level: str = parameter(DEFAULT_LEVEL, "igzip-0 to igzip-3, gzip-1 to gzip-9 (classic), libdeflate-1 to -12.")
    accept_incomplete: bool = parameter(False, "Take DICOM volumes that were stored although planes are uneven.")

    def __post_init__(self) -> None:
        """Check the level."""
        GzipLevel.parse(self.level)

    def need(self, record: VolumeRecord) -> Need:
        """A NIfTI volume's unpacked files as they are read, or a DICOM volume's frames."""
        return Need.FRAMES if record.format == "dicom" else Need.STREAMED

    def accepts(self, record: VolumeRecord) -> str:
        """Refuse pictures, and incomplete volumes unless they are asked for."""
        if record.encoding is not None and record.encoding.is_pictures:
            return "pictures, of which no NIfTI is made: `hbimg export` gives their files"
        if record.missing is not None and not self.accept_incomplete:
            return "incomplete: --accept-incomplete takes it"
        if "positions_mm" in record.plane_map and not self.accept_incomplete:
            return "uneven planes, which fit no affine: dicom2nifti converts it, --accept-incomplete takes it"
        if record.format == "dicom" and record.encoding is not None and record.encoding.samples != 1:
            return "DICOM in colour: dicom2nifti converts it"
        return ""

    def map(self, volume: LoadedVolume) -> Iterable[Artefact]:
        """Give ``<scan>.nii.gz``, or ``<scan>_part-mag.nii.gz`` and its like."""
        level = GzipLevel.parse(self.level)
        if volume.record.format == "dicom":
            from hbimg.mapreduce.jobs.nifti_file import nifti_files

            for name, file in nifti_files(volume):
                yield Artefact("_".join(filter(None, (volume.stem, name))) + ".nii.gz", level.compress(file))
            return
        yield from _files(volume, level)


def _files(volume: LoadedVolume, level: GzipLevel) -> Iterator[Artefact]:
    for stored, pieces in volume.streams:
        if stored.is_attached:
            continue
        suffix = next((s for s in _NIFTI_SUFFIXES if stored.name.lower().endswith(s)), ".nii")
        yield Artefact(f"{volume.stem}{suffix.removesuffix('.gz')}.gz", level.compress_pieces(pieces))
