"""Says of one file why it has no planes of a volume: what it is instead."""

from __future__ import annotations

from hbimg.ingest.dicom.elements import IMPLICIT_LITTLE
from hbimg.ingest.dicom.facts import PALETTE, DicomFacts
from hbimg.ingest.dicom.syntaxes import SECONDARY_CAPTURE, what_class, what_syntax

_GREY = ("MONOCHROME1", "MONOCHROME2", "")
_COLOUR = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_PARTIAL_422", "YBR_PARTIAL_420", "YBR_ICT", "YBR_RCT")
_SAMPLE_BITS = (8, 16, 32, 64)

CAPTURE = "a secondary capture (a screenshot or scan of a picture)"


def why_no_plane(facts: DicomFacts) -> str:
    """Say what a file is when it has no planes of a volume; empty when it may have."""
    return (
        what_class(facts.sop_class)
        or ("" if facts.has_pixels else "a DICOM object without an image")
        or _why_no_planes(facts)
        or ("a scout (its image type says LOCALIZER)" if facts.is_localizer else "")
        or _why_no_capture(facts)
        or what_syntax(facts.transfer_syntax)
        or _why_no_samples(facts)
        or ("" if facts.runs else "a file whose frames cannot be told apart: no offset table or border marks them")
    )


def _why_no_planes(facts: DicomFacts) -> str:
    if facts.inner:
        return ""
    if facts.is_mosaic or facts.is_grid:
        return f"a mosaic (planes beside each other in one frame) that cannot be divided: {facts.why_no_inner}"
    if facts.why_no_inner:
        return f"an enhanced multi-frame image that cannot be divided: {facts.why_no_inner}"
    return f"a multi-frame image ({facts.frames} frames) that does not say where they lie" if facts.frames > 1 else ""


def _why_no_capture(facts: DicomFacts) -> str:
    is_capture = facts.sop_class == SECONDARY_CAPTURE or facts.sop_class.startswith(SECONDARY_CAPTURE + ".")
    if is_capture and facts.position_mm is None and not facts.inner:
        return CAPTURE
    return ""


def _why_no_samples(facts: DicomFacts) -> str:
    if facts.photometric == PALETTE and facts.palette is None:
        return "a palette image whose palette is absent or in segments"
    if facts.photometric not in (*_GREY, *_COLOUR, PALETTE):
        return f"an image in a colour space that hbimg does not know ({facts.photometric})"
    if (facts.samples == 3) is not (facts.photometric in _COLOUR) or facts.samples not in (1, 3):
        return f"an image of {facts.samples} samples per pixel that says {facts.photometric or 'nothing of colour'}"
    if facts.float_bits:
        return ""
    if facts.bits_allocated not in (_SAMPLE_BITS if facts.samples == 1 else (8, 16)):
        return f"an image of {facts.bits_allocated} bits per sample"
    if not facts.little_endian and facts.bits_allocated == 8 and facts.words:
        return "an image of bytes swapped in pairs (8 bits in big-endian words)"
    return ""


def sample_dtype(facts: DicomFacts) -> str:
    """Give numpy's name of a stored sample; of a decoded one, little endian, when frames are compressed."""
    if facts.photometric == PALETTE:
        return "|u1"
    bits = facts.bits_allocated or 16
    order = "|" if bits == 8 else "<" if facts.little_endian else ">"
    if facts.float_bits:
        order = "<" if facts.little_endian or facts.transfer_syntax == IMPLICIT_LITTLE else ">"
        return f"{order}f{facts.float_bits // 8}"
    return f"{order}{'i' if facts.signed else 'u'}{bits // 8}"
