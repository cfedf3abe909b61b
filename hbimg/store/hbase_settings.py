"""hbimg's settings as HBase keeps them: one more attribute of the table, that travels with its snapshots and copies."""

from __future__ import annotations

import json
from collections.abc import Collection

from hbimg.errors import TableFormatError
from hbimg.store.contract import TableSettings
from hbimg.store.settings_json import settings_from_json, settings_to_json

#: The table attribute with hbimg's settings as JSON, and the version of their form.
SETTINGS = "hbimg.settings"
FORMAT = 1


def settings_text(settings: TableSettings) -> str:
    """Give what is kept in the attribute."""
    return json.dumps({"format": FORMAT, "settings": settings_to_json(settings)}, separators=(",", ":"))


def settings_of(text: str | None, present: Collection[str], where: str) -> TableSettings:
    """Read the settings that hbimg kept with a table.

    Parameters
    ----------
    text : str or None
        Of the attribute; None: it is absent.
    present : collection of str
        The families that the table has.
    where : str
        Names the table in an error.

    Raises
    ------
    TableFormatError
        If it is not hbimg's, was made by another version, or lost a family.
    """
    if text is None:
        raise TableFormatError(f"{where} is not hbimg's: it has no attribute {SETTINGS}; use another name")
    try:
        kept = json.loads(text)
        found = kept["format"]
        settings = settings_from_json(kept["settings"]) if found == FORMAT else None
    except (ValueError, KeyError, TypeError) as error:
        raise TableFormatError(f"{where} has a damaged attribute {SETTINGS}: restore it") from error
    if settings is None:
        raise TableFormatError(f"{where} has table format {found}; this hbimg reads {FORMAT}: use the one that made it")
    missing = sorted({family.name for family in settings.families} - set(present))
    if missing:
        raise TableFormatError(f"{where} has lost its family {missing[0]!r}: restore the table from a snapshot")
    return settings
