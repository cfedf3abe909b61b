"""The parts of a volume whose files hold several: magnitude and phase, echoes."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from hbimg.errors import VolumeError
from hbimg.model import Geometry
from hbimg.volumes.content import FrameEncoding
from hbimg.volumes.record import VolumeRecord


@dataclass(frozen=True, slots=True)
class VolumePart:
    """One part.

    Attributes
    ----------
    name : str
        What tells it from the others, ``part-mag`` or ``echo-2``; empty for a volume that has no parts.
    first_plane, planes : int
        Its planes among those of the volume.
    geometry : Geometry
        Its own.
    """

    name: str
    first_plane: int
    planes: int
    geometry: Geometry

    def encoding_in(self, whole: FrameEncoding) -> FrameEncoding:
        """Give the volume's encoding with the scales of this part's planes alone, where planes have their own."""
        end = self.first_plane + self.planes
        own = {
            name: whole.details[name][self.first_plane : end]
            for name in ("rescale_slopes", "rescale_intercepts")
            if name in whole.details
        }
        details = {**whole.details, **own}
        if own and all(len(set(values)) == 1 for values in own.values()):
            details = {name: value for name, value in details.items() if name not in own}
        return replace(whole, details=details)


def parts_of(record: VolumeRecord) -> tuple[VolumePart, ...]:
    """Give the parts of a volume; the volume itself when it has none.

    Raises
    ------
    VolumeError
        If the record is a series that was set aside.
    """
    if record.geometry is None:
        raise VolumeError(f"{record.key} is no volume: {record.reason or 'it has no geometry'}")
    listed = record.plane_map.get("parts")
    if not listed:
        return (VolumePart("", 0, math.prod(record.geometry.shape[2:]), record.geometry),)
    return tuple(
        VolumePart(part["name"], part["first_plane"], part["planes"], Geometry.from_json(part["geometry"]))
        for part in listed
    )
