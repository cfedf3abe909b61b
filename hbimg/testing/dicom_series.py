"""Synthetic classic DICOM series: every plane placed in space and time, every voxel of known value."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

#: Directions along a row and along a column, in LPS+, of the three usual orientations.
AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
SAGITTAL = (0.0, 1.0, 0.0, 0.0, 0.0, -1.0)
CORONAL = (1.0, 0.0, 0.0, 0.0, 0.0, -1.0)

MR_STORAGE = "1.2.840.10008.5.1.4.1.1.4"
_ROOT = "1.2.826.0.1.3680043.8.498"


@dataclass(frozen=True, slots=True)
class SyntheticSeries:
    """What a synthetic series looks like.

    Attributes
    ----------
    planes, times : int
        Planes in space, repetitions of each.
    rows, columns : int
    orientation : tuple of 6 floats
        ImageOrientationPatient.
    spacing_mm : tuple of 3 floats
        Between columns, rows and planes.
    step_mm : tuple of 3 floats or None
        From plane to plane in LPS+; None for the normal times the spacing. Another one tilts the stack.
    origin_mm : tuple of 3 floats
        Position of the first plane, in LPS+.
    uid : int
        Tells series apart: it ends the series' and the instances' UIDs.
    transfer_syntax : str
        Of the files: native ones are written as such, compressed ones by pydicom's encoders.
    """

    planes: int = 8
    times: int = 1
    rows: int = 12
    columns: int = 10
    orientation: tuple[float, ...] = AXIAL
    spacing_mm: tuple[float, float, float] = (1.0, 1.5, 2.0)
    step_mm: tuple[float, float, float] | None = None
    origin_mm: tuple[float, float, float] = (-40.0, -50.0, -60.0)
    uid: int = 1
    transfer_syntax: str = "1.2.840.10008.1.2.1"

    def position_mm(self, plane: int) -> list[float]:
        """Give ImagePositionPatient of a plane."""
        step = self.step_mm
        if step is None:
            normal = np.cross(self.orientation[:3], self.orientation[3:])
            step = tuple(normal * self.spacing_mm[2])
        return [round(o + plane * s, 6) for o, s in zip(self.origin_mm, step, strict=True)]

    def pixels(self, plane: int, time: int = 0) -> NDArray[np.uint16]:
        """Give the samples of a plane, shape (rows, columns), uint16: different everywhere up to 4,096 voxels."""
        first = (time * self.planes + plane) * self.rows * self.columns
        values = (first + np.arange(self.rows * self.columns)) % 4096
        return values.reshape(self.rows, self.columns).astype("<u2")


def write_series(
    folder: Path,
    series: SyntheticSeries | None = None,
    each: Callable[[int, int], Mapping[str, Any]] | None = None,
    **tags: Any,
) -> list[Path]:
    """Write a series, one file for each plane and time, and give the paths, running fastest in space.

    Parameters
    ----------
    folder : Path
        Made when absent. Files are named by the running number, with the series' `uid` before it.
    series : SyntheticSeries, optional
    each : callable, optional
        Given plane and time, more elements by keyword, over `tags`; None as a value takes the element out.
    **tags
        Elements by keyword for every file.
    """
    series = series or SyntheticSeries()
    folder.mkdir(parents=True, exist_ok=True)
    paths: list[Path] = []
    for time in range(series.times):
        for plane in range(series.planes):
            dataset = base_dataset(series, plane, time)
            for keyword, value in {**tags, **(each(plane, time) if each else {})}.items():
                if value is None:
                    dataset.pop(keyword, None)
                else:
                    setattr(dataset, keyword, value)
            paths.append(folder / f"{series.uid:02d}-{len(paths) + 1:04d}.dcm")
            write_dataset(dataset, paths[-1], series.transfer_syntax)
    return paths


def base_dataset(series: SyntheticSeries, plane: int, time: int) -> Dataset:
    """Give the data set of one plane at one time."""
    from pydicom.dataset import Dataset

    dataset = Dataset()
    number = time * series.planes + plane + 1
    dataset.SOPClassUID = MR_STORAGE
    dataset.SOPInstanceUID = f"{_ROOT}.{series.uid}.{number}"
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "M"]
    dataset.StudyDate = "20240501"
    dataset.Modality = "MR"
    dataset.PatientName = "Nobody^Known"
    dataset.PatientID = "sub-01"
    dataset.ProtocolName = "synthetic"
    dataset.SliceThickness = series.spacing_mm[2]
    dataset.StudyInstanceUID = f"{_ROOT}.0"
    dataset.SeriesInstanceUID = f"{_ROOT}.{series.uid}"
    dataset.SeriesNumber = series.uid
    dataset.InstanceNumber = number
    dataset.ImagePositionPatient = series.position_mm(plane)
    dataset.ImageOrientationPatient = list(series.orientation)
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.Rows = series.rows
    dataset.Columns = series.columns
    dataset.PixelSpacing = [series.spacing_mm[1], series.spacing_mm[0]]
    dataset.BitsAllocated = 16
    dataset.BitsStored = 12
    dataset.HighBit = 11
    dataset.PixelRepresentation = 0
    dataset.PixelData = series.pixels(plane, time).tobytes()
    return dataset


def write_dataset(dataset: Dataset, path: Path, transfer_syntax: str) -> None:
    """Write a data set of 16-bit samples in a transfer syntax."""
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import UID, ExplicitVRBigEndian, ExplicitVRLittleEndian

    syntax = UID(transfer_syntax)
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian if syntax.is_compressed else syntax
    if syntax == ExplicitVRBigEndian:
        dataset.PixelData = np.frombuffer(dataset.PixelData, "<u2").astype(">u2").tobytes()
    dataset["PixelData"].VR = "OW"
    if syntax.is_encapsulated:
        dataset.compress(syntax, generate_instance_uid=False)
    elif syntax.is_deflated:
        dataset.file_meta.TransferSyntaxUID = syntax
    dataset.save_as(path, enforce_file_format=True)
