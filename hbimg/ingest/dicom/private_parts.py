"""Which part of the signal an image shows, where no element of the standard says it but a maker's own one does."""

from __future__ import annotations

from hbimg.ingest.dicom.tags import Tag, Values

#: What GE's (0043,102F) says, by the labels of BIDS.
_GE_KINDS = {0: "mag", 1: "phase", 2: "real", 3: "imag"}
#: GE's (0043,1030) of the magnitude that a sequence for field maps makes beside the map in Hz.
_GE_BESIDE_THE_MAP = 2


def private_part(values: Values) -> str:
    """Give the label of BIDS for what the image shows; empty when no private element that we know says it.

    GE calls magnitude, phase, real and imaginary images of one series alike in everything but (0043,102F), and tells
    the map of the field from its magnitude by nothing but (0043,1030).
    """
    if not (values.text(Tag.MANUFACTURER) or "").upper().startswith("GE"):
        return ""
    sequences = (values.text(Tag.GE_PULSE_SEQUENCE), values.text(Tag.GE_INTERNAL_SEQUENCE))
    if any("b0map" in (name or "").lower() for name in sequences):
        return "mag" if values.unsigned(Tag.GE_COLLAPSE_FLAG) == _GE_BESIDE_THE_MAP else "fieldmap"
    kind = values.unsigned(Tag.GE_IMAGE_KIND)
    return "" if kind is None else _GE_KINDS.get(kind, "")
