"""How a table of hbimg's is described to HBase through Thrift, and read back: families and attributes."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from hbimg.errors import ConfigError, StoreError
from hbimg.store.contract import Family, TableSettings
from hbimg.store.hbase_settings import SETTINGS, settings_of, settings_text
from hbimg.store.thrift import api


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
    attributes[SETTINGS.encode()] = settings_text(settings).encode()
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
    return SETTINGS.encode() in (descriptor.attributes or {})


def kept_settings(descriptor: Any, where: str) -> TableSettings:
    """Read the settings that hbimg kept with a table; errors as `hbimg.store.hbase_settings.settings_of` says."""
    text = (descriptor.attributes or {}).get(SETTINGS.encode())
    present = [column.name.decode(errors="replace") for column in descriptor.columns or ()]
    return settings_of(text.decode(errors="replace") if text is not None else None, present, where)


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
