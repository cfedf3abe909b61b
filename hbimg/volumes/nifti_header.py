"""The NIfTI header of a stored volume whose voxels lie in a file as they are stored."""

from __future__ import annotations

from typing import Any

import numpy as np

from hbimg.model import Geometry

#: NIfTI-1 counts voxels along an axis in 16 bits; longer axes make it NIfTI-2.
NIFTI1_MAX_LENGTH = 32767


def nifti_header(geometry: Geometry) -> Any:
    """Give the header of a single NIfTI file, in the byte order of the voxels; they begin at its ``vox_offset``."""
    import nibabel

    is_long = max(geometry.shape) > NIFTI1_MAX_LENGTH
    endianness = ">" if np.dtype(geometry.dtype).str.startswith(">") else "<"
    header = (nibabel.Nifti2Header if is_long else nibabel.Nifti1Header)(endianness=endianness)
    header.set_data_dtype(np.dtype(geometry.dtype))
    header.set_data_shape(geometry.shape)
    header.set_sform(np.array(geometry.affine), code="scanner")
    header.set_qform(np.array(geometry.affine), code="scanner", strip_shears=True)
    header.set_slope_inter(geometry.slope, geometry.intercept)
    header.set_xyzt_units("mm", "sec")
    if geometry.time_step_s and len(geometry.shape) > 3:
        header["pixdim"][4] = geometry.time_step_s
    header["magic"] = header.single_magic
    header["vox_offset"] = header.single_vox_offset
    return header
