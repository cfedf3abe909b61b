"""How a table of hbimg's is described to HBase, and read back: families, attributes, our own settings among them.

HBase keeps hbimg's `TableSettings` as one more table attribute, so they travel with the table's snapshots and copies.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any

from hbimg.errors import ConfigError, StoreError, TableFormatError
from hbimg.store.contract import Family, TableSettings, settings_from_json, settings_to_json
from hbimg.store.thrift import api

#: The table attribute with hbimg's settings as JSON, and the version of their form.
SETTINGS = b"hbimg.settings"
FORMAT = 1


def name_of(full_name: str) -> Any:
    """Give HBase's structure for a table's full name, ``namespace:name`` or ``name``."""
    namespace, colon, name = full_name.rpartition(":")
    return api.TTableName(ns=(namespace if colon else "default").encode(), qualifier=name.encode())


def full_name_of(name: Any) -> str:
    """Give the full name that a structure of HBase's holds; the namespace ``default`` is left out."""
    namespace, qualifier = (name.ns or b"").decode(), name.qualifier.decode()
    return f"{namespace}:{qualifier}" if namespace not in ("", "default") else qualifier


def describe(full_name: str, settings: TableSettings) -> Any:
    """Give the structure from which HBase makes a table.

    Raises
    ------
    ConfigError
        If a family's compression or encoding is none of HBase's.
    """
    attributes = {name.encode(): value.encode() for name, value in settings.attributes.items()}
    kept = {"format": FORMAT, "settings": settings_to_json(settings)}
    attributes[SETTINGS] = json.dumps(kept, separators=(",", ":")).encode()
    columns = [_describe_family(family) for family in settings.families]
    return api.TTableDescriptor(tableName=name_of(full_name), columns=columns, attributes=attributes)


def _describe_family(family: Family) -> Any:
    return api.TColumnFamilyDescriptor(
        name=family.name.encode(),
        compressionType=_number_of(api.TCompressionAlgorithm, family, "compression", family.compression),
        dataBlockEncoding=_number_of(api.TDataBlockEncoding, family, "data block encoding", family.data_block_encoding),
        maxVersions=1,
    )


def _number_of(enumeration: Any, family: Family, what: str, name: str) -> int:
    numbers: dict[str, int] = enumeration._NAMES_TO_VALUES  # noqa: SLF001 - thriftpy2 has no other way to its names
    if name.upper() not in numbers:
        raise ConfigError(
            f"family {family.name!r}: HBase has no {what} {name!r}; it has {', '.join(sorted(numbers)).lower()}"
        )
    return numbers[name.upper()]


def is_ours(descriptor: Any) -> bool:
    """Whether hbimg made a table."""
    return SETTINGS in (descriptor.attributes or {})


def settings_of(descriptor: Any, where: str) -> TableSettings:
    """Read the settings that hbimg kept with a table.

    Raises
    ------
    TableFormatError
        If it is not hbimg's, was made by another version, or lost a family.
    """
    text = (descriptor.attributes or {}).get(SETTINGS)
    if text is None:
        raise TableFormatError(f"{where} is not hbimg's: it has no attribute {SETTINGS.decode()}; use another name")
    try:
        kept = json.loads(text)
        found = kept["format"]
        settings = settings_from_json(kept["settings"]) if found == FORMAT else None
    except (ValueError, KeyError, TypeError) as error:
        raise TableFormatError(f"{where} has a damaged attribute {SETTINGS.decode()}: restore it") from error
    if settings is None:
        raise TableFormatError(f"{where} has table format {found}; this hbimg reads {FORMAT}: use the one that made it")
    present = {column.name.decode(errors="replace") for column in descriptor.columns or ()}
    missing = sorted({family.name for family in settings.families} - present)
    if missing:
        raise TableFormatError(f"{where} has lost its family {missing[0]!r}: restore the table from a snapshot")
    return settings


def refuse_unlike(asked: Any, made: Any, split_points: Collection[bytes], starts: Collection[bytes]) -> None:
    """Compare what HBase made with what it was asked for; StoreError names the first difference."""
    unlike: list[str] = []
    kept = made.attributes or {}
    unlike += [f"attribute {name.decode()}" for name, value in asked.attributes.items() if kept.get(name) != value]
    families = {column.name: column for column in made.columns or ()}
    for column in asked.columns:
        found = families.get(column.name)
        for field in ("compressionType", "dataBlockEncoding", "maxVersions"):
            if found is None or getattr(found, field) != getattr(column, field):
                unlike.append(f"{field} of family {column.name.decode()}")
    if list(split_points) != list(starts):
        unlike.append(f"the {len(split_points)} split points")
    if unlike:
        raise StoreError(
            f"HBase made the table otherwise than asked: {unlike[0]} differs; hbimg needs HBase 2.5 or later"
        )
