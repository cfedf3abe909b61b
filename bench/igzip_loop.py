"""The fair rival of `hbimg run compress`: one process of as many, gzipping files one after the other with isal.

python bench/igzip_loop.py FOLDER FILE...    writes FOLDER/FILE.gz for each and syncs it
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from isal import isal_zlib


def main() -> None:
    """Compress the files that the command line names."""
    folder = Path(sys.argv[1])
    for name in sys.argv[2:]:
        path = Path(name)
        packer = isal_zlib.compressobj(1, isal_zlib.DEFLATED, 31)
        with path.open("rb") as source, (folder / f"{path.name}.gz").open("wb") as target:
            while data := source.read(1 << 20):
                target.write(packer.compress(data))
            target.write(packer.flush())
            target.flush()
            os.fsync(target.fileno())


if __name__ == "__main__":
    main()
