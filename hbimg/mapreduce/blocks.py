"""Memory that is used again from volume to volume.

Fresh memory of a volume's size costs more than reading the volume into it: the kernel gives it page by page, zeroed,
and takes it back at the end. So a worker keeps its blocks. Small ones (the files of a DICOM series) are left to malloc.
"""

from __future__ import annotations

import mmap
import sys

#: References to a block that nobody uses: the list's, the loop's variable, and the argument of `getrefcount`.
_OWN_REFERENCES = 3

_LEAST_BYTES = 4 << 20


class Blocks:
    """Gives blocks of bytes, and gives a block again once no view of it is left. For one thread."""

    def __init__(self) -> None:
        self._blocks: list[mmap.mmap] = []

    def take(self, size: int) -> memoryview:
        """Give a view of `size` bytes that can be written; what is in it is left from before."""
        if size < _LEAST_BYTES:
            return memoryview(bytearray(size))
        for block in self._blocks:
            if len(block) >= size and sys.getrefcount(block) == _OWN_REFERENCES:
                return memoryview(block)[:size]
        # None fits: those that are free are too small for what comes now, so they are let go first.
        self._blocks = [block for block in self._blocks if sys.getrefcount(block) > _OWN_REFERENCES]
        new = _anonymous(size)
        self._blocks.append(new)
        return memoryview(new)[:size]


def _anonymous(size: int) -> mmap.mmap:
    block = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if hasattr(mmap, "MADV_HUGEPAGE"):
        block.madvise(mmap.MADV_HUGEPAGE)
    return block
