"""Synthetic DICOM files that hold several planes: enhanced multi-frame files, and mosaics."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hbimg.testing.dicom_series import SyntheticSeries, base_dataset, write_dataset

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

ENHANCED_MR_STORAGE = "1.2.840.10008.5.1.4.1.1.4.1"


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame of an enhanced file: which plane of which volume it shows, and what more is said of it.

    `groups` are further macros by keyword: the elements of the one item of each.
    """

    plane: int
    volume: int = 0
    groups: Mapping[str, Mapping[str, Any]] | None = None


def write_enhanced(
    path: Path, series: SyntheticSeries, frames: Sequence[Frame], *, instance: int = 1, **tags: Any
) -> Path:
    """Write an enhanced multi-frame MR file of these frames, in this order.

    The position of a frame is that of its plane in `series`; its samples are `series.pixels(plane, volume)`.
    """
    from pydicom.sequence import Sequence as Items

    dataset = base_dataset(series, 0, 0)
    for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness"):
        del dataset[keyword]
    dataset.SOPClassUID = ENHANCED_MR_STORAGE
    dataset.SOPInstanceUID = f"{dataset.SeriesInstanceUID}.{instance}"
    dataset.InstanceNumber = instance
    dataset.NumberOfFrames = len(frames)
    shared: dict[str, Mapping[str, Any]] = {
        "PlaneOrientationSequence": {"ImageOrientationPatient": list(series.orientation)},
        "PixelMeasuresSequence": {
            "PixelSpacing": [series.spacing_mm[1], series.spacing_mm[0]],
            "SliceThickness": series.spacing_mm[2],
        },
    }
    dataset.SharedFunctionalGroupsSequence = Items([_groups(shared)])
    dataset.PerFrameFunctionalGroupsSequence = Items(
        [
            _groups(
                {
                    "PlanePositionSequence": {"ImagePositionPatient": series.position_mm(frame.plane)},
                    **(frame.groups or {}),
                }
            )
            for frame in frames
        ]
    )
    dataset.PixelData = b"".join(series.pixels(frame.plane, frame.volume).tobytes() for frame in frames)
    return _write(dataset, path, series, tags)


def _groups(macros: Mapping[str, Mapping[str, Any]]) -> Dataset:
    from pydicom.dataset import Dataset
    from pydicom.sequence import Sequence as Items

    found = Dataset()
    for keyword, elements in macros.items():
        item = Dataset()
        for name, value in elements.items():
            setattr(item, name, value)
        setattr(found, keyword, Items([item]))
    return found


def write_mosaics(
    folder: Path, series: SyntheticSeries, each: Callable[[int], Mapping[str, Any]] | None = None, **tags: Any
) -> list[Path]:
    """Write Siemens mosaics, one file for each time of the series; the number of tiles stands in a private element.

    The sheet's position is the corner that it would have as one plane around the centre of the first tile. Tiles go to
    the left, to the back or up, as Siemens' do.
    """
    folder.mkdir(parents=True, exist_ok=True)
    across = math.ceil(math.sqrt(series.planes))
    normal = np.cross(series.orientation[:3], series.orientation[3:])
    order = range(series.planes) if normal[np.argmax(np.abs(normal))] > 0 else range(series.planes - 1, -1, -1)
    paths = []
    for time in range(series.times):
        dataset = base_dataset(series, 0, time)
        sheet = np.zeros((across * series.rows, across * series.columns), "<u2")
        for tile, plane in enumerate(order):
            row, column = divmod(tile, across)
            top, left = row * series.rows, column * series.columns
            sheet[top : top + series.rows, left : left + series.columns] = series.pixels(plane, time)
        dataset.Rows, dataset.Columns = sheet.shape
        dataset.PixelData = sheet.tobytes()
        dataset.ImageType = ["ORIGINAL", "PRIMARY", "M", "ND", "MOSAIC"]
        dataset.Manufacturer = "SIEMENS"
        dataset.InstanceNumber = time + 1
        dataset.SpacingBetweenSlices = series.spacing_mm[2]
        right, down = np.array(series.orientation[:3]), np.array(series.orientation[3:])
        outside = right * series.spacing_mm[0] * series.columns + down * series.spacing_mm[1] * series.rows
        corner = np.array(series.position_mm(order[0])) - outside * (across - 1) / 2
        dataset.ImagePositionPatient = [round(float(x), 6) for x in corner]
        block = dataset.private_block(0x0019, "SIEMENS MR HEADER", create=True)
        block.add_new(0x0A, "US", series.planes)
        more = each(time) if each else {}
        paths.append(_write(dataset, folder / f"{series.uid:02d}-{time + 1:04d}.dcm", series, {**tags, **more}))
    return paths


def _write(dataset: Dataset, path: Path, series: SyntheticSeries, tags: Mapping[str, Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    for keyword, value in tags.items():
        setattr(dataset, keyword, value)
    write_dataset(dataset, path, series.transfer_syntax)
    return path
