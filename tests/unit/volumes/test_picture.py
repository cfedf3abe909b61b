"""Pictures of volumes: what `hbimg show --png` draws."""

from __future__ import annotations

import io
import tracemalloc

import numpy as np
from PIL import Image

from hbimg.model import Geometry
from hbimg.volumes.picture import picture_png


def picture(voxels):
    geometry = Geometry(voxels.shape, voxels.dtype.str, tuple(map(tuple, np.eye(4).tolist())), ("i", "j", "k"))
    return np.asarray(Image.open(io.BytesIO(picture_png(voxels, geometry))))


def test_a_picture_takes_little_memory_beside_the_volume():
    """A volume of a gigabyte was turned into float64 to find its grey values, which takes eight more."""
    voxels = np.zeros((300, 300, 300), np.int16)  # 54 MB
    voxels[100:200] = np.arange(300, dtype=np.int16)
    tracemalloc.start()
    drawn = picture(voxels)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < voxels.nbytes
    assert drawn.min() < 5
    assert drawn.max() > 250


def test_grey_values_run_from_the_darkest_to_the_brightest_voxels():
    voxels = np.zeros((20, 20, 20), np.float32)
    voxels[:, :, :] = np.linspace(-5, 5, 20)
    voxels[3, 3, 3] = np.nan
    drawn = picture(voxels).astype(int)
    coronal = drawn[8:-8, 340:640]
    assert coronal[3].mean() > 240  # the head's end is bright, as it was filled
    assert coronal[-3].mean() < 10
