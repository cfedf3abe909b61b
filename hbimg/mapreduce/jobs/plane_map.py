"""Which plane of a converted image came from which DICOM file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from hbimg.mapreduce.job import LoadedVolume
from hbimg.volumes import VolumeRecord

if TYPE_CHECKING:
    import numpy.typing as npt

#: How far, in voxels, a source plane may lie from the plane of the image that it is found to be.
_TOLERANCE_VOXELS = 0.1


def plane_map(
    volume: LoadedVolume, image_name: str, affine: npt.NDArray[Any], shape: tuple[int, ...]
) -> dict[str, Any]:
    """Tell for each source plane its place (i, j, k, t) in the image; the two indices that run in the plane are null.

    Parameters
    ----------
    volume : LoadedVolume
    image_name : str
    affine : array of shape (4, 4)
        The image's, voxels to millimetres in RAS+.
    shape : tuple of int
        The image's.

    Returns
    -------
    dict
        ``image``, ``planes`` (``file``, ``sop_instance``, ``frame``, ``i``, ``j``, ``k``, ``t``), and ``reason``, which
        says why there are no planes where the image is not made of the stored planes (it was resampled).
    """
    planes, reason = _places(volume.record, affine, shape)
    sources = list(_sources(volume))
    listed = [{**sources[frame], "frame": frame, **place} for frame, place in planes]
    return {"image": image_name, "planes": listed, "reason": reason}


def _sources(volume: LoadedVolume) -> Iterator[dict[str, Any]]:
    """Give the file of each frame."""
    for file in volume.files:
        for _ in range(file.stored.frames):
            yield {"file": file.stored.name, "sop_instance": file.stored.facts.get("sop_instance")}


def _places(
    record: VolumeRecord, affine: npt.NDArray[Any], shape: tuple[int, ...]
) -> tuple[list[tuple[int, dict[str, int | None]]], str]:
    import numpy as np

    geometry, encoding = record.geometry, record.encoding
    if geometry is None or encoding is None or not record.frames:
        return [], "the stored volume has no frames of its own"
    depth = geometry.shape[2] if len(geometry.shape) > 2 else 1
    step = np.linalg.inv(affine) @ np.array(geometry.affine)
    axis = int(np.argmax(np.abs(step[:3, 2])))
    if abs(abs(step[axis, 2]) - 1) * max(depth - 1, 1) > _TOLERANCE_VOXELS:
        return [], "the image's planes lie elsewhere than the stored ones"
    found = []
    for frame, plane in _planes_of_frames(record):
        k, t = plane % depth, plane // depth
        # The middle of the plane: the index along `axis` is the same everywhere in it unless the image is sheared.
        middle = step @ np.array([(geometry.shape[0] - 1) / 2, (geometry.shape[1] - 1) / 2, k, 1.0])
        index = round(float(middle[axis]))
        times = shape[3] if len(shape) > 3 else 1
        if abs(middle[axis] - index) > _TOLERANCE_VOXELS or not (0 <= index < shape[axis] and t < times):
            return [], "the image's planes lie elsewhere than the stored ones"
        place: dict[str, int | None] = {"i": None, "j": None, "k": None, "t": t}
        place["ijk"[axis]] = index
        found.append((frame, place))
    return found, ""


def _planes_of_frames(record: VolumeRecord) -> Iterator[tuple[int, int]]:
    """Give (frame, running plane number in the stored order)."""
    assert record.encoding is not None
    each = record.encoding.planes
    listed = record.plane_map.get("planes")
    for frame in range(record.frames):
        for tile in range(each):
            plane = frame * each + tile
            yield frame, int(listed[plane]) if listed else plane
