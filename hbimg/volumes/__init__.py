"""What a volume's rows hold: claims, records, frames, original files, results and runs, over any store."""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import Any

from hbimg.volumes.content import FrameEncoding, FrameRun, SourceFile, VolumeContent
from hbimg.volumes.reader import StoredFile, VolumeReader
from hbimg.volumes.record import VolumeRecord, digest_of
from hbimg.volumes.result_writer import ResultWriter, settle_results
from hbimg.volumes.results import Manifest, StoredArtefact, entries, manifest_of, read_artefact
from hbimg.volumes.runs import ask_to_stop, forget_stop, is_asked_to_stop, load_run, new_run_id, runs, save_run
from hbimg.volumes.table import VolumeTable
from hbimg.volumes.where import Where
from hbimg.volumes.writer import WrittenVolume, store_content, write_content

__all__ = [
    "FrameEncoding",
    "FrameRun",
    "Manifest",
    "ResultWriter",
    "SourceFile",
    "StoredArtefact",
    "StoredFile",
    "VolumeContent",
    "VolumeReader",
    "VolumeRecord",
    "VolumeTable",
    "Where",
    "WrittenVolume",
    "ask_to_stop",
    "digest_of",
    "entries",
    "forget_stop",
    "is_asked_to_stop",
    "load_run",
    "manifest_of",
    "new_run_id",
    "read_artefact",
    "runs",
    "save_run",
    "settle_results",
    "store_content",
    "write_content",
]


class _Room(ModuleType):
    """This room; called, it is the function `hbimg.volumes(table, where)` of `hbimg.access` (docs/decisions/0092)."""

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        return import_module("hbimg.access").volumes(*arguments, **named)


sys.modules[__name__].__class__ = _Room
