"""The record of a volume: what its own row says of it, as JSON.

The record is small and enough for listing, planning and starting a job; the header stands in a cell of its own.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from hbimg.errors import TableFormatError
from hbimg.model import Geometry, VolumeKey
from hbimg.volumes.content import FrameEncoding, VolumeContent

#: Version of the record's fields; a reader refuses a newer one.
SCHEMA = 1


@dataclass(frozen=True, slots=True)
class VolumeRecord:
    """What is stored of one volume. Fields of `hbimg.volumes.content.VolumeContent` mean the same here.

    Attributes
    ----------
    generation : str
        Names the rows that hold the files and frames.
    digest : str
        SHA-256 over the sorted SHA-256 digests of the files, as hex digits.
    files, frames : int
        How many there are.
    file_bytes, frame_bytes : int
        Their bytes: of the original files, and of the frames as stored.
    stored : mapping
        When (ISO 8601, UTC) and by which version it was stored.
    """

    key: VolumeKey
    kind: str
    format: str
    generation: str
    digest: str
    files: int
    file_bytes: int
    frames: int
    frame_bytes: int
    geometry: Geometry | None
    encoding: FrameEncoding | None
    texts: Mapping[str, str] = field(default_factory=dict)
    reason: str = ""
    remarks: tuple[str, ...] = ()
    missing: Mapping[str, Any] | None = None
    plane_map: Mapping[str, Any] = field(default_factory=dict)
    stored: Mapping[str, Any] = field(default_factory=dict)
    dataset: str = ""

    @property
    def is_volume(self) -> bool:
        """Whether it is a volume, and not a series that was set aside."""
        return self.kind == "volume"

    @property
    def bytes_to_read(self) -> int:
        """Bytes that a job reads of it, about: its frames, or its files where those are larger."""
        return max(self.frame_bytes, self.file_bytes)

    @classmethod
    def of(cls, content: VolumeContent, digest: str, generation: str, stored: Mapping[str, Any]) -> Self:
        """Make the record of content that is stored under a generation."""
        return cls(
            key=content.key,
            kind=content.kind,
            format=content.format,
            generation=generation,
            digest=digest,
            files=len(content.files),
            file_bytes=content.file_bytes,
            frames=content.frames,
            frame_bytes=content.frame_bytes,
            geometry=content.geometry,
            encoding=content.encoding,
            texts=content.texts,
            reason=content.reason,
            remarks=content.remarks,
            missing=content.missing,
            plane_map=content.plane_map,
            stored=stored,
            dataset=content.dataset,
        )

    def to_json(self) -> dict[str, Any]:
        """Give a JSON-ready mapping."""
        data = asdict(self)
        data["schema"] = SCHEMA
        data["key"] = list(self.key.labels)
        data["geometry"] = self.geometry.to_json() if self.geometry else None
        return data

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """Read what `to_json` gave.

        Raises
        ------
        TableFormatError
            If it was written by a newer hbimg, or is none of ours.
        """
        try:
            data = dict(data)
            schema = data.pop("schema")
            if schema != SCHEMA:
                raise TableFormatError(
                    f"a volume's record has schema {schema}, this hbimg reads {SCHEMA}: update hbimg"
                )
            data["key"] = VolumeKey(*data["key"])
            data["geometry"] = Geometry.from_json(data["geometry"]) if data["geometry"] else None
            data["encoding"] = FrameEncoding(**data["encoding"]) if data["encoding"] else None
            data["remarks"] = tuple(data["remarks"])
            return cls(**data)
        except (KeyError, TypeError) as error:
            raise TableFormatError(f"a volume's record is none of hbimg's: {error!r}") from error

    def encode(self) -> bytes:
        """Give the bytes that stand in the cell."""
        return json.dumps(self.to_json(), separators=(",", ":"), ensure_ascii=False).encode()

    @classmethod
    def decode(cls, payload: bytes) -> Self:
        """Read what `encode` gave."""
        return cls.from_json(json.loads(payload))


def digest_of(file_digests: Iterable[str]) -> str:
    """Give the digest of a volume: SHA-256 over its files' hex digests, sorted and joined by newlines.

    It does not depend on the files' names or order.
    """
    return hashlib.sha256("\n".join(sorted(file_digests)).encode()).hexdigest()
