"""NIfTI-1 and NIfTI-2: single files and pairs, either byte order, up to seven dimensions, gzipped or not.

Reads the header only and checks what it promises against the file's size; nothing is unpacked here but a header.
"""

from __future__ import annotations

import math
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from nibabel.nifti1 import Nifti1Header, Nifti1PairHeader, data_type_codes, intent_codes
from nibabel.nifti2 import Nifti2Header, Nifti2PairHeader
from nibabel.spatialimages import HeaderDataError

from hbimg.errors import UnreadableFileError
from hbimg.ingest.candidates import Candidate, CandidateFile, Names, Outcome
from hbimg.ingest.heads import read_head
from hbimg.model import Geometry
from hbimg.rowkeys.scheme import MAX_FRAMES
from hbimg.volumes.content import FrameEncoding, FrameRun

_HEADER_BYTES = {1: 348, 2: 540}
_MAGIC = {b"n+1\0": (1, False), b"ni1\0": (1, True), b"n+2\0": (2, False), b"ni2\0": (2, True)}
_AXES = ("i", "j", "k", "t", "d5", "d6", "d7")
_SECONDS_PER_UNIT = {8: 1.0, 16: 1e-3, 24: 1e-6}
#: Planes below this are gathered, up to about _GATHERED_BYTES in a frame: a row for each voxel would help nobody.
_SMALL_PLANE_BYTES = 4096
_GATHERED_BYTES = 65536
_RGB_SAMPLES = {128: 3, 2304: 4}
#: IEEE quadruple precision and its complex numbers: numpy has them on some machines only.
_QUADRUPLE = (1536, 2048)
#: Intents from here on are CIFTI-2's: matrices over grayordinates, in the clothes of a NIfTI-2 file.
_CIFTI_INTENTS = range(3000, 3100)


def is_nifti(head: bytes) -> bool:
    """Whether the first 352 bytes of an (unpacked) file are those of a NIfTI header."""
    return _version_of(head) is not None


def is_analyze(head: bytes) -> bool:
    """Whether the first 348 bytes of an (unpacked) file are an ANALYZE 7.5 header: NIfTI-1's forerunner."""
    if len(head) < 348 or _version_of(head) is not None or head[38:39] != b"r":
        return False
    return any(struct.unpack(order + "i", head[:4])[0] == 348 for order in "<>")


def _version_of(head: bytes) -> tuple[int, bool] | None:
    """Give (NIfTI version, whether the header stands apart from the voxels)."""
    if len(head) < 348:
        return None
    sizes = {struct.unpack(order + "i", head[:4])[0] for order in "<>"}
    if 348 in sizes:
        return _MAGIC.get(head[344:348]) if head[344:348] in (b"n+1\0", b"ni1\0") else None
    if 540 in sizes:
        return _MAGIC.get(head[4:8]) if head[4:8] in (b"n+2\0", b"ni2\0") else None
    return None


def nifti_candidate(path: Path) -> Candidate:
    """Judge a NIfTI file, or the header of a pair.

    Raises
    ------
    UnreadableFileError
        If the header is broken, promises more than the file holds, or the other half of a pair is missing.
    """
    try:
        return _judge(path, read_head(path, _HEADER_BYTES[2]).data)
    except OSError as error:
        raise UnreadableFileError(f"{error.filename or path} cannot be read: {error.strerror}") from error


def _judge(path: Path, head: bytes) -> Candidate:
    found = _version_of(head)
    if found is None:
        raise UnreadableFileError(f"{path} is no NIfTI file")
    version, is_pair = found
    header = _parse(path, head, version, is_pair)
    name = f"nifti{version}" + ("-pair" if is_pair else "")
    least_offset = 0 if is_pair else _HEADER_BYTES[version]
    aside = _why_no_planes(header)
    if aside:
        format_name, reason = aside
        return _kept_whole(path, header, least_offset, format_name or name, reason)
    geometry, encoding, plane_bytes = _describe(path, header)
    offset = _offset(path, header, least_offset)
    voxels_path = _partner(path) if is_pair else path
    runs = _runs(offset, plane_bytes, math.prod(geometry.shape[2:]), encoding.planes)
    files = [_file(voxels_path, runs)]
    _check_size(voxels_path, files[0], runs[-1].offset + runs[-1].count * runs[-1].length)
    if is_pair:
        files.insert(0, _file(path, ()))
    return Candidate(
        outcome=Outcome.STORE,
        reason="",
        format=name,
        files=tuple(files),
        names=Names(scan=stem_of(path)),
        geometry=geometry,
        encoding=encoding,
        header=_fields(header),
        remarks=(),
        plane_map={"order": "running", "axes": list(geometry.axes)},
    )


