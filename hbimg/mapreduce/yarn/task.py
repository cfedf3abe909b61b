"""A map or reduce task of the engine `yarn`, without Hadoop: records in, records out, as lines of JSON.

A map gives one record for each volume's outcome, one for each partial of a reducing job, and one about itself. What
they are told apart by is the record's only name. `hbimg.mapreduce.pydoop_adapter` hands them to Hadoop.
"""

from __future__ import annotations

import base64
import json
import socket
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hbimg.mapreduce.job import PARTIAL, Job, ReducingJob
from hbimg.mapreduce.outcomes import Outcome, State
from hbimg.mapreduce.registry import load_class
from hbimg.mapreduce.sources import Sources
from hbimg.mapreduce.tasks import TaskSettings, run_split
from hbimg.mapreduce.yarn.data_nodes import written_bytes
from hbimg.mapreduce.yarn.order import Order, listed_volumes
from hbimg.mapreduce.yarn.scans import parse_table_split
from hbimg.model import VolumeKey
from hbimg.store import open_store
from hbimg.volumes import VolumeTable, is_asked_to_stop, manifest_of, read_artefact

#: Between the parts of a key that goes through the shuffle; below every byte of a row key, so that keys sort by row.
_PART_END = "\x01"
#: How often a task looks whether it shall stop, in seconds.
_STOP_CHECK_S = 2.0

Record = tuple[str, str]


class MapTask:
    """The volumes of one split, worked off.

    Parameters
    ----------
    raw_split : bytes
        As HBase's input format made it.
    attempt : str
        Hadoop's id of this attempt.
    folder : Path
        Where the order, the list of volumes and the scratch folders are.
    """

    def __init__(self, raw_split: bytes, attempt: str, folder: Path) -> None:
        self._split = parse_table_split(raw_split)
        self._attempt = attempt
        self._folder = folder
        self._order = Order.read(folder)
        self._listed = list(listed_volumes(folder, self._split.range))
        self._sizes = {listed.row.decode(): listed.size_bytes for listed in self._listed}
        self._host = socket.gethostname()
        self.done = 0
        self.current = ""

    @property
    def status(self) -> str:
        """How far it is, in a few words."""
        return f"{self.done} of {len(self._listed)} volumes{', at ' + self.current if self.current else ''}"

    @property
    def progress(self) -> float:
        """The share of its volumes that are done."""
        return self.done / max(1, len(self._listed))

    def planned_bytes(self, row: str) -> int:
        """Give the planned bytes of the volume whose row that is; 0 for none of this task."""
        return self._sizes.get(row, 0)

    def records(self) -> Iterator[Record]:
        """Do the work and give the records, ready to be shuffled if the job is a reducing one."""
        begin = self._begin()
        job = load_class(self._order.job).of_parameters(self._order.parameters)
        with open_store(self._order.store) as store:
            volumes = VolumeTable.open(store, self._order.table)
            keys = [volumes.scheme.decode(listed.row).volume for listed in self._listed]
            for outcome in run_split(job, volumes, keys, self._settings(volumes)):
                self.done += 1
                row = volumes.scheme.volume(outcome.key).decode()
                yield from self._partial(job, volumes, outcome, row)
                yield _part("outcome", row), json.dumps({"outcome": outcome.to_json()})
        yield _part("task", self._attempt), json.dumps({"task": self._about(begin)})

    def _begin(self) -> dict[str, Any]:
        return {"start_s": time.time(), "network": network_bytes(), "hdfs_written": written_bytes(self._host)}

    def _about(self, begin: dict[str, Any]) -> dict[str, Any]:
        return {
            "attempt": self._attempt,
            "host": self._host,
            "split_host": self._split.host,
            "volumes": len(self._listed),
            "start_s": begin["start_s"],
            "end_s": time.time(),
            "network_at_start": begin["network"],
            "network_at_end": network_bytes(),
            "hdfs_written_at_start": begin["hdfs_written"],
        }

    def _settings(self, volumes: VolumeTable) -> TaskSettings:
        return TaskSettings(
            result_name=self._order.result_name,
            run_id=self._order.run_id,
            force=self._order.force,
            pad_to_s=self._order.pad_to_s,
            host=self._host,
            slot=self._attempt,
            scratch=self._folder,
            on_start=self._note,
            stopped=_StopFlag(volumes, self._order.run_id),
            source=Sources(volumes),
        )

    def _note(self, key: VolumeKey) -> None:
        self.current = str(key)

    def _partial(self, job: Job, volumes: VolumeTable, outcome: Outcome, row: str) -> Iterator[Record]:
        if not isinstance(job, ReducingJob) or outcome.state not in (State.DONE, State.CURRENT):
            return
        manifest = manifest_of(volumes, outcome.key, self._order.result_name)
        for artefact in manifest.artefacts:
            if artefact.name == PARTIAL:
                data = b"".join(read_artefact(volumes, manifest, artefact))
                group = job.group_of(outcome.key)
                value = {"group": group, "data": base64.b64encode(data).decode()}
                yield _part("partial", json.dumps(group), row), json.dumps({"partial": value})


class ReduceTask:
    """Combines partials, which come group by group in the order of the volumes' keys, and lets all else through."""

    def __init__(self, folder: Path) -> None:
        order = Order.read(folder)
        job = load_class(order.job).of_parameters(order.parameters)
        assert isinstance(job, ReducingJob)
        self._job = job
        self._group: str | None = None
        self._data = b""

    def take(self, key: str, value: str) -> Iterator[Record]:
        """Take a record, and give those that are ready."""
        partial = json.loads(value).get("partial")
        if partial is None:
            yield key, value
            return
        data = base64.b64decode(partial["data"])
        if partial["group"] == self._group:
            self._data = self._job.combine(self._data, data)
            return
        yield from self.end()
        self._group, self._data = partial["group"], data

    def end(self) -> Iterator[Record]:
        """Give the last group."""
        if self._group is not None:
            value = {"group": self._group, "data": base64.b64encode(self._data).decode()}
            yield json.dumps(self._group), json.dumps({"partial": value})
        self._group = None


def partition_of(key: str, reducers: int) -> int:
    """Give the reducer of a record: one for all partials of a group."""
    kind, _, rest = key.partition(_PART_END)
    text = rest.rpartition(_PART_END)[0] if kind == "partial" else rest
    return zlib.crc32(text.encode()) % reducers


def _part(*parts: str) -> str:
    return _PART_END.join(parts)


class _StopFlag:
    """Whether the user asked the run to stop; looked up every other second, since it is asked all the time."""

    def __init__(self, volumes: VolumeTable, run_id: str) -> None:
        self._volumes = volumes
        self._run_id = run_id
        self._next_look = 0.0
        self._stopped = False

    def __call__(self) -> bool:
        if not self._stopped and time.monotonic() >= self._next_look:
            self._next_look = time.monotonic() + _STOP_CHECK_S
            self._stopped = is_asked_to_stop(self._volumes, self._run_id)
        return self._stopped


def network_bytes() -> dict[str, list[int]]:
    """Give what this machine's network interfaces counted so far: name to bytes received and sent; without `lo`."""
    try:
        lines = Path("/proc/net/dev").read_text().splitlines()[2:]
    except OSError:
        return {}
    found = {}
    for line in lines:
        name, _, numbers = line.partition(":")
        fields = numbers.split()
        if name.strip() != "lo":
            found[name.strip()] = [int(fields[0]), int(fields[8])]
    return found
