"""Iterate over the volumes of a table from Python."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from hbimg.access.addresses import address_of
from hbimg.access.images import image_of
from hbimg.access.sessions import reading_table, store_url
from hbimg.model import VolumeKey
from hbimg.volumes import VolumeRecord, Where, entries


@dataclass(frozen=True, slots=True)
class Volume:
    """A stored volume that can be handed to other processes: it holds no connection and no voxels.

    Attributes
    ----------
    record : VolumeRecord
        Key, geometry, encoding, sizes, digest.
    results : tuple of str
        Names of the results that stand beside it.
    store, table : str
    """

    record: VolumeRecord
    results: tuple[str, ...]
    store: str
    table: str

    @property
    def key(self) -> VolumeKey:
        """The four labels."""
        return self.record.key

    @property
    def url(self) -> str:
        """The address for `hbimg.open` and for fsspec; `store` is not in it."""
        return address_of(self.table, self.key)

    def open(self) -> Any:
        """Give the volume as a nibabel image whose voxels are read when they are asked for."""
        return image_of(self.record, self.store, self.table)

    def header(self) -> dict[str, Any]:
        """Read the header: DICOM's JSON model, or the NIfTI fields."""
        with reading_table(self.store, self.table) as volumes:
            return volumes.header(self.key)


def volumes(table: str, where: str | None = None, store: str | None = None) -> Iterator[Volume]:
    """Give the volumes of a table in key order; series that were set aside are passed over.

    Parameters
    ----------
    table : str
    where : str, optional
        Patterns as for ``--where``: ``subject=sub-0* scan=*T1w``, or a path of patterns from the project down.
    store : str, optional
        URL or profile of the store; by default that of the command line.

    Raises
    ------
    ConfigError
        If `where` or `store` cannot be read.
    TableNotFoundError
        If there is no such table.
    """
    chosen, patterns = store_url(store), Where.parse(where)
    with reading_table(chosen, table) as opened:
        # Records are small. Read at once, so that no scan stays open while the caller works on each of them.
        found = [
            Volume(record, tuple(manifest.name for manifest in manifests), chosen, table)
            for record, manifests in entries(opened, patterns)
            if record.is_volume
        ]
    return iter(found)
