"""How HBase describes a table: its attributes and its families', in HBase's names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from hbimg.store.rpc import hbase_pb2 as pb
from hbimg.store.rpc.locations import name_of, table_of


@dataclass(frozen=True, slots=True)
class TableDescription:
    """A table as HBase describes it; attributes are in HBase's names (``SPLIT_ENABLED``, ``COMPRESSION``, ...).

    Attributes
    ----------
    name : str
    families : mapping of str to mapping of str to str
        Attributes by family.
    attributes : mapping of str to str
        Attributes of the whole table.
    """

    name: str
    families: Mapping[str, Mapping[str, str]]
    attributes: Mapping[str, str] = field(default_factory=dict)


def description_of(schema: pb.TableSchema) -> TableDescription:
    """Read HBase's structure."""
    families = {_text(family.name): _mapping(family.attributes) for family in schema.column_families}
    return TableDescription(table_of(schema.table_name), families, _mapping(schema.attributes))


def schema_of(description: TableDescription) -> pb.TableSchema:
    """Give HBase's structure for a description."""
    return pb.TableSchema(
        table_name=name_of(description.name),
        attributes=pairs(description.attributes),
        column_families=[
            pb.ColumnFamilySchema(name=name.encode(), attributes=pairs(attributes))
            for name, attributes in description.families.items()
        ],
    )


def pairs(mapping: Mapping[str, str]) -> list[pb.BytesBytesPair]:
    """Give HBase's structures for attributes."""
    return [pb.BytesBytesPair(first=name.encode(), second=value.encode()) for name, value in mapping.items()]


def _mapping(pairs: Iterable[pb.BytesBytesPair]) -> dict[str, str]:
    return {_text(pair.first): _text(pair.second) for pair in pairs}


def _text(text: bytes) -> str:
    return text.decode(errors="replace")


def first_difference(asked: TableDescription, made: TableDescription) -> str | None:
    """Name the first attribute that is not as it was asked for; HBase adds some of its own."""
    for name, value in asked.attributes.items():
        if made.attributes.get(name) != value:
            return f"attribute {name}"
    for family, attributes in asked.families.items():
        for name, value in attributes.items():
            if made.families.get(family, {}).get(name) != value:
                return f"{name} of family {family}"
    return None
