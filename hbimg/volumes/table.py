"""A table of volumes: hbimg's data model over a store's table.

Opening checks that the table is hbimg's and of a scheme that this version reads, before anything else is read.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from hbimg import __version__
from hbimg.errors import (
    ConfigError,
    TableExistsError,
    TableFormatError,
    TableNotFoundError,
    VolumeBusyError,
    VolumeNotFoundError,
)
from hbimg.model import VolumeKey
from hbimg.rowkeys import KeyRange, RowKeyScheme, RowKind, settings_row
from hbimg.store import Store, Table, TableSettings
from hbimg.store.cells import seal_all, unseal
from hbimg.volumes.claims import HEADER, RECORD, Claim, claim_in, claim_volume, record_in
from hbimg.volumes.record import VolumeRecord
from hbimg.volumes.where import Where

_SETTINGS = b"m:table"
_DIGEST = re.compile(rb'"digest":"([0-9a-f]{64})"')


class VolumeTable:
    """Volumes in a table, listed, found and removed. Reading and writing their content is in the sibling modules."""

    def __init__(self, table: Table, scheme: RowKeyScheme) -> None:
        self.table = table
        self.scheme = scheme

    @property
    def name(self) -> str:
        """The table's name."""
        return self.table.name

    @classmethod
    def open(cls, store: Store, name: str) -> VolumeTable:
        """Open a table of volumes.

        Raises
        ------
        TableNotFoundError
            If there is none of that name.
        TableFormatError
            If it is not hbimg's, or was written with another scheme.
        """
        table = store.table(name)
        row = settings_row()
        cell = table.get(row).get(_SETTINGS)
        if cell is None:
            raise TableFormatError(f"table {name!r} in {store.url} is not hbimg's: it has no settings row")
        settings = json.loads(bytes(unseal(row, _SETTINGS, cell)))
        ours = RowKeyScheme()
        if [settings.get("scheme"), settings.get("version")] != [ours.name, ours.version]:
            found = f"{settings.get('scheme', 'unknown')}-{settings.get('version', 'unknown')}"
            raise TableFormatError(
                f"table {name!r} has row keys of scheme {found}, this hbimg reads {ours.name}-{ours.version}: use the "
                f"version that wrote it ({settings.get('written_by', 'it does not say which')})"
            )
        return cls(table, RowKeyScheme(settings["group_level"]))

    @classmethod
    def create(
        cls,
        store: Store,
        name: str,
        group_level: str = "subject",
        splits: tuple[bytes, ...] = (),
        *,
        fixed: bool = False,
    ) -> VolumeTable:
        """Make a table of volumes. The group level stays for the table's life.

        With `fixed`, HBase does not cut and join its regions by itself: a layout is planned for it.

        Raises
        ------
        TableExistsError
            If there is one of that name.
        """
        scheme = RowKeyScheme(group_level)
        # With these HBase (2.5 and later: RegionSplitRestriction) never splits a group.
        attributes = {
            "hbase.regionserver.region.split_restriction.type": "DelimitedKeyPrefix",
            "hbase.regionserver.region.split_restriction.delimiter": "!",
        }
        if fixed:
            attributes |= {"SPLIT_ENABLED": "false", "MERGE_ENABLED": "false"}
        table = store.create_table(name, TableSettings(split_points=splits, attributes=attributes))
        _write_settings(table, scheme)
        return cls(table, scheme)

    @classmethod
    def open_or_create(cls, store: Store, name: str, group_level: str | None = None) -> VolumeTable:
        """Open a table of volumes, or make it.

        Raises
        ------
        ConfigError
            If it exists with another group level than the one asked for.
        """
        try:
            found = cls.open(store, name)
        except TableNotFoundError:
            with suppress(TableExistsError):  # somebody else may make it in this moment
                cls.create(store, name, group_level or "subject")
            found = cls._adopt(store, name, group_level)
        except TableFormatError:
            found = cls._adopt(store, name, group_level)
        if group_level not in (None, found.scheme.group_level):
            raise ConfigError(
                f"table {name!r} is grouped by {found.scheme.group_level} for its life; for group level {group_level} "
                "use another table"
            )
        return found

    @classmethod
    def _adopt(cls, store: Store, name: str, group_level: str | None) -> VolumeTable:
        """Open a table; one without a single row is of a process that was killed before it wrote the settings."""
        table = store.table(name)
        if next(table.scan(KeyRange()), None) is None:
            _write_settings(table, RowKeyScheme(group_level or "subject"))
        return cls.open(store, name)

    def record(self, key: VolumeKey) -> VolumeRecord:
        """Give the record of one volume; VolumeNotFoundError if there is none."""
        return self._visible(key)[0]

    def header(self, key: VolumeKey) -> dict[str, Any]:
        """Give the header of one volume as JSON: DICOM's model, or the NIfTI fields."""
        row = self.scheme.volume(key)
        packed = unseal(row, HEADER, self._visible(key)[1][HEADER])
        header: dict[str, Any] = json.loads(zlib.decompress(packed))
        return header

    def find(self, key: VolumeKey) -> VolumeRecord | None:
        """Give the record of one volume, or None."""
        try:
            return self.record(key)
        except VolumeNotFoundError:
            return None

    def records(self, where: Where | None = None, key_range: KeyRange | None = None) -> Iterator[VolumeRecord]:
        """Give the records of complete volumes, in key order, without reading anything else.

        `where` chooses by labels, `key_range` by row keys, e.g. those of a region.
        """
        where = where or Where()
        chosen = where.key_range(self.scheme)
        for row in self.table.scan(chosen.intersect(key_range) if key_range else chosen, ["m"]):
            if RECORD not in row.cells:
                continue
            decoded = self.scheme.decode(row.key)
            if decoded.kind is RowKind.VOLUME and where.matches(decoded.volume):
                record = record_in(row.key, row.cells)
                if record is not None:
                    yield record

    def digests(self) -> dict[str, str]:
        """Give the digest of every volume with its key as users see it; of volumes of one content the first key."""
        found: dict[str, str] = {}
        for row in self.table.scan(self.scheme.range_of(), ["m"]):
            # Not decoded: this is done before every ingest, and JSON would take twenty times as long.
            match = _DIGEST.search(row.cells.get(RECORD, b""))
            if match:
                found.setdefault(match[1].decode(), str(self.scheme.decode(row.key).volume))
        return found

    def unfinished(self, where: Where | None = None) -> Iterator[VolumeKey]:
        """Give the keys of what killed processes left half written or half removed, and nobody can see."""
        where = where or Where()
        for row in self.table.scan(where.key_range(self.scheme), ["m"]):
            decoded = self.scheme.decode(row.key)
            if decoded.kind is not RowKind.VOLUME or not where.matches(decoded.volume):
                continue
            if claim_in(row.key, row.cells).is_unfinished and record_in(row.key, row.cells) is None:
                yield decoded.volume

    def claim(self, key: VolumeKey) -> Claim:
        """Claim a volume for writing or removing; VolumeBusyError if another process holds it."""
        return claim_volume(self.table, self.scheme, key)

    def settle(self, key: VolumeKey) -> None:
        """Delete what a killed process left of a volume, if one did and nobody else is at it."""
        row = self.scheme.volume(key)
        if claim_in(row, self.table.get(row)).is_unfinished:
            with suppress(VolumeBusyError):
                self.claim(key).abandon()

    def remove(self, key: VolumeKey) -> int:
        """Delete a volume with its results, or what a killed process left of one, and tell how many rows that were.

        Raises
        ------
        VolumeNotFoundError
            If there is neither.
        VolumeBusyError
            If another process writes it.
        """
        if next(self.table.scan(self.scheme.range_of(*key.labels)), None) is None:
            raise self._not_found(key)
        return self.claim(key).remove()

    def _visible(self, key: VolumeKey) -> tuple[VolumeRecord, dict[bytes, bytes]]:
        row = self.scheme.volume(key)
        cells = self.table.get(row)
        record = record_in(row, cells)
        if record is None:
            raise self._not_found(key)
        return record, cells

    def _not_found(self, key: VolumeKey) -> VolumeNotFoundError:
        return VolumeNotFoundError(f"there is no volume {key} in table {self.name!r}: `hbimg ls` lists what is there")


def _write_settings(table: Table, scheme: RowKeyScheme) -> None:
    settings = {
        "scheme": scheme.name,
        "version": scheme.version,
        "group_level": scheme.group_level,
        "written_by": f"hbimg {__version__}",
    }
    row = settings_row()
    table.check_and_put(row, _SETTINGS, None, seal_all(row, {_SETTINGS: json.dumps(settings).encode()}))
