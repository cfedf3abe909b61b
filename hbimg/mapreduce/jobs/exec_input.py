"""What `exec` hands to a command: a volume or one plane of it, as files in a folder."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import numpy.typing as npt

from hbimg.errors import VolumeFailedError
from hbimg.mapreduce.job import LoadedFile, LoadedVolume, Need
from hbimg.mapreduce.jobs.gzipping import DEFAULT_LEVEL, GzipLevel
from hbimg.mapreduce.jobs.nifti_file import nifti_files, plane_bytes
from hbimg.store import Buffer
from hbimg.volumes import VolumeRecord
from hbimg.volumes.parts import parts_of
from hbimg.volumes.pictures import encode_png

#: How the input may be given.
FORMS = ("original", "nifti", "nifti.gz", "dicom", "image")
_FILES = ("original", "dicom")
_SUFFIX = re.compile(r"(\.nii|\.hdr|\.img)?\.[a-z0-9]{1,8}\Z", re.IGNORECASE)
_IMAGES = (".nii.gz", ".nii", ".hdr", ".hdr.gz")


def why_not(record: VolumeRecord, form: str, *, by_frame: bool) -> str:
    """Give '' if a volume can be given in a form, else in a few words why not."""
    if form in _FILES:
        return _why_no_files(record, form, by_frame=by_frame)
    if record.geometry is None or record.encoding is None:
        return "it has no decodable frames"
    planes = math.prod(record.geometry.shape[2:])
    if form == "image":
        return "" if by_frame or planes == 1 else "it has several planes: --per frame gives one image for each"
    if record.encoding.samples != 1 and (by_frame or not _is_nifti(record)):
        return "in colour: --input-as original or image"
    if not _is_nifti(record) and record.format != "dicom":
        return f"no NIfTI is made of {record.format}"
    names = [part.name for part in parts_of(record)]
    if len(names) > 1 and not by_frame:
        return f"it holds {len(names)} images ({', '.join(names)}), not one: --input-as dicom"
    return ""


def _why_no_files(record: VolumeRecord, form: str, *, by_frame: bool) -> str:
    if form == "dicom" and record.format != "dicom":
        return "no DICOM"
    if by_frame and (record.files < record.frames or (_is_nifti(record) and record.frames > 1)):
        return "its files hold several frames: --input-as nifti or image"
    return ""


def need_of(record: VolumeRecord, form: str, *, by_frame: bool) -> Need:
    """Tell what has to be loaded."""
    if form in _FILES:
        return Need.ORIGINALS
    return Need.UNPACKED if form.startswith("nifti") and _is_nifti(record) and not by_frame else Need.FRAMES


def _is_nifti(record: VolumeRecord) -> bool:
    return record.format.startswith("nifti")


def write_volume(volume: LoadedVolume, form: str, window: str, folder: Path) -> Path:
    """Write a volume into a folder and give the path for ``{input}``: a file, or for DICOM files the folder."""
    if form == "image":
        return _write(folder / f"{volume.stem}.png", [_png(volume, _planes(volume)[0], window)])
    if form in _FILES:
        return _write_files(volume, folder)
    if not _is_nifti(volume.record):
        ((_, whole),) = nifti_files(volume)
        return _write_nifti(folder / f"{volume.stem}.nii", whole, form)
    return _write_nifti(folder / f"{volume.stem}.nii", _single_file(volume), form)


def write_frames(volume: LoadedVolume, form: str, window: str, folder: Path) -> Iterator[tuple[int, Path]]:
    """Write one frame after the other into a folder; give its running number and the path for ``{input}``."""
    if form in _FILES:
        for number, file in enumerate(file for file in volume.files if not file.stored.is_attached):
            suffix = ".dcm" if volume.record.format == "dicom" else _suffix_of(file)
            yield number, _write(folder / f"{number:06d}{suffix}", [file.data])
        return
    for number, plane in enumerate(_planes(volume)):
        if form == "image":
            yield number, _write(folder / f"{number:06d}.png", [_png(volume, plane, window)])
        else:
            yield number, _write_nifti(folder / f"{number:06d}.nii", plane_bytes(volume, plane, number), form)


def _write(path: Path, pieces: Any) -> Path:
    with path.open("wb") as stream:
        for piece in pieces:
            stream.write(piece)
    return path


def _write_nifti(path: Path, data: Buffer, form: str) -> Path:
    if form == "nifti":
        return _write(path, [data])
    return _write(path.with_name(f"{path.name}.gz"), GzipLevel.parse(DEFAULT_LEVEL).compress(data))


def _write_files(volume: LoadedVolume, folder: Path) -> Path:
    if volume.record.format == "dicom":
        for number, file in enumerate(volume.files):
            _write(folder / f"{number:06d}.dcm", [file.data])
        return folder
    written = []
    for number, file in enumerate(volume.files):
        path = folder / _name_of(volume, file)
        if path in written:
            path = folder / f"{volume.stem}-{number}{_suffix_of(file)}"
        written.append(_write(path, [file.data]))
    # A NIfTI file may have company: the other half of a pair, a sidecar.
    images = [path for path in written if path.name.lower().endswith(_IMAGES)]
    return (images or written)[0]


def _name_of(volume: LoadedVolume, file: LoadedFile) -> str:
    """Give a file the scan's name, as its sidecars; what else lies beside it keeps its own (events, physio)."""
    own = PurePosixPath(file.stored.name).name
    image = PurePosixPath(volume.files[0].stored.name).name
    if file.stored.is_attached and own.partition(".")[0] != image.partition(".")[0]:
        return own
    return f"{volume.stem}{_suffix_of(file)}"


