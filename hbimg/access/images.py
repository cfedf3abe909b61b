"""Stored volumes as nibabel images whose voxels are read when they are asked for.

nibabel reads slices of a NIfTI file by seeking in it. A stored NIfTI volume is such a file, put together from its rows
as it is read; of a DICOM volume one is made up: a header, and the decoded planes in their stored order.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import numpy as np

from hbimg.access.addresses import ORIGINALS, RESULTS, Address
from hbimg.access.files import open_file, original_files
from hbimg.access.framefile import FrameFile, Layout
from hbimg.access.rows import frames_between
from hbimg.access.sessions import reading_table, store_url
from hbimg.errors import ConfigError, VolumeError
from hbimg.store import Buffer
from hbimg.volumes import VolumeReader, VolumeRecord
from hbimg.volumes.decoding import decode_planes, has_unused_bits, is_plain
from hbimg.volumes.nifti_header import nifti_header
from hbimg.volumes.voxels import voxels


def open_image(url: str, store: str | None = None) -> Any:
    """Open a stored volume, or a NIfTI file among its originals and results, as a nibabel image.

    Nothing of the voxels is read before they are asked for: ``image.dataobj[:, :, 12]`` reads the rows of that slice,
    ``image.get_fdata()`` all. A NIfTI volume is what `nibabel.load` gives of its file, header and scaling included. A
    DICOM volume has its planes as they are stored (no axis is turned) and the affine that belongs to them.

    Parameters
    ----------
    url : str
        ``hbimg://TABLE/project/subject/session/scan``, or a file below: ``.../results/dicom2nifti/T1w.nii.gz``.
    store : str, optional
        URL or profile of the store; by default that of the command line.

    Returns
    -------
    nibabel.Nifti1Image, nibabel.Nifti2Image, or of a pair its like

    Raises
    ------
    ConfigError
        If the address names no volume or file.
    VolumeNotFoundError, TableNotFoundError
        If there is no such volume or table.
    VolumeError
        If it is a series that was set aside, or cannot be decoded here.
    """
    address, chosen = Address.parse(url), store_url(store)
    key = address.key
    if key is None or (address.inside and (address.inside[0] not in (ORIGINALS, RESULTS) or len(address.inside) < 2)):
        raise ConfigError(
            f"{url!r} names no volume: give hbimg://TABLE/project/subject/session/scan, or a file below its "
            f"{ORIGINALS}/ or {RESULTS}/NAME/"
        )
    if address.inside:
        return _image_of_file(address, chosen)
    with reading_table(chosen, address.table) as volumes:
        return image_of(volumes.record(key), chosen, address.table)


def image_of(record: VolumeRecord, store: str, table: str) -> Any:
    """Give the image of a stored volume; `open_image` says what is given and raised."""
    if record.geometry is None or record.encoding is None:
        raise VolumeError(f"{record.key} is no volume: {record.reason or 'it has no geometry'}")
    if record.format.startswith(("nifti", "cifti")):
        return _nifti_image(record, store, table)
    if _is_planes(record):
        return _read(MadeUpNifti(record, store, table))
    return _image_in_memory(record, store, table)


def _image_of_file(address: Address, store: str) -> Any:
    stream = open_file(address, store)
    if address.path.endswith(".gz"):
        from isal import igzip

        with stream:
            stream = io.BytesIO(igzip.decompress(stream.read()))
    return _read(stream)


def _nifti_image(record: VolumeRecord, store: str, table: str) -> Any:
    files = original_files(record, store, table)
    image = next(file for stored, file in files if stored.frames)
    if not record.format.endswith("-pair"):
        return _read(image)
    return _read(image, next(file for stored, file in files if stored.name.lower().endswith((".hdr", ".hdr.gz"))))


def _read(image: Any, header: Any = None) -> Any:
    """Let nibabel read an image from a stream, or from two; they stay open, because it reads voxels when asked."""
    import nibabel
    from nibabel.filebasedimages import ImageFileError
    from nibabel.fileholders import FileHolder

    start = image if header is None else header
    size = start.read(4)
    start.seek(0)
    is_second = 540 in (int.from_bytes(size, "little"), int.from_bytes(size, "big"))
    holders = {"image": FileHolder(fileobj=image)}
    if header is None:
        kind = nibabel.Nifti2Image if is_second else nibabel.Nifti1Image
    else:
        kind = nibabel.Nifti2Pair if is_second else nibabel.Nifti1Pair
        holders["header"] = FileHolder(fileobj=header)
    try:
        return kind.from_file_map(holders)
    except (ImageFileError, ValueError, OSError) as error:
        raise VolumeError(f"this is no NIfTI file that nibabel reads: {error}") from error


class MadeUpNifti(FrameFile):
    """The NIfTI file that a volume of grey planes would be; it can be pickled."""

    def __init__(self, record: VolumeRecord, store: str, table: str) -> None:
        self._made_of = (record, store, table)
        geometry, encoding = record.geometry, record.encoding
        assert geometry is not None
        assert encoding is not None
        header = nifti_header(geometry)
        self._head = header.binaryblock.ljust(int(header["vox_offset"]), b"\0")
        length = encoding.rows * encoding.columns * np.dtype(encoding.dtype).itemsize * encoding.planes
        starts = len(self._head) + length * np.arange(record.frames, dtype=np.int64)
        layout = Layout(len(self._head) + length * record.frames, starts, np.full(record.frames, length, np.int64))
        super().__init__(layout, lambda: self._head, self._read_planes)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle what it is made of."""
        return type(self), self._made_of

    def _read_planes(self, first: int, end: int) -> Iterator[Buffer]:
        record, store, table = self._made_of
        assert record.encoding is not None
        is_whole = is_plain(record.encoding) and not has_unused_bits(record.encoding)
        with reading_table(store, table) as volumes:
            for frame in frames_between(volumes, record, first, end):
                yield frame if is_whole else decode_planes([frame], record.encoding).tobytes()


