"""A volume's files as a job takes them piece by piece: read while they are taken, counted, and timed."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

from hbimg.store import Buffer
from hbimg.volumes import StoredFile


class Streams:
    """The files of one volume, unpacked, in order; for one pass.

    The pieces of a file must be taken before the next file is asked for. A piece is valid until the next one is taken.

    Attributes
    ----------
    taken_bytes : int
        Bytes that were taken so far.
    read_s : float
        Seconds that reading and verifying them took, which is no time of the job's own.
    """

    def __init__(self, files: Iterable[tuple[StoredFile, Iterable[Buffer]]] = ()) -> None:
        self._files = iter(files)
        self.taken_bytes = 0
        self.read_s = 0.0

    def __iter__(self) -> Iterator[tuple[StoredFile, Iterator[Buffer]]]:
        """Give each file with its pieces."""
        for stored, pieces in self._files:
            yield stored, self._metered(iter(pieces))

    def _metered(self, pieces: Iterator[Buffer]) -> Iterator[Buffer]:
        while True:
            begin = time.perf_counter()
            try:
                piece = next(pieces, None)
            finally:
                self.read_s += time.perf_counter() - begin
            if piece is None:
                return
            self.taken_bytes += len(piece)
            yield piece
