"""Says of one file why it is no plane of a classic volume: what it is instead."""

from __future__ import annotations

from hbimg.ingest.dicom.elements import IMPLICIT_LITTLE
from hbimg.ingest.dicom.facts import DicomFacts
from hbimg.ingest.dicom.syntaxes import what_class, what_syntax

_GREY = ("MONOCHROME1", "MONOCHROME2", "")
_SAMPLE_BITS = (8, 16, 32, 64)


def why_no_plane(facts: DicomFacts) -> str:
    """Say what a file is when it is no plane of a classic volume; empty when it may be one."""
    return (
        what_class(facts.sop_class)
        or ("" if facts.has_pixels else "a DICOM object without an image")
        or ("a Siemens mosaic (the planes of a volume beside each other in one frame)" if facts.is_mosaic else "")
        or (f"a multi-frame image ({facts.frames} frames)" if facts.frames > 1 else "")
        or ("a scout (its image type says LOCALIZER)" if facts.is_localizer else "")
        or _why_no_grey(facts)
        or what_syntax(facts.transfer_syntax)
    )


def _why_no_grey(facts: DicomFacts) -> str:
    if facts.samples > 1 or facts.photometric not in _GREY:
        return f"a colour image ({facts.photometric or f'{facts.samples} samples'})"
    if facts.float_pixels:
        return ""
    if facts.bits_allocated not in _SAMPLE_BITS:
        return f"an image of {facts.bits_allocated} bits per sample"
    if not facts.little_endian and facts.bits_allocated == 8 and facts.words:
        return "an image of bytes swapped in pairs (8 bits in big-endian words)"
    return ""


def sample_dtype(facts: DicomFacts) -> str:
    """Give numpy's name of a stored sample; of a decoded one, little endian, when frames are compressed."""
    bits = facts.bits_allocated or 16
    order = "|" if bits == 8 else "<" if facts.little_endian else ">"
    if facts.float_pixels:
        order = "<" if facts.little_endian or facts.transfer_syntax == IMPLICIT_LITTLE else ">"
        return f"{order}f{8 if facts.run is not None and _bytes_per_sample(facts) == 8 else 4}"
    return f"{order}{'i' if facts.signed else 'u'}{bits // 8}"


def _bytes_per_sample(facts: DicomFacts) -> int:
    assert facts.run is not None
    return facts.run.length // ((facts.rows or 1) * (facts.columns or 1))
