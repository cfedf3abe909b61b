"""`dicom2nifti`: every DICOM series converted by dcm2niix, with a stripped sidecar and a map of its planes."""

from __future__ import annotations

import json
import re
import shutil
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from hbimg.errors import ParameterError, VolumeFailedError
from hbimg.mapreduce.job import Artefact, Job, LoadedFile, LoadedVolume, Need, parameter
from hbimg.mapreduce.jobs.gzipping import DEFAULT_LEVEL, GzipLevel
from hbimg.mapreduce.jobs.plane_map import plane_map
from hbimg.mapreduce.jobs.sidecar import blank_header_texts, stripped_sidecar
from hbimg.mapreduce.loading import STAGED_FOLDER
from hbimg.mapreduce.tools import run_tool
from hbimg.store import Buffer
from hbimg.volumes import VolumeRecord

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

#: The base name that dcm2niix is given; what it appends (``_Eq_1``, ``_e2``, ``_ph``) names the extras.
_BASE = "volume"
_DEFLATED, _PLAIN = b"1.2.840.10008.1.2.1.99", b"1.2.840.10008.1.2.1"
_HEADER_BYTES = 348
#: What dcm2niix does not decode: 12-bit JPEG, and HTJ2K.
_NOT_READ = frozenset(f"1.2.840.10008.1.2.4.{tail}" for tail in ("51", "201", "202", "203"))


def _converter_version() -> str:
    try:
        return installed_version("dcm2niix")
    except PackageNotFoundError:
        return "none"


@dataclass(frozen=True)
class Dicom2Nifti(Job):
    """Convert every DICOM series to NIfTI with dcm2niix.

    Gives <scan>.nii.gz, its JSON sidecar without names of persons, institutions and devices, .bval and .bvec where
    there are any, extra images that dcm2niix made under their suffix, and <scan>.planes.json, which tells for each
    DICOM file the plane it became.
    """

    name: ClassVar[str] = "dicom2nifti"
    version: ClassVar[str] = f"2 dcm2niix {_converter_version()}"
    bytes_per_s: ClassVar[float] = 20e6
    examples: ClassVar[tuple[str, ...]] = (
        "hbimg run dicom2nifti --table t1",
        "hbimg run dicom2nifti --table t1 --uncompressed --where 'adhd/sub-0*'",
    )

    level: str = parameter(DEFAULT_LEVEL, "igzip-0 to igzip-3, gzip-1 to gzip-9 (classic), libdeflate-1 to -12.")
    uncompressed: bool = parameter(False, "Give .nii instead of .nii.gz.")
    accept_incomplete: bool = parameter(False, "Take volumes that were stored although planes are missing or uneven.")
    time_limit_s: float = parameter(3600.0, "Kill dcm2niix when it takes longer for one series, in seconds.")

    def __post_init__(self) -> None:
        """Check the parameters."""
        GzipLevel.parse(self.level)
        if not self.time_limit_s > 0:
            raise ParameterError(f"time limit {self.time_limit_s} s: it must be above 0")

    def need(self, record: VolumeRecord) -> Need:  # noqa: ARG002 - the contract's signature
        """The original files as files, unpacked where they were gzipped or deflated: dcm2niix reads neither."""
        return Need.STAGED

    def accepts(self, record: VolumeRecord) -> str:
        """Refuse what is no DICOM, and incomplete ones unless they are asked for: dcm2niix would not complain."""
        if record.format != "dicom":
            return "NIfTI already" if record.format.startswith("nifti") else f"no DICOM but {record.format}"
        if record.missing is not None and not self.accept_incomplete:
            return "incomplete: --accept-incomplete takes it"
        return ""

    def map(self, volume: LoadedVolume) -> Iterable[Artefact]:
        """Run dcm2niix on the series and give what it wrote."""
        source, target = volume.scratch / STAGED_FOLDER, volume.scratch / "converted"
        target.mkdir()
        for file in volume.files:
            _call_plain(file)
            _decompress(file, volume.record)
        self._convert(source, target, volume.scratch)
        shutil.rmtree(source)  # the disk is freed as soon as it may be
        made = sorted(path for path in target.iterdir() if path.is_file())
        images = [path for path in made if path.suffix == ".nii"]
        if not images:
            raise VolumeFailedError("dcm2niix gave no image, though it told of no error")
        for path in made:
            yield from self._artefacts(path, volume)

    def _convert(self, source: Path, target: Path, scratch: Path) -> None:
        import dcm2niix

        command = [dcm2niix.bin, "-b", "y", "-ba", "y", "-z", "n", "-f", _BASE, "-o", str(target), str(source)]
        status, output = run_tool(command, scratch, self.time_limit_s)
        if status != 0:
            raise VolumeFailedError(f"dcm2niix ended with status {status}: {_last_words(output)}")

    def _artefacts(self, path: Path, volume: LoadedVolume) -> Iterator[Artefact]:
        # `volume.nii` is the image; `volume_Eq_1.nii` and its like are extras and keep their suffix.
        name = volume.stem + path.name.removeprefix(_BASE)
        if path.suffix != ".nii":
            data = path.read_bytes()
            yield Artefact(name, [stripped_sidecar(data) if path.suffix == ".json" else data])
            return
        import numpy as np

        nifti = np.memmap(path, np.uint8, mode="c")  # what is changed in it is changed in memory only
        path.unlink()
        blank_header_texts(nifti)
        pieces: Iterable[Buffer] = (
            [nifti.data] if self.uncompressed else GzipLevel.parse(self.level).compress(nifti.data)
        )
        image = name if self.uncompressed else f"{name}.gz"
        yield Artefact(image, pieces)
        if path.stem == _BASE:
            found = _planes(nifti, image, volume)
            yield Artefact(f"{volume.stem}.planes.json", [found])


