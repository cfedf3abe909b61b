"""Runs: who ran what on which volumes, with which parameters and versions, and how it ended; rows of the table too."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from hbimg.errors import VolumeNotFoundError
from hbimg.rowkeys import run_row, runs_range, stop_row
from hbimg.store.cells import seal_all
from hbimg.volumes.documents import document_in, save_document
from hbimg.volumes.table import VolumeTable

Run = Mapping[str, Any]


def new_run_id() -> str:
    """Give a run's id: its start in UTC, its millisecond and some random digits in hex, so that runs sort by time."""
    now = datetime.now(UTC)
    return f"{now:%Y%m%dT%H%M%S}-{now.microsecond // 1000:03x}{secrets.randbelow(4096):03x}"


def save_run(volumes: VolumeTable, run: Run) -> None:
    """Write a run, ready for JSON and with its id under ``id``; a later state takes the place of an earlier one."""
    save_document(volumes.table, run_row(run["id"]), run)


def load_run(volumes: VolumeTable, run_id: str) -> dict[str, Any]:
    """Give a run; VolumeNotFoundError if there is none of that id."""
    row = run_row(run_id)
    cells = volumes.table.get(row)
    if not cells:
        raise VolumeNotFoundError(f"there is no run {run_id!r} in table {volumes.name!r}: `hbimg runs` lists them")
    return document_in(row, cells)


def ask_to_stop(volumes: VolumeTable, run_id: str) -> None:
    """Ask the tasks of a run, wherever they are, to end after the volumes they are at."""
    row = stop_row(run_id)
    volumes.table.put(row, seal_all(row, {b"m:stop": datetime.now(UTC).isoformat().encode()}))


def is_asked_to_stop(volumes: VolumeTable, run_id: str) -> bool:
    """Whether the tasks of a run were asked to stop."""
    return bool(volumes.table.get(stop_row(run_id)))


def forget_stop(volumes: VolumeTable, run_id: str) -> None:
    """Take `ask_to_stop` back, once the run has ended."""
    volumes.table.delete_many([stop_row(run_id)])


def runs(volumes: VolumeTable) -> Iterator[dict[str, Any]]:
    """Give all runs of a table, oldest first."""
    for row in volumes.table.scan(runs_range(), ["m"]):
        yield document_in(row.key, row.cells)