def _suffix_of(file: LoadedFile) -> str:
    match = _SUFFIX.search(PurePosixPath(file.stored.name).name)
    return match[0] if match else ""


def _single_file(volume: LoadedVolume) -> Buffer:
    """Give a NIfTI volume as one file: of a pair, the header and the voxels in one."""
    files = {_suffix_of(file).lower().removesuffix(".gz"): file.data for file in volume.files}
    if not volume.record.format.endswith("-pair"):
        return files.get(".nii", volume.files[0].data)
    import nibabel

    head, voxels = bytes(files[".hdr"]), files[".img"]
    pair, single = (
        (nibabel.nifti2.Nifti2PairHeader, nibabel.Nifti2Header)
        if volume.record.format.startswith("nifti2")
        else (nibabel.nifti1.Nifti1PairHeader, nibabel.Nifti1Header)
    )
    header = pair(head[: pair.template_dtype.itemsize], check=False)
    start, offset = int(header["vox_offset"]), single.single_vox_offset
    header["magic"], header["vox_offset"] = single.single_magic, offset
    start_bytes: bytes = header.binaryblock
    return start_bytes.ljust(offset, b"\0") + bytes(voxels[start:])


def _planes(volume: LoadedVolume) -> npt.NDArray[Any]:
    """Give all planes: an array of shape (planes, i, j), for colour (planes, i, j, samples); a view."""
    geometry = volume.record.geometry
    assert geometry is not None
    voxels = volume.voxels()
    samples = voxels.shape[len(geometry.shape) :]
    # The first index runs fastest, so planes are put in front from the back.
    spatial = voxels.reshape(*geometry.shape[:2], -1, *samples, order="F")
    return np.moveaxis(spatial, 2, 0)


def _png(volume: LoadedVolume, plane: npt.NDArray[Any], window: str) -> bytes:
    """Give a plane as a PNG file whose rows are those that are stored; exact, unless a window is given."""
    return encode_png(_grey(volume, np.swapaxes(plane, 0, 1), window))


def _grey(volume: LoadedVolume, pixels: npt.NDArray[Any], window: str) -> npt.NDArray[Any]:
    if pixels.ndim == 3 or (not window and pixels.dtype == np.uint8):
        return pixels.astype(np.uint8)
    geometry = volume.record.geometry
    assert geometry is not None
    if window:
        low, high = window_of(window)
        scaled = (pixels * geometry.slope + geometry.intercept - low) / (high - low)
        return (np.clip(np.nan_to_num(scaled), 0, 1) * 255).round().astype(np.uint8)
    if pixels.dtype.kind not in "iub" or pixels.min() < 0 or pixels.max() > 0xFFFF:
        raise VolumeFailedError(
            f"{volume.record.key}: values from {pixels.min()} to {pixels.max()} ({pixels.dtype}) do not fit an image "
            "of 16 bits: --window LOW,HIGH says what is black and white"
        )
    return pixels.astype(np.uint16)


def window_of(text: str) -> tuple[float, float]:
    """Read ``LOW,HIGH``; ValueError unless they are two finite numbers in this order."""
    low, high = (float(part) for part in text.split(","))
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ValueError(text)
    return low, high
