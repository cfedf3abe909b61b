"""`stats`: minimum, maximum, mean, variance and histogram of the voxels of a cohort, by group."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from hbimg.errors import ParameterError
from hbimg.mapreduce.job import Artefact, LoadedVolume, ReducingJob, parameter
from hbimg.mapreduce.jobs.histogram import Binning, Summary
from hbimg.model import LEVELS, VolumeKey
from hbimg.volumes import VolumeRecord

#: Voxels that are scaled at once, to bound memory.
_BLOCK_VOXELS = 1 << 20
_BY = ("all", *LEVELS)
_LUMA = np.array([0.299, 0.587, 0.114])


@dataclass(frozen=True)
class Stats(ReducingJob):
    """Count, minimum, maximum, mean, variance and histogram of scaled voxel values, over all volumes or by group.

    Values are stored * slope + intercept; complex ones count by their magnitude, colours by their luma (ITU-R BT.601).
    Values that are infinite or no number are counted apart. The result is the same to the last bit however many
    workers made it.
    """

    name: ClassVar[str] = "stats"
    version: ClassVar[str] = "2"
    bytes_per_s: ClassVar[float] = 20e6
    examples: ClassVar[tuple[str, ...]] = (
        "hbimg run stats --table t1",
        "hbimg run stats --table t1 --by subject --bins 100 --range 0,4095 > stats.csv",
    )

    by: str = parameter("all", "What makes a group of volumes.", _BY)
    bins: int = parameter(64, "Bins of the histogram, at most.")
    range: str = parameter(
        "", "LOW,HIGH of the histogram. Default: bins whose width is a power of two over all values."
    )

    def __post_init__(self) -> None:
        """Check the parameters."""
        if self.by not in _BY:
            raise ParameterError(f"by {self.by!r}: give one of {', '.join(_BY)}")
        # Without a range zero is always an edge, so values on both sides of it need two bins.
        least = 1 if self.range else 2
        if not least <= self.bins <= 1 << 16:
            raise ParameterError(f"{self.bins} bins: give {least} to {1 << 16}")
        self._binning()

    def _binning(self) -> Binning:
        if not self.range:
            return Binning(self.bins)
        try:
            low, high = (float(part) for part in self.range.split(","))
        except ValueError as error:
            raise ParameterError(f"range {self.range!r}: give LOW,HIGH, two numbers") from error
        if not (math.isfinite(low) and math.isfinite(high) and low < high):
            raise ParameterError(f"range {self.range!r}: LOW must be below HIGH")
        return Binning(self.bins, (low, high))

    def partial_parameters(self) -> dict[str, Any]:
        """Leave `by` out: the same partials serve every grouping."""
        return {"bins": self.bins, "range": self.range}

    def accepts(self, record: VolumeRecord) -> str:
        """Refuse what has no number at each voxel."""
        if record.encoding is not None and record.encoding.is_pictures:
            return ""  # they may differ in size, and each is decoded by itself
        if record.encoding is None or record.geometry is None:
            return "it has no decodable frames"
        if np.dtype(record.geometry.dtype).kind not in "iufbc":
            return "its voxels are no numbers"
        return ""

    def group_of(self, key: VolumeKey) -> str:
        """Give the labels down to the chosen level."""
        return "all" if self.by == "all" else "/".join(key.labels[: LEVELS.index(self.by) + 1])

    def partial(self, volume: LoadedVolume) -> bytes:
        """Summarise one volume."""
        return self._binning().summarise(_scaled_blocks(volume)).encode()

    def combine(self, left: bytes, right: bytes) -> bytes:
        """Merge two summaries."""
        return self._binning().merge(Summary.decode(left), Summary.decode(right)).encode()

    def finalize(self, groups: Mapping[str, bytes]) -> Iterator[Artefact]:
        """Give ``stats.csv``, one row for each group, and ``stats.json``, with the histograms."""
        found = {group: Summary.decode(partial) for group, partial in groups.items()}
        rows = [_row(group, summary) for group, summary in found.items()]
        yield Artefact("stats.csv", [_csv(rows).encode()])
        for row, summary in zip(rows, found.values(), strict=True):
            row["histogram"] = {
                "edges": self._binning().edges(summary) if summary.count else [],
                "counts": [int(n) for n in summary.bins],
                "below": summary.below,
                "above": summary.above,
            }
        yield Artefact("stats.json", [json.dumps(rows, indent=1, allow_nan=False).encode()])


_COLUMNS = ("group", "volumes", "voxels", "not_finite", "minimum", "maximum", "mean", "variance")


def _row(group: str, summary: Summary) -> dict[str, Any]:
    moments = (summary.minimum, summary.maximum, summary.mean, summary.variance)
    known = [None if math.isnan(value) else value for value in moments]
    values = (group, summary.volumes, summary.count, summary.not_finite, *known)
    return dict(zip(_COLUMNS, values, strict=True))


def _csv(rows: list[dict[str, Any]]) -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, _COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def _scaled_blocks(volume: LoadedVolume) -> Iterator[npt.NDArray[np.float64]]:
    """Give the values of a volume, scaled, in blocks; blocks depend on the volume alone."""
    geometry, encoding = volume.record.geometry, volume.record.encoding
    assert encoding is not None
    if encoding.is_pictures:
        for picture in volume.pictures():
            yield from _luma_blocks(picture.reshape(-1, picture.shape[3] if picture.ndim > 3 else 1))
        return
    assert geometry is not None
    voxels = volume.voxels()
    if encoding.samples > 1:
        yield from _luma_blocks(voxels.reshape(-1, encoding.samples, order="F"))
        return
    flat = voxels.reshape(-1, order="F")
    details = encoding.details
    if "rescale_slopes" in details:  # planes with scales of their own, one plane in each frame
        planes = flat.reshape(len(details["rescale_slopes"]), -1)
        for plane, slope, intercept in zip(
            planes, details["rescale_slopes"], details["rescale_intercepts"], strict=True
        ):
            yield plane.astype(np.float64) * slope + intercept
        return
    for start in range(0, flat.size, _BLOCK_VOXELS):
        values = flat[start : start + _BLOCK_VOXELS]
        values = values.astype(np.complex128 if np.iscomplexobj(values) else np.float64)
        if (geometry.slope, geometry.intercept) != (1.0, 0.0):
            values = values * geometry.slope + geometry.intercept
        yield np.abs(values) if np.iscomplexobj(values) else values


def _luma_blocks(pixels: npt.NDArray[Any]) -> Iterator[npt.NDArray[np.float64]]:
    """Give 0.299 R + 0.587 G + 0.114 B (ITU-R BT.601) of pixels of shape (pixels, samples), or the one sample.

    Opacity does not count.
    """
    for start in range(0, len(pixels), _BLOCK_VOXELS):
        block = pixels[start : start + _BLOCK_VOXELS, :3].astype(np.float64)
        yield block @ _LUMA if block.shape[1] == len(_LUMA) else block[:, 0]
