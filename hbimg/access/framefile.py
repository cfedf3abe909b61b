"""A file that is not there: literal bytes with frames between, of which only those are read that are asked for."""

from __future__ import annotations

import io
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hbimg.errors import CorruptCellError
from hbimg.store import Buffer

#: Frames that were read alone are kept for the next reading: slices across the planes take a little of each.
_KEPT_FRAMES = 8
_KEPT_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class Layout:
    """Where frames lie in a file.

    Attributes
    ----------
    size_bytes : int
        Of the whole file.
    starts, lengths : arrays of shape (frames,), dtype int64
        Byte offset and size of each frame, in the order of their offsets.
    """

    size_bytes: int
    starts: npt.NDArray[np.int64]
    lengths: npt.NDArray[np.int64]

    @classmethod
    def of_runs(cls, size_bytes: int, runs: Iterable[Any]) -> Layout:
        """Make it of runs of frames, as `hbimg.volumes.FrameRun` gives them."""
        listed = list(runs)
        starts = [run.offset + run.stride * np.arange(run.count, dtype=np.int64) for run in listed]
        lengths = [np.full(run.count, run.length, np.int64) for run in listed]
        none = np.empty(0, np.int64)
        return cls(size_bytes, np.concatenate([none, *starts]), np.concatenate([none, *lengths]))


class FrameFile(io.RawIOBase):
    """A read-only file in which any place can be read at once.

    Parameters
    ----------
    layout : Layout
    literals : callable
        Gives all bytes that are not in frames, one behind the other; called once, when the first is wanted.
    frames : callable
        Gives the bytes of the frames first, ..., end - 1.
    """

    def __init__(
        self, layout: Layout, literals: Callable[[], bytes], frames: Callable[[int, int], Iterator[Buffer]]
    ) -> None:
        self._layout = layout
        self._before = np.concatenate([[0], np.cumsum(layout.lengths)])  # bytes of the frames before each frame
        self._get_literals = literals
        self._literals: bytes | None = None
        self._get_frames = frames
        self._kept: OrderedDict[int, Buffer] = OrderedDict()
        self._position = 0

    def readable(self) -> bool:
        """Whether it can be read: yes."""
        return True

    def seekable(self) -> bool:
        """Whether its place can be set: yes."""
        return True

    def tell(self) -> int:
        """Give the place of the next byte."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Set the place of the next byte."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._layout.size_bytes}[whence]
        if base + offset < 0:
            raise ValueError(f"byte {base + offset} lies before the file's beginning")
        self._position = base + offset
        return self._position

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer with what comes next, whole unless the file ends before."""
        view = memoryview(buffer).cast("B")
        start, layout = self._position, self._layout
        end = max(start, min(layout.size_bytes, start + len(view)))
        first = int(np.searchsorted(layout.starts + layout.lengths, start, side="right"))
        last = int(np.searchsorted(layout.starts, end, side="left"))
        at = start
        for number, frame in zip(range(first, last), self._frames(first, last), strict=True):
            frame_start, length = int(layout.starts[number]), int(layout.lengths[number])
            if len(frame) != length:
                raise CorruptCellError(
                    f"a frame has {len(frame):,} bytes of {length:,}: ingest its volume with --replace"
                )
            at = self._take_literals(view, start, at, frame_start, number)
            piece = memoryview(frame)[at - frame_start : end - frame_start]
            view[at - start : at - start + len(piece)] = piece
            at += len(piece)
        self._position = self._take_literals(view, start, at, end, last)
        return end - start

    def _take_literals(self, view: memoryview, start: int, at: int, end: int, frame: int) -> int:
        """Copy the literal bytes from `at` up to `end`, which stand before a frame, and give the place behind them."""
        if at >= end:
            return at
        if self._literals is None:
            self._literals = self._get_literals()
        skip = int(self._before[frame])
        view[at - start : end - start] = self._literals[at - skip : end - skip]
        return end

    def _frames(self, first: int, last: int) -> Iterator[Buffer]:
        if last - first > 1:
            return self._get_frames(first, last)
        return iter([self._frame(number) for number in range(first, last)])

    def _frame(self, number: int) -> Buffer:
        if number not in self._kept:
            (frame,) = self._get_frames(number, number + 1)
            self._kept[number] = frame
            while len(self._kept) > _KEPT_FRAMES or (
                len(self._kept) > 1 and sum(map(len, self._kept.values())) > _KEPT_BYTES
            ):
                self._kept.popitem(last=False)
        return self._kept[number]