def _call_plain(file: LoadedFile) -> None:
    """Let an inflated file say in its meta information that it is plain, in the same number of bytes."""
    if file.path is None or not file.stored.packing or file.stored.packing["kind"] != "deflate":
        return
    with file.path.open("r+b") as stream:
        head = stream.read(file.stored.packing["start"])
        stream.seek(0)
        stream.write(head.replace(_DEFLATED, _PLAIN.ljust(len(_DEFLATED), b"\0"), 1))


def _decompress(file: LoadedFile, record: VolumeRecord) -> None:
    """Decode the pixels of a staged file in place, with pydicom, where dcm2niix cannot."""
    if file.path is None or record.encoding is None or record.encoding.transfer_syntax not in _NOT_READ:
        return
    import pydicom

    try:
        dataset = pydicom.dcmread(file.path)
        dataset.decompress(generate_instance_uid=False)
        dataset.save_as(file.path)
    except (AttributeError, NotImplementedError, RuntimeError, TypeError, ValueError) as error:
        words = (
            f"its pixels cannot be decoded: {' '.join(str(error).split())}; pip install 'hbimg[codecs]' has decoders"
        )
        raise VolumeFailedError(words) from error


def _planes(nifti: npt.NDArray[np.uint8], image: str, volume: LoadedVolume) -> bytes:
    found = plane_map(volume, image, *_place(nifti[:_HEADER_BYTES].tobytes()))
    # A line for each plane; json's own indentation takes ten times as long.
    planes = ",\n ".join(json.dumps(plane, ensure_ascii=False) for plane in found.pop("planes"))
    return f'{json.dumps(found, ensure_ascii=False)[:-1]}, "planes": [\n {planes}\n]}}\n'.encode()


def _place(header: bytes) -> tuple[npt.NDArray[np.float64], tuple[int, ...]]:
    """Give affine and shape of a NIfTI-1 header.

    dcm2niix writes an sform in the machine's byte order, which costs nothing to read; nibabel, for anything else, takes
    a third of a second to load.
    """
    import numpy as np

    dim = struct.unpack_from("<8h", header, 40)
    if struct.unpack_from("<i", header)[0] == _HEADER_BYTES and struct.unpack_from("<h", header, 254)[0] > 0:
        rows = struct.unpack_from("<12f", header, 280)
        return np.array([*np.reshape(rows, (3, 4)), (0, 0, 0, 1)], np.float64), dim[1 : 1 + dim[0]]
    import io

    import nibabel

    read = nibabel.Nifti1Image.header_class.from_fileobj(io.BytesIO(header), check=False)
    return read.get_best_affine(), read.get_data_shape()


def _last_words(output: str) -> str:
    """Give the line in which dcm2niix says what is wrong, or its last one; paths in it are ours."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if re.search(r"error|unsupported|unable", line, re.IGNORECASE)]
    return (errors or lines or ["it said nothing"])[-1]
