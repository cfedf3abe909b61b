"""The header of one file as DICOM's JSON model (PS3.18, annex F), without bulk and without the names of persons."""

from __future__ import annotations

import json
import struct
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hbimg.errors import UnreadableFileError
from hbimg.ingest.dicom.deflated import unpacked
from hbimg.ingest.dicom.elements import PIXEL_TAGS

#: Binary values above this are left out; the file itself has them still.
MAX_BINARY_BYTES = 1024

_BINARY = frozenset(("OB", "OD", "OF", "OL", "OV", "OW", "UN"))


def header_json(path: Path) -> dict[str, Any]:
    """Give the header of a DICOM file as a JSON-ready mapping; see `read_header`."""
    return read_header(path)[0]


def read_header(path: Path, packing: Mapping[str, Any] | None = None) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Read the header of a DICOM file, packed as `packing` says.

    Returns
    -------
    fields : dict
        Tag as eight hex digits to ``{"vr": ..., "Value": [...]}``. Pixel data, binary values above
        `MAX_BINARY_BYTES` and names of persons are left out, in sequences too.
    remarks : tuple of str
        Elements that could not be read and were left out.

    Raises
    ------
    UnreadableFileError
        If pydicom cannot read the file at all.
    """
    from pydicom.errors import BytesLengthException, InvalidDicomError

    # What pydicom raises on odd elements of real files; a loop of sequences, or a length beyond memory, is one too.
    odd_element = (
        *(ArithmeticError, AttributeError, BytesLengthException, LookupError, MemoryError, OSError, RuntimeError),
        *(TypeError, ValueError, struct.error),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom warns of values that break the standard; they are kept as they are
        try:
            dataset = _dataset(path, packing)
        except UnreadableFileError:
            raise
        except (InvalidDicomError, EOFError, *odd_element) as error:
            raise UnreadableFileError(f"{path} is a broken DICOM file: {' '.join(str(error).split())}") from error
        fields: dict[str, Any] = {}
        odd: list[str] = []
        for tag in sorted(dataset.keys()):
            try:
                field = _field(dataset, tag)
            except odd_element:
                odd.append(f"({tag >> 16:04X},{tag & 0xFFFF:04X})")
                continue
            if field is not None:
                fields[f"{tag:08X}"] = field
    return fields, (f"{path.name}: left out of the header, as unreadable: {', '.join(odd)}",) if odd else ()


def _dataset(path: Path, packing: Mapping[str, Any] | None) -> Any:
    import pydicom
    from pydicom.filereader import read_dataset

    if packing is None:
        return pydicom.dcmread(path, stop_before_pixels=True, force=True)
    start = packing.get("start", 0)
    stream, _ = unpacked(path, start)
    with stream:
        stream.seek(start)
        if not start:
            return pydicom.dcmread(stream, stop_before_pixels=True, force=True)
        # pydicom would inflate it once more, and without a limit.
        until_pixels = lambda tag, *_: tag in PIXEL_TAGS  # noqa: E731
        return read_dataset(stream, is_implicit_VR=False, is_little_endian=True, stop_when=until_pixels)


def _field(dataset: Any, tag: int) -> dict[str, Any] | None:
    field = dataset[tag].to_json_dict(lambda _: "", MAX_BINARY_BYTES)
    pruned = _pruned(field)
    json.dumps(pruned, allow_nan=False)  # raises ValueError on what JSON cannot hold
    return pruned


def _pruned(field: dict[str, Any]) -> dict[str, Any] | None:
    """Take out names of persons and bulk, in items of sequences too."""
    vr = field.get("vr")
    if vr == "PN" or "BulkDataURI" in field:
        return None
    if vr == "SQ":
        items = [
            {tag: kept for tag, inner in item.items() if (kept := _pruned(inner)) is not None}
            for item in field.get("Value", ())
        ]
        return {"vr": vr, "Value": items} if items else {"vr": vr}
    if vr in _BINARY and len(field.get("InlineBinary", "")) > MAX_BINARY_BYTES * 4 // 3 + 4:
        return None
    return field
