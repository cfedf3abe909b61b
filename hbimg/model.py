"""Values that every room speaks of: volume keys and geometry. Frozen, no I/O, no foreign library.

World coordinates are those of NIfTI throughout: millimetres, RAS+ (x to the right, y to the front, z up).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

from hbimg.errors import RowKeyError

#: The levels of the hierarchy, from the outside in.
LEVELS = ("project", "subject", "session", "scan")

#: World convention of every affine that hbimg stores.
WORLD_CONVENTION = "RAS+"

#: The label that stands for 'none': a BIDS data set without sessions, a DICOM file without a patient id.
NONE_LABEL = "-"


@dataclass(frozen=True, order=True, slots=True)
class VolumeKey:
    """The key of one volume (a scan): four labels.

    Labels are the encoded components (`hbimg.rowkeys.label`): ASCII, 1 to 64 characters of ``[A-Za-z0-9._-]``, with
    ``=HH`` for escaped bytes and ``~`` before the hash of a text that was too long. Keys sort as tuples of labels.
    """

    project: str
    subject: str
    session: str
    scan: str

    @property
    def labels(self) -> tuple[str, str, str, str]:
        """The four labels, outermost first."""
        return (self.project, self.subject, self.session, self.scan)

    def __str__(self) -> str:
        """Give the form users type and see: ``project/subject/session/scan``, with ``-`` for none."""
        return "/".join(self.labels)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the form ``project/subject/session/scan``.

        Raises
        ------
        RowKeyError
            If the text has not four parts. Whether each part is a label is checked where the key is encoded.
        """
        parts = text.strip("/").split("/")
        if len(parts) != len(LEVELS) or not all(parts):
            raise RowKeyError(
                f"{text!r} is no volume key: give project/subject/session/scan, with '-' for a level that is absent"
            )
        return cls(*parts)


@dataclass(frozen=True, slots=True)
class Geometry:
    """Shape, type and place of a volume's voxels.

    Attributes
    ----------
    shape : tuple of int
        Voxels along each axis in NIfTI's order (i, j, k, t, ...): the first index runs fastest in memory.
    dtype : str
        numpy's name of the stored voxel type with byte order, e.g. ``<i2``.
    affine : tuple of 4 tuples of 4 floats
        Voxel indices (i, j, k, 1) to millimetres in RAS+.
    axes : tuple of str
        A name for each axis, as long as `shape`: ``i j k`` in space, ``t`` for time, then ``d5`` to ``d7``.
    slope, intercept : float
        Value = stored * slope + intercept; 1 and 0 when the file does not scale.
    time_step_s : float or None
        Seconds between two indices of axis ``t``.
    """

    shape: tuple[int, ...]
    dtype: str
    affine: tuple[tuple[float, ...], ...]
    axes: tuple[str, ...]
    slope: float = 1.0
    intercept: float = 0.0
    time_step_s: float | None = None

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Distance between neighbouring voxels along i, j and k."""
        columns = [[self.affine[row][axis] for row in range(3)] for axis in range(3)]
        i, j, k = (sum(x * x for x in column) ** 0.5 for column in columns)
        return (i, j, k)

    def to_json(self) -> dict[str, Any]:
        """Give a JSON-ready mapping; `from_json` reads it back."""
        return {
            "shape": list(self.shape),
            "dtype": self.dtype,
            "affine": [list(row) for row in self.affine],
            "axes": list(self.axes),
            "slope": self.slope,
            "intercept": self.intercept,
            "time_step_s": self.time_step_s,
            "world": WORLD_CONVENTION,
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """Read what `to_json` gave."""
        return cls(
            shape=tuple(data["shape"]),
            dtype=data["dtype"],
            affine=tuple(tuple(row) for row in data["affine"]),
            axes=tuple(data["axes"]),
            slope=data["slope"],
            intercept=data["intercept"],
            time_step_s=data["time_step_s"],
        )
