"""A picture of a volume: its three middle planes side by side, as a radiologist's workstation shows them.

Of a package of pictures it is a contact sheet.

Left in the picture is the patient's right (radiological convention); up is the head, or the front in the axial plane.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from nibabel.orientations import apply_orientation, io_orientation

from hbimg.model import Geometry
from hbimg.volumes.pictures import png_strip

#: Height of each plane in the picture, in pixels.
_HEIGHT = 320
#: Longer side of each picture in a contact sheet, in pixels, and how many stand side by side.
_THUMB, _THUMBS_PER_ROW = 200, 4
#: Shares of the voxels that are drawn black and white.
_DARKEST, _BRIGHTEST = 1.0, 99.5
#: Voxels that are looked at to find them, about.
_GREY_VOXELS = 1_000_000


def picture_png(voxels: npt.NDArray[Any], geometry: Geometry) -> bytes:
    """Draw the middle axial, coronal and sagittal plane of a volume.

    Parameters
    ----------
    voxels : array of shape `geometry.shape`, with samples behind for colour
        Of a time series the first volume is drawn.
    geometry : Geometry

    Returns
    -------
    bytes
        A PNG file.
    """
    volume = _to_three_axes(voxels, len(geometry.shape))
    oriented = apply_orientation(volume, io_orientation(np.asarray(geometry.affine)))
    order = np.argsort(io_orientation(np.asarray(geometry.affine))[:, 0])
    x_mm, y_mm, z_mm = (geometry.spacing_mm[axis] or 1.0 for axis in order)
    middle = [n // 2 for n in oriented.shape[:3]]
    planes = [
        (oriented[:, :, middle[2]], y_mm / x_mm),
        (oriented[:, middle[1], :], z_mm / x_mm),
        (oriented[middle[0], :, :], z_mm / y_mm),
    ]
    grey = _grey_of(volume)
    images = []
    for plane, aspect in planes:
        pixels = grey(np.flip(np.swapaxes(plane, 0, 1), axis=(0, 1)))  # up is up, and the patient's right is left
        width = max(1, round(_HEIGHT * pixels.shape[1] / (pixels.shape[0] * aspect)))
        images.append((pixels, min(width, 4 * _HEIGHT), _HEIGHT))
    return png_strip(images)


def contact_sheet_png(pictures: Sequence[npt.NDArray[Any]]) -> bytes:
    """Draw pictures in rows, small: each an array of shape (rows, columns), or (rows, columns, samples) for colour."""
    thumbs = []
    for picture in pictures:
        is_eight_bit = picture.dtype == np.uint8
        pixels = np.ascontiguousarray(picture[..., :3]) if picture.ndim > 2 else picture
        pixels = pixels if is_eight_bit else _grey_of(pixels)(pixels)
        scale = _THUMB / max(pixels.shape[:2])
        thumbs.append((pixels, max(1, round(pixels.shape[1] * scale)), max(1, round(pixels.shape[0] * scale))))
    return png_strip(thumbs, columns=_THUMBS_PER_ROW)


def _to_three_axes(voxels: npt.NDArray[Any], axes: int) -> npt.NDArray[Any]:
    """Take the first of every axis beyond space, and the magnitude of complex numbers."""
    first = voxels[(slice(None),) * 3 + (0,) * (axes - 3)]
    return np.abs(first) if np.iscomplexobj(first) else first


def _grey_of(volume: npt.NDArray[Any]) -> Any:
    """Give the function that makes voxels 8-bit grey values; colour is left as it is."""
    if volume.ndim == 4:
        return lambda plane: np.ascontiguousarray(plane[..., :3].astype(np.uint8))
    # Of a large volume every n-th voxel tells which grey values there are, and takes a fraction of the memory.
    every = max(1, round((volume.size / _GREY_VOXELS) ** (1 / volume.ndim)))
    sample = volume[(slice(None, None, every),) * volume.ndim]
    with np.errstate(all="ignore"):
        finite = sample[np.isfinite(sample)].astype(np.float64)
        low, high = np.percentile(finite, [_DARKEST, _BRIGHTEST]) if finite.size else (0.0, 1.0)
    span = max(high - low, np.finfo(np.float64).tiny)

    def grey(plane: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
        with np.errstate(all="ignore"):
            scaled = np.nan_to_num((plane.astype(np.float64) - low) / span)
        return (np.clip(scaled, 0, 1) * 255).astype(np.uint8)

    return grey