def _why_no_planes(header: Any) -> tuple[str, str] | None:
    """Give (format or empty for the usual one, reason) for what is valid NIfTI but no image of planes here."""
    intent = int(header["intent_code"])
    if intent in _CIFTI_INTENTS:
        return "cifti2", f"is CIFTI-2 ({_intent_name(intent)}): values at grayordinates, which make no planes"
    code = int(header["datatype"])
    if code in _QUADRUPLE and data_type_codes.dtype[code].kind == "V":
        return "", f"has 128-bit floats (data type {code}), which numpy does not have on this machine"
    return None


def _kept_whole(path: Path, header: Any, least_offset: int, format_name: str, reason: str) -> Candidate:
    """Keep a file, or a pair, byte for byte; a gzipped one as it lies on the disk."""
    voxel_bytes = math.prod(_shape(path, header)) * max(0, int(header["bitpix"])) // 8
    end = _offset(path, header, least_offset) + voxel_bytes
    files = [_file(path, ())] + ([_file(_partner(path), ())] if format_name.endswith("-pair") else [])
    _check_size(files[-1].path, files[-1], end)
    return Candidate(
        outcome=Outcome.SET_ASIDE,
        reason=f"{path} {reason}",
        format=format_name,
        files=tuple(replace(file, packing=None) for file in files),
        names=Names(scan=stem_of(path)),
        header=_fields(header),
    )


def _intent_name(code: int) -> str:
    """Give the standard's name of an intent, or the number where it has none."""
    return str(intent_codes.label[code]) if code in intent_codes.code else str(code)


def _offset(path: Path, header: Any, least: int) -> int:
    """Give the byte at which the voxels begin."""
    value = header["vox_offset"].item()
    if not math.isfinite(value) or value < least or value != int(value):
        raise UnreadableFileError(f"{path}: its voxels cannot begin at byte {value}; {least} is the first possible one")
    return int(value)


def stem_of(path: Path) -> str:
    """Give a file's name without ``.nii``, ``.hdr``, ``.img`` and ``.gz``."""
    name = path.name
    if name.lower().endswith(".gz"):
        name = name[:-3]
    for suffix in (".nii", ".hdr", ".img"):
        if name.lower().endswith(suffix) and len(name) > len(suffix):
            return name[: -len(suffix)]
    return name


def _parse(path: Path, head: bytes, version: int, is_pair: bool) -> Any:
    classes = {
        (1, False): Nifti1Header,
        (1, True): Nifti1PairHeader,
        (2, False): Nifti2Header,
        (2, True): Nifti2PairHeader,
    }
    size = _HEADER_BYTES[version]
    if len(head) < size:
        raise UnreadableFileError(f"{path} ends inside its header, after {len(head)} of {size} bytes")
    try:
        return classes[version, is_pair](head[:size], check=False)
    except HeaderDataError as error:
        raise UnreadableFileError(f"{path}: its header is broken: {error}") from error


def _describe(path: Path, header: Any) -> tuple[Geometry, FrameEncoding, int]:
    """Give geometry, encoding and the bytes of one plane."""
    shape = _shape(path, header)
    code = int(header["datatype"])
    samples = _RGB_SAMPLES.get(code, 1)
    dtype = np.dtype("u1") if samples > 1 else _dtype(path, header, code)
    item_bytes = dtype.itemsize * samples
    if int(header["bitpix"]) != 8 * item_bytes:
        bits = int(header["bitpix"])
        raise UnreadableFileError(f"{path}: {bits} bits per voxel do not agree with data type {code} ({dtype})")
    plane_bytes = shape[0] * shape[1] * item_bytes
    planes = math.prod(shape[2:])
    geometry = Geometry(
        shape=shape,
        dtype=dtype.str,
        affine=_affine(path, header),
        axes=_AXES[: len(shape)],
        slope=_scaling(header)[0],
        intercept=_scaling(header)[1],
        time_step_s=_time_step_s(header, shape),
    )
    encoding = FrameEncoding(
        dtype=dtype.str,
        rows=shape[1],
        columns=shape[0],
        samples=samples,
        planes=_planes_per_frame(plane_bytes, planes),
        details={"datatype": code, **_intent(header)},
    )
    return geometry, encoding, plane_bytes


def _shape(path: Path, header: Any) -> tuple[int, ...]:
    """Give at least three dimensions, at most seven."""
    dimensions = int(header["dim"][0])
    if not 1 <= dimensions <= 7:
        raise UnreadableFileError(f"{path}: {dimensions} dimensions; NIfTI has 1 to 7")
    shape = tuple(int(n) for n in header["dim"][1 : 1 + dimensions])
    if any(n < 1 for n in shape):
        raise UnreadableFileError(f"{path}: a dimension of {min(shape)} in {shape}; each must be 1 or more")
    return shape + (1,) * (3 - len(shape))


