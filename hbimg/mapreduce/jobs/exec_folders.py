"""The folders in which a command of `exec` runs, and what is found in them afterwards."""

from __future__ import annotations

import base64
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Self

from hbimg.errors import ParameterError, VolumeFailedError
from hbimg.mapreduce.jobs.exec_words import file_name

_PIECE_BYTES = 1 << 20
#: Files travel with the run's parameters, so they are scripts and settings, no programs.
_MOST_FILE_BYTES = 256 << 10


class Folders:
    """The folders of one volume's commands, below its scratch folder; what is in them is gone at the end.

    Attributes
    ----------
    work : Path
        Where commands run; `input` and `output` are ``in`` and ``out`` in it.
    temporary : Path
        For the commands' temporary files.
    """

    def __init__(self, scratch: Path) -> None:
        self.work = scratch / "work"
        self.input, self.output, self.temporary = self.work / "in", self.work / "out", scratch / "tmp"

    def __enter__(self) -> Self:
        for folder in (self.input, self.output, self.temporary):
            folder.mkdir(parents=True)
        return self

    def __exit__(self, *_: object) -> None:
        for folder in (self.work, self.temporary):
            _remove(folder)

    def clear_output(self) -> None:
        """Empty the folder for the outputs of the next frame."""
        _remove(self.output)
        self.output.mkdir()

    def written(self, names: Sequence[str], *, everything: bool) -> list[Path]:
        """Give the files that a command wrote, sorted: all of them, or those with the names.

        Raises
        ------
        VolumeFailedError
            If one of the names is not there, or what is there is no file: a pipe, or a link that leads elsewhere.
        """
        found = {path.relative_to(self.output).as_posix(): path for path in sorted(self._entries())}
        for name in names:
            if name not in found:
                there = ", ".join(list(found)[:5]) or "nothing"
                raise VolumeFailedError(f"the command ended well, but did not write {name}; it wrote {there}")
        chosen = {name: path for name, path in found.items() if everything or name in names}
        for name, path in chosen.items():
            if not (path.is_file() and path.resolve().is_relative_to(self.output.resolve())):
                raise VolumeFailedError(f"{name} among the outputs is no file, or a link to elsewhere")
        return list(chosen.values())

    def _entries(self) -> Iterator[Path]:
        for parent, folders, files in _walk(self.output):
            links = [name for name in folders if (parent / name).is_symlink()]
            yield from (parent / name for name in [*files, *links])


def _walk(folder: Path) -> Iterator[tuple[Path, list[str], list[str]]]:
    """Walk through a folder, also where a tool took the rights to do so away."""
    folder.chmod(0o700)
    for parent, folders, files in os.walk(folder):
        for name in folders:
            if not Path(parent, name).is_symlink():
                Path(parent, name).chmod(0o700)
        yield Path(parent), folders, files


def _remove(folder: Path) -> None:
    for _ in _walk(folder):
        pass
    shutil.rmtree(folder)


def pieces_of(path: Path) -> Iterator[bytes]:
    """Give a file's bytes."""
    with path.open("rb") as stream:
        while piece := stream.read(_PIECE_BYTES):
            yield piece


def packed_files(paths: Sequence[Path]) -> str:
    """Give files as the JSON text that `Exec.files` wants: name to content and whether it can be run.

    Raises
    ------
    ParameterError
        If one cannot be read, two have the same name, or they are too large together.
    """
    packed: dict[str, dict[str, str | bool]] = {}
    for path in paths:
        name = file_name(path.name, f"file {path}")
        if name in packed or name in ("in", "out"):
            raise ParameterError(f"file {path}: another file beside the command has this name already")
        try:
            data = path.read_bytes()
        except OSError as error:
            raise ParameterError(f"file {path} cannot be read: {error.strerror}") from error
        packed[name] = {"data": base64.b64encode(data).decode(), "run": os.access(path, os.X_OK)}
    text = json.dumps(packed, sort_keys=True)
    if len(text) > _MOST_FILE_BYTES * 4 // 3:
        raise ParameterError(
            f"the files beside the command have over {_MOST_FILE_BYTES >> 10} KiB: name the large ones in the command "
            "by absolute paths"
        )
    return text


def unpack_files(text: str, folder: Path) -> None:
    """Write what `packed_files` gave into a folder."""
    for name, file in json.loads(text).items():
        (folder / name).write_bytes(base64.b64decode(file["data"]))
        (folder / name).chmod(0o755 if file["run"] else 0o644)
