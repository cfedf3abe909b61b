"""Runs: who ran what on which volumes, with which parameters and versions, and how it ended; rows of the table too."""

from __future__ import annotations

import json
import secrets
import zlib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from hbimg.errors import VolumeNotFoundError
from hbimg.rowkeys import run_row, runs_range, stop_row
from hbimg.store.cells import chunk_columns, seal_all, unseal
from hbimg.volumes.table import VolumeTable

Run = Mapping[str, Any]


def new_run_id() -> str:
    """Give a run's id: its start in UTC and some random digits, so that runs sort by time."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"


def save_run(volumes: VolumeTable, run: Run) -> None:
    """Write a run, ready for JSON and with its id under ``id``; a later state takes the place of an earlier one.

    The number of chunks stands before the JSON, so that chunks left of a longer, earlier state are not read.
    """
    packed = zlib.compress(json.dumps(run, ensure_ascii=False).encode())
    row = run_row(run["id"])
    chunks = dict(chunk_columns("m", packed, first=1))
    volumes.table.put(row, seal_all(row, {b"m:0000": str(len(chunks)).encode(), **chunks}))


def load_run(volumes: VolumeTable, run_id: str) -> dict[str, Any]:
    """Give a run; VolumeNotFoundError if there is none of that id."""
    row = run_row(run_id)
    cells = volumes.table.get(row)
    if not cells:
        raise VolumeNotFoundError(f"there is no run {run_id!r} in table {volumes.name!r}: `hbimg runs` lists them")
    return _decode(row, cells)


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
        yield _decode(row.key, row.cells)


def _decode(row: bytes, cells: Mapping[bytes, Any]) -> dict[str, Any]:
    count = int(bytes(unseal(row, b"m:0000", cells[b"m:0000"])))
    columns = [f"m:{number:04d}".encode() for number in range(1, count + 1)]
    packed = b"".join(unseal(row, column, cells[column]) for column in columns)
    run: dict[str, Any] = json.loads(zlib.decompress(packed))
    return run
