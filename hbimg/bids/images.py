"""The NIfTI images that stored volumes give to a data set: what a conversion made, or files that came in as NIfTI."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from hbimg.errors import ExportError, NoPlaceError
from hbimg.volumes import Manifest, StoredArtefact, StoredFile, VolumeReader, VolumeRecord, VolumeTable, read_artefact

_IMAGES = (".nii.gz", ".nii")
#: What may stand beside an image and takes its name.
_BESIDE = (".bval", ".bvec")
_SIDECAR = ".json"
_MAX_SIDECAR_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class Image:
    """An image with what stands beside it.

    Attributes
    ----------
    record : VolumeRecord
        The volume that it is, or was made of.
    suffix : str
        What tells it from other images of the same volume: ``_e2``, ``_ph``; empty for the main one.
    files : mapping
        File name extension to a function that gives the file's bytes in pieces.
    sidecar : mapping
        What its JSON sidecar says; empty without one.
    """

    record: VolumeRecord
    suffix: str
    files: Mapping[str, Callable[[], Iterator[bytes]]]
    sidecar: Mapping[str, Any]


def images_of(volumes: VolumeTable, record: VolumeRecord, manifest: Manifest | None, result: str) -> list[Image]:
    """Give the images of a volume that is part of no data set yet.

    Raises
    ------
    NoPlaceError
        If it gives none: a pair of files, pictures, a set-aside series.
    ExportError
        If it is a DICOM volume without a current conversion, or its sidecar cannot be read.
    """
    if not record.is_volume:
        raise NoPlaceError(f"{record.kind}: {record.reason or 'no volume'}")
    if record.format == "dicom":
        return _converted(volumes, record, manifest, result)
    if record.format not in ("nifti1", "nifti2"):
        raise NoPlaceError(f"{record.format} has no place in BIDS")
    return [_original(volumes, record)]


def _converted(volumes: VolumeTable, record: VolumeRecord, manifest: Manifest | None, result: str) -> list[Image]:
    if manifest is None:
        raise ExportError(f"it has no result {result!r}: run `hbimg run dicom2nifti` first")
    if manifest.input_digest != record.digest:
        raise ExportError(f"its result {result!r} is of an earlier volume: run `hbimg run dicom2nifti` again")
    by_name = {artefact.name: artefact for artefact in manifest.artefacts}
    found = []
    for name, image in by_name.items():
        extension = _extension(name)
        if not extension:
            continue
        base = name.removesuffix(extension)
        beside = {e: by_name[base + e] for e in (*_BESIDE, _SIDECAR) if base + e in by_name}
        sidecar = beside.pop(_SIDECAR, None)
        read = partial(_artefact, volumes, manifest)
        files = {extension: read(image), **{e: read(artefact) for e, artefact in beside.items()}}
        known = _json(record, read(sidecar)) if sidecar else {}
        found.append(Image(record, base.removeprefix(record.key.scan), files, known))
    if not found:
        raise NoPlaceError(f"its result {result!r} has no NIfTI image")
    return sorted(found, key=lambda image: image.suffix)


def _artefact(volumes: VolumeTable, manifest: Manifest, artefact: StoredArtefact) -> Callable[[], Iterator[bytes]]:
    return partial(read_artefact, volumes, manifest, artefact)


def _original(volumes: VolumeTable, record: VolumeRecord) -> Image:
    reader = VolumeReader(volumes, record)
    stored = list(reader.files())
    image = stored[0]
    extension = ".nii" if image.packing is None else ".nii.gz"
    beside: dict[str, StoredFile] = {}
    for file in stored[1:]:
        for e in (*_BESIDE, _SIDECAR):
            if file.name.endswith(e):
                beside[e] = file
    sidecar = beside.pop(_SIDECAR, None)
    files = {e: partial(_bytes_of, reader, file.number) for e, file in {extension: image, **beside}.items()}
    known = _json(record, partial(_bytes_of, reader, sidecar.number)) if sidecar else {}
    return Image(record, "", files, known)


def _bytes_of(reader: VolumeReader, number: int) -> Iterator[bytes]:
    for stored, pieces in reader.originals():
        if stored.number == number:
            yield from pieces
            return


def _json(record: VolumeRecord, read: Callable[[], Iterator[bytes]]) -> dict[str, Any]:
    data = bytearray()
    for piece in read():
        data += piece
        if len(data) > _MAX_SIDECAR_BYTES:
            raise ExportError(f"its sidecar has more than {_MAX_SIDECAR_BYTES >> 20} MiB")
    try:
        found = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ExportError(f"its sidecar is no JSON: {error}") from error
    if not isinstance(found, dict):
        raise ExportError(f"the sidecar of {record.key.scan} is no JSON object")
    return found


def _extension(name: str) -> str:
    return next((extension for extension in _IMAGES if name.endswith(extension)), "")


def is_resampled(suffix: str) -> bool:
    """Whether an image is one of the extras in which dcm2niix evened out uneven planes or a tilt."""
    return any(mark in suffix for mark in ("_Eq", "_Tilt"))


def guess_of(sidecar: Mapping[str, Any]) -> Sequence[str]:
    """Give dcm2niix's guess, (datatype, entities and suffix); empty without one."""
    guess = sidecar.get("BidsGuess")
    is_guess = isinstance(guess, list) and len(guess) == 2 and all(isinstance(part, str) for part in guess)
    return guess if is_guess and guess else ()
