"""Which plane each frame of each file is, when the planes of a volume are in order."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hbimg.ingest.dicom.facts import DicomFacts


@dataclass(frozen=True, slots=True)
class Layout:
    """The files of a volume in the order of their first planes, and the plane of each frame.

    Attributes
    ----------
    files : tuple of DicomFacts
        One plane of each file stands for it.
    planes : tuple of int
        For each frame of each file, and for each tile of it, the number of the plane, counted through all planes.
    """

    files: tuple[DicomFacts, ...]
    planes: tuple[int, ...]

    @property
    def is_running(self) -> bool:
        """Whether plane n is frame n."""
        return all(number == plane for number, plane in enumerate(self.planes))


def layout_of(planes: Sequence[tuple[int, DicomFacts]]) -> Layout:
    """Lay out planes, each with its number, in ascending order of the numbers."""
    by_file: dict[Path, list[tuple[int, DicomFacts]]] = defaultdict(list)
    for number, plane in planes:
        by_file[plane.path].append((number, plane))
    files = tuple(members[0][1] for members in by_file.values())
    found = [
        number
        for members in by_file.values()
        for number, _ in sorted(members, key=lambda member: (member[1].frame, member[1].tile))
    ]
    return Layout(files, tuple(found))
