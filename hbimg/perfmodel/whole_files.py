"""Writing a file so that it appears whole or not at all."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from hbimg.errors import ExportError

if TYPE_CHECKING:
    from pathlib import Path


def write_whole(path: Path, content: bytes) -> None:
    """Write `content` to `path` through a neighbour that is renamed at the end; ExportError when that fails."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        partial.write_bytes(content)
        partial.replace(path)
    except OSError as error:
        raise ExportError(f"cannot write {path}: {error.strerror}") from error
    finally:
        # After the renaming there is nothing left of that name; where nothing could be written there is nothing either.
        with contextlib.suppress(OSError):
            partial.unlink()
