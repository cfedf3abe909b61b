"""The b-value of an image: the standard's element says it, or its maker's own one."""

from __future__ import annotations

from hbimg.ingest.dicom.tags import Tag, Values

#: GE adds a thousand millions to the b-values of some protocols.
_GE_ABOVE, _GE_MODULUS = 1e6, 100_000


def b_value_of(values: Values) -> float | None:
    """Give the b-value in s/mm2; None when no element that we know says it."""
    standard = values.doubles(Tag.B_VALUE, 1)
    if standard:
        return standard[0]
    maker = (values.text(Tag.MANUFACTURER) or "").upper()
    if maker.startswith("SIEMENS"):
        return values.number(Tag.SIEMENS_B_VALUE)
    if maker.startswith("GE"):
        found = values.number(Tag.GE_B_VALUE)
        return found if found is None or found < _GE_ABOVE else found % _GE_MODULUS
    if maker.startswith("PHILIPS"):
        return values.single(Tag.PHILIPS_B_VALUE)
    if maker.startswith("UIH"):
        private = values.doubles(Tag.UIH_B_VALUE, 1)
        return private[0] if private else None
    return None
