"""The header of one file as DICOM's JSON model (PS3.18, annex F), without bulk and without the names of persons."""

from __future__ import annotations

import json
import struct
import warnings
from pathlib import Path
from typing import Any

from hbimg.errors import UnreadableFileError

#: Binary values above this are left out; the file itself has them still.
MAX_BINARY_BYTES = 1024

_BINARY = frozenset(("OB", "OD", "OF", "OL", "OV", "OW", "UN"))


def header_json(path: Path) -> dict[str, Any]:
    """Give the header of a DICOM file as a JSON-ready mapping; see `read_header`."""
    return read_header(path)[0]


def read_header(path: Path) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Read the header of a DICOM file.

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
    import pydicom
    from pydicom.errors import BytesLengthException, InvalidDicomError

    # What pydicom raises on odd elements of real files; a loop of sequences, or a length beyond memory, is one too.
    odd_element = (
        *(ArithmeticError, AttributeError, BytesLengthException, LookupError, MemoryError, OSError, RuntimeError),
        *(TypeError, ValueError, struct.error),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom warns of values that break the standard; they are kept as they are
        try:
            dataset = pydicom.dcmread(path, stop_before_pixels=True, force=True)
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
