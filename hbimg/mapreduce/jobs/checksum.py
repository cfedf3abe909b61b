"""`checksum`: read everything of a volume again, verify it, and write down the digests."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from hbimg.errors import VolumeFailedError
from hbimg.mapreduce.job import Artefact, Job, LoadedVolume, Need
from hbimg.volumes import VolumeRecord, digest_of


@dataclass(frozen=True)
class Checksum(Job):
    """Read every cell of every volume and set-aside series again and verify it, and every original by its SHA-256.

    A volume with a fault fails, the run with it. A check of yesterday says nothing of today, so every run checks
    everything anew.
    """

    name: ClassVar[str] = "checksum"
    version: ClassVar[str] = "1"
    bytes_per_s: ClassVar[float] = 20e6
    always_anew: ClassVar[bool] = True
    takes_series: ClassVar[bool] = True
    examples: ClassVar[tuple[str, ...]] = (
        "hbimg run checksum --table t1",
        "hbimg run checksum --table t1 --where subject=sub-01",
    )

    def need(self, record: VolumeRecord) -> Need:  # noqa: ARG002 - the contract's signature
        """Digests: everything is read, nothing is kept in memory."""
        return Need.DIGESTS

    def map(self, volume: LoadedVolume) -> Iterable[Artefact]:
        """Give ``<scan>.sha256.json``."""
        digest = digest_of(file.sha256 for file in volume.files)
        if digest != volume.record.digest:
            raise VolumeFailedError(
                f"{volume.record.key}: the files' digest is {digest}, the record says {volume.record.digest}: "
                "ingest it again with --replace"
            )
        found = {
            "digest": digest,
            "frames": volume.record.frames,
            "frame_bytes": volume.record.frame_bytes,
            "files": [
                {"name": file.stored.name, "size_bytes": file.stored.size_bytes, "sha256": file.sha256}
                for file in volume.files
            ],
        }
        yield Artefact(f"{volume.stem}.sha256.json", [json.dumps(found, indent=1, ensure_ascii=False).encode()])