def _dtype(path: Path, header: Any, code: int) -> np.dtype[Any]:
    if code not in data_type_codes.code or code in (0, 1, 255):
        raise UnreadableFileError(f"{path}: data type {code} is none that NIfTI defines for voxels")
    dtype: np.dtype[Any] = np.dtype(data_type_codes.dtype[code]).newbyteorder(header.endianness)
    return dtype


def _affine(path: Path, header: Any) -> tuple[tuple[float, ...], ...]:
    with np.errstate(all="ignore"):
        try:
            affine = np.asarray(header.get_best_affine(), dtype=float)
        except (ValueError, HeaderDataError) as error:
            raise UnreadableFileError(f"{path}: its header gives no affine: {error}") from error
    if not np.isfinite(affine).all():
        raise UnreadableFileError(f"{path}: its affine holds values that are no numbers; mend its qform or sform")
    return tuple(tuple(float(x) for x in row) for row in affine)


def _scaling(header: Any) -> tuple[float, float]:
    slope, intercept = float(header["scl_slope"]), float(header["scl_inter"])
    if slope == 0 or not math.isfinite(slope) or not math.isfinite(intercept):
        return 1.0, 0.0  # the standard: no scaling
    return slope, intercept


def _time_step_s(header: Any, shape: tuple[int, ...]) -> float | None:
    factor = _SECONDS_PER_UNIT.get(int(header["xyzt_units"]) & 0x38)
    step = float(header["pixdim"][4])
    if len(shape) < 4 or shape[3] < 2 or factor is None or not math.isfinite(step) or step <= 0:
        return None
    return step * factor


def _intent(header: Any) -> dict[str, str]:
    """Give what the values mean (a vector, a displacement, a t statistic), where the header says so."""
    code = int(header["intent_code"])
    return {"intent": _intent_name(code)} if code else {}


def _planes_per_frame(plane_bytes: int, planes: int) -> int:
    gathered = max(1, _GATHERED_BYTES // plane_bytes) if plane_bytes < _SMALL_PLANE_BYTES else 1
    needed = -(-planes // (MAX_FRAMES - 1))  # frames are counted with six digits
    return min(max(gathered, needed), planes)


def _runs(offset: int, plane_bytes: int, planes: int, per_frame: int) -> tuple[FrameRun, ...]:
    whole, rest = divmod(planes, per_frame)
    length = plane_bytes * per_frame
    runs = [FrameRun(offset, length, whole, length)]
    if rest:
        runs.append(FrameRun(offset + whole * length, plane_bytes * rest))
    return tuple(runs)


def _file(path: Path, runs: tuple[FrameRun, ...]) -> CandidateFile:
    with path.open("rb") as stream:
        packed = stream.read(2) == b"\x1f\x8b"
    return CandidateFile(path, path.stat().st_size, runs, {"kind": "gzip"} if packed else None)


def _check_size(path: Path, file: CandidateFile, end: int) -> None:
    """Refuse a header that promises more than the file holds; a gzipped file is checked as far as that is cheap."""
    if file.packing is None and end > file.size_bytes:
        raise UnreadableFileError(
            f"{path}: its header promises {end:,} bytes, the file has {file.size_bytes:,}: copy it anew from its source"
        )
    # Deflate packs at most 1032 to 1, so a small file cannot hold more than this.
    if file.packing is not None and end > 1040 * file.size_bytes:
        raise UnreadableFileError(
            f"{path}: its header promises {end:,} bytes, which {file.size_bytes:,} gzipped bytes cannot hold"
        )


def _partner(header_path: Path) -> Path:
    """Find the voxels of a header file: same name with ``.img`` or ``.img.gz``, in the same case if there is one."""
    stem = stem_of(header_path)
    for suffix in (".img", ".img.gz"):
        exact = header_path.with_name(stem + suffix)
        if exact.exists():
            return exact
    wanted = {stem.lower() + ".img", stem.lower() + ".img.gz"}
    found = [p for p in sorted(header_path.parent.iterdir()) if p.name.lower() in wanted]
    if not found:
        raise UnreadableFileError(f"{header_path} is the header of a pair, but {stem}.img is not beside it")
    return found[0]


def _fields(header: Any) -> dict[str, Any]:
    """Give the header's fields as JSON has them: numbers that are none become null."""
    return {name: _jsonable(header[name].tolist()) for name in header}


def _jsonable(value: Any) -> Any:
    if isinstance(value, list):
        return [_jsonable(item) for item in value]
    if isinstance(value, bytes):
        return value.rstrip(b"\0").decode("latin-1")
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