def _is_planes(record: VolumeRecord) -> bool:
    """Whether each frame of a volume decodes to its next grey planes, and all planes are scaled alike."""
    geometry, encoding = record.geometry, record.encoding
    assert geometry is not None
    assert encoding is not None
    planes, plane_bytes = record.frames * encoding.planes, encoding.rows * encoding.columns
    return (
        encoding.samples == 1
        and planes == int(np.prod(geometry.shape[2:]))
        and "planes" not in record.plane_map
        and "rescale_slopes" not in encoding.details
        and geometry.dtype == encoding.dtype
        and not (is_plain(encoding) and record.frame_bytes != planes * plane_bytes * np.dtype(encoding.dtype).itemsize)
    )


def _image_in_memory(record: VolumeRecord, store: str, table: str) -> Any:
    """Give the image of a volume whose frames are no planes one by one: all of it is read now."""
    import nibabel

    geometry, encoding = record.geometry, record.encoding
    assert geometry is not None
    assert encoding is not None
    with reading_table(store, table) as volumes:
        array = voxels(VolumeReader(volumes, record))
    if array.ndim > len(geometry.shape):
        if array.shape[-1] != 3 or array.dtype != np.uint8:
            raise VolumeError(f"{record.key}: NIfTI has no colour of {array.shape[-1]} samples of {array.dtype}")
        array = np.ascontiguousarray(array).view(np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")]))[..., 0]
    elif "rescale_slopes" in encoding.details:
        shape = (1, 1, *geometry.shape[2:])
        slopes, intercepts = (
            np.asarray(encoding.details[f"rescale_{name}"]).reshape(shape, order="F")
            for name in ("slopes", "intercepts")
        )
        array = (array * slopes + intercepts).astype(np.float32)
    header = nifti_header(geometry)
    header.set_data_dtype(array.dtype)
    image = nibabel.Nifti1Image(array, np.array(geometry.affine), header)
    image.header.set_slope_inter(geometry.slope, geometry.intercept)
    return image
