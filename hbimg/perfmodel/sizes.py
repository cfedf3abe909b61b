"""Sizes of the volumes under a folder, without reading more of a file than tells what it is.

A `.nii` or `.nii.gz` file is one volume; the DICOM files of one folder are taken as one volume, which is how converters
and archives lay series out. Other files are counted and left out.
"""

from __future__ import annotations

import os
import re
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hbimg.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator

_NIFTI = (".nii", ".nii.gz")
_DICOM = (".dcm", ".dicom", ".ima")
#: Names without a telling suffix, as archives give them: no dot, or what follows the last dot is a number (a UID).
_UNTOLD = re.compile(r"[^.]+|.*\.\d+")
_MAGIC_OFFSET, _MAGIC = 128, b"DICM"


@dataclass(frozen=True)
class FoundSizes:
    """Bytes of each volume in the order of their paths, and how many of which were found."""

    volume_bytes: tuple[int, ...]
    nifti_files: int
    dicom_files: int
    dicom_folders: int
    other_files: int


def volume_sizes(path: Path) -> FoundSizes:
    """Volumes at `path` (a folder, or one file); ConfigError when it is not there, not readable, or holds none."""
    nifti: dict[Path, int] = {}
    dicom: dict[Path, int] = defaultdict(int)
    dicom_files = other_files = 0
    for file in _files(path):
        kind = _kind(file)
        if kind == "nifti":
            nifti[file] = file.stat().st_size
        elif kind == "dicom":
            dicom[file.parent] += file.stat().st_size
            dicom_files += 1
        else:
            other_files += 1
    sizes = tuple(size for _, size in sorted([*nifti.items(), *dicom.items()]))
    if not any(sizes):
        raise ConfigError(f"{path} holds no NIfTI or DICOM files that are not empty ({other_files} other files)")
    return FoundSizes(sizes, len(nifti), dicom_files, len(dicom), other_files)


def _files(path: Path) -> Iterator[Path]:
    def refuse(error: OSError) -> None:
        raise ConfigError(f"cannot read the folder {error.filename}: {error.strerror}") from error

    if path.is_file():
        yield path
        return
    for folder, _, names in os.walk(path, onerror=refuse):
        for name in names:
            yield Path(folder) / name


def _kind(file: Path) -> str:
    name = file.name.lower()
    # A link that leads nowhere is no volume either.
    if not file.is_file() or name.startswith("."):
        return "other"
    if name.endswith(_NIFTI):
        return "nifti"
    if name.endswith(_DICOM):
        return "dicom"
    return "dicom" if _UNTOLD.fullmatch(name) and _has_magic(file) else "other"


def _has_magic(file: Path) -> bool:
    try:
        with file.open("rb") as stream:
            return stream.read(_MAGIC_OFFSET + len(_MAGIC))[_MAGIC_OFFSET:] == _MAGIC
    except OSError as error:
        raise ConfigError(f"cannot read {file}: {error.strerror}") from error
