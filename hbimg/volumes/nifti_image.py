"""Lays planes out as a NIfTI image, in dcm2niix's orientation, so that voxels and affine equal its output."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hbimg.errors import VolumeError
from hbimg.model import Geometry
from hbimg.volumes.content import FrameEncoding


@dataclass(frozen=True, slots=True)
class NiftiVoxels:
    """What a NIfTI image is made of.

    Attributes
    ----------
    array : ndarray, shape (i, j, k) or (i, j, k, t)
        A view of the planes, unless planes have scales of their own: then new, float32, scaled.
    affine : ndarray, shape (4, 4), float64
        Voxel indices to millimetres, RAS+.
    slope, intercept : float
        For ``scl_slope`` and ``scl_inter``: value = array * slope + intercept.
    """

    array: NDArray[Any]
    affine: NDArray[np.float64]
    slope: float
    intercept: float


def nifti_of(planes: NDArray[Any], geometry: Geometry, encoding: FrameEncoding) -> NiftiVoxels:
    """Lay the planes of a classic DICOM volume out as dcm2niix does.

    dcm2niix flips rows, so that j rises where DICOM's row numbers fall, and leaves planes in the order of the normal,
    or, for mosaics, of the protocol's slices; images of one time that say they were acquired in 3-D it also turns to
    the nearest RAS axes (its option ``-x``).

    Parameters
    ----------
    planes : ndarray, shape (frames, rows, columns)
        Running fastest in space, then in time, as `geometry` says.
    geometry : Geometry
        As stored, of the frames as they are in the files.
    encoding : FrameEncoding

    Raises
    ------
    VolumeError
        If the number of planes is not what the geometry says: planes of repetitions are missing.
    """
    scaled = _scaled(planes, encoding.details)
    array, affine = planes_as_nifti(scaled, geometry)
    mosaic = encoding.details.get("mosaic")
    if mosaic and not mosaic["rising"]:
        array, affine = _planes_reversed(array, affine)
    if encoding.details.get("acquisition_type") == "3D" and array.ndim == 3:
        array, affine = _nearest_ras(array, affine)
    return NiftiVoxels(array, affine, geometry.slope, geometry.intercept)


def planes_as_nifti(planes: NDArray[Any], geometry: Geometry) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """View planes as voxels (i, j, k[, t]) with rows flipped, and give the affine that belongs to it.

    Parameters
    ----------
    planes : ndarray, shape (frames, rows, columns)
    geometry : Geometry
        Shape (columns, rows, planes[, times]).

    Returns
    -------
    array : ndarray, shape `geometry.shape`
        A view, nothing is copied.
    affine : ndarray, shape (4, 4), float64

    Raises
    ------
    VolumeError
        If the planes do not fill the geometry's shape.
    """
    if planes.size != int(np.prod(geometry.shape)):
        raise VolumeError(
            f"{len(planes)} planes do not fill a volume of shape {geometry.shape}: repetitions lack planes"
        )
    array = planes.reshape(geometry.shape[::-1]).T[:, ::-1]
    affine = np.array(geometry.affine, np.float64)
    affine[:3, 3] += affine[:3, 1] * (geometry.shape[1] - 1)
    affine[:3, 1] *= -1
    return array, affine + 0.0  # no negative zeros


def _scaled(planes: NDArray[Any], details: Mapping[str, Any]) -> NDArray[Any]:
    """Apply slopes and intercepts that differ from plane to plane, as float32; else give the planes as they are."""
    if "rescale_slopes" not in details:
        return planes
    slopes = np.asarray(details["rescale_slopes"], np.float64)[:, None, None]
    intercepts = np.asarray(details["rescale_intercepts"], np.float64)[:, None, None]
    return (planes * slopes + intercepts).astype(np.float32)


def _planes_reversed(array: NDArray[Any], affine: NDArray[np.float64]) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """View the planes in the opposite order."""
    turned = affine.copy()
    turned[:3, 3] += affine[:3, 2] * (array.shape[2] - 1)
    turned[:3, 2] *= -1
    return array[:, :, ::-1], turned + 0.0


def _nearest_ras(array: NDArray[Any], affine: NDArray[np.float64]) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """Reorder and flip axes so that they point right, to the front and up as nearly as they can."""
    import nibabel

    orientation = nibabel.orientations.io_orientation(affine)
    turned = nibabel.orientations.apply_orientation(array, orientation)
    inverse = nibabel.orientations.inv_ornt_aff(orientation, array.shape[:3])
    return turned, affine @ inverse
