"""Transfer syntaxes and SOP classes: which we cut into frames, and what the others are."""

from __future__ import annotations

from hbimg.ingest.dicom.elements import DEFLATED, EXPLICIT_BIG, EXPLICIT_LITTLE, IMPLICIT_LITTLE

#: Pixels stand in the (inflated) file as plain samples. GE's private syntax writes them big endian, so it is not among
#: them.
NATIVE = frozenset((IMPLICIT_LITTLE, EXPLICIT_LITTLE, EXPLICIT_BIG, DEFLATED))

#: Each frame is compressed by itself, and pydicom can decode it: RLE, JPEG, JPEG-LS, JPEG 2000, HTJ2K.
COMPRESSED = frozenset(
    f"1.2.840.10008.1.2.{tail}"
    for tail in ("5", "4.50", "4.51", "4.57", "4.70", "4.80", "4.81", "4.90", "4.91", "4.201", "4.202", "4.203")
)

DICOMDIR = "1.2.840.10008.1.3.10"
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
_STORAGE = "1.2.840.10008.5.1.4.1.1."

#: SOP classes (after the common prefix of storage classes) that hold no classic volume, and what they are.
_NO_VOLUME: dict[str, str] = {
    "88": "a structured report",
    "11": "a presentation state (how to show other images)",
    "104": "an encapsulated document (PDF or alike)",
    "481": "a radiotherapy object",
    "4.2": "MR spectroscopy",
    "9": "a waveform",
    "66": "raw data, a registration or a segmentation",
    "67": "a real-world value mapping",
}


def what_class(sop_class: str) -> str:
    """Say what a SOP class is when it holds no classic volume; empty when it may be one."""
    if sop_class == DICOMDIR:
        return "a DICOMDIR (a table of contents of other files)"
    if not sop_class.startswith(_STORAGE):
        return ""
    parts = sop_class[len(_STORAGE) :].split(".")
    for length in range(len(parts), 0, -1):
        known = _NO_VOLUME.get(".".join(parts[:length]))
        if known:
            return known
    return ""


def what_syntax(transfer_syntax: str) -> str:
    """Say why frames cannot be cut out of files of a transfer syntax; empty when they can."""
    if transfer_syntax in NATIVE or transfer_syntax in COMPRESSED:
        return ""
    return f"in a transfer syntax that hbimg does not know ({transfer_syntax})"
