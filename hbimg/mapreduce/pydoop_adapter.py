"""The one place that speaks to pydoop: hands a task's records to Hadoop, and shows Hadoop that it lives.

Started by Hadoop as ``python -m hbimg.mapreduce.pydoop_adapter`` in a container. Keys and values are UTF-8 text, so
nothing is pickled.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydoop.mapreduce import api, pipes

from hbimg.errors import HbimgError
from hbimg.mapreduce.outcomes import one_line
from hbimg.mapreduce.yarn.task import MapTask, Record, ReduceTask, partition_of

#: How often Hadoop hears of a task that is at work on a volume, in seconds. It gives up a silent one after 600.
_BEAT_S = 3.0
COUNTERS = "hbimg"


class _Heartbeat:
    """Reports progress while the main thread is inside of a `with` block, where it does not talk to Hadoop itself."""

    def __init__(self, context: Any, task: MapTask) -> None:
        self._context = context
        self._task = task
        self._lock = threading.Lock()
        self._working = False
        threading.Thread(target=self._beat, daemon=True).start()

    def __enter__(self) -> None:
        with self._lock:
            self._working = True

    def __exit__(self, *error: object) -> None:
        with self._lock:
            self._working = False

    def _beat(self) -> None:
        pause = threading.Event()
        while not pause.wait(_BEAT_S):
            with self._lock:
                if self._working:
                    self._context.progress_value = self._task.progress
                    self._context.set_status(self._task.status)


class _Reader(api.RecordReader):  # type: ignore[misc]
    """Works off the split: its records are what became of each volume."""

    def __init__(self, context: Any) -> None:
        super().__init__(context)
        conf = context.job_conf
        self.task = context.hbimg_task = MapTask(
            context.get_input_split(raw=True), conf["mapreduce.task.attempt.id"], Path.cwd()
        )
        self._records: Iterator[Record] = self.task.records()
        self._heartbeat = _Heartbeat(context, self.task)

    def next(self) -> Record:
        with self._heartbeat:
            return next(self._records)

    def get_progress(self) -> float:
        return self.task.progress


class _Mapper(api.Mapper):  # type: ignore[misc]
    """Passes the records on and counts them."""

    def __init__(self, context: Any) -> None:
        super().__init__(context)
        self._counters = {name: context.get_counter(COUNTERS, name) for name in ("VOLUMES", "FAILED", "PLANNED_BYTES")}

    def map(self, context: Any) -> None:
        kind, _, row = context.key.partition("\x01")
        if kind == "outcome":
            self._count(context, "VOLUMES", 1)
            self._count(context, "FAILED", int('"state": "failed"' in context.value))
            self._count(context, "PLANNED_BYTES", context.hbimg_task.planned_bytes(row))
        context.emit(context.key, context.value)

    def _count(self, context: Any, name: str, amount: int) -> None:
        context.increment_counter(self._counters[name], amount)


class _Partitioner(api.Partitioner):  # type: ignore[misc]
    """Brings all partials of a group to one reducer."""

    def partition(self, key: bytes, num_of_reduces: int) -> int:
        return partition_of(key.decode(), num_of_reduces)


class _Reducer(api.Reducer):  # type: ignore[misc]
    """Combines partials."""

    def __init__(self, context: Any) -> None:
        super().__init__(context)
        self._task = ReduceTask(Path.cwd())

    def reduce(self, context: Any) -> None:
        for value in context.values:
            for record in self._task.take(context.key.decode(), value.decode()):
                context.emit(*record)

    def close(self) -> None:
        for record in self._task.end():
            self.context.emit(*record)


class _Factory(pipes.Factory):  # type: ignore[misc]
    """Makes a partitioner only where there is a shuffle: pydoop would ask it in a job without reducers too."""

    def create_partitioner(self, context: Any) -> Any:
        return super().create_partitioner(context) if context.nred else None


def main() -> None:
    """Run the task that Hadoop asks for."""
    factory = _Factory(_Mapper, reducer_class=_Reducer, partitioner_class=_Partitioner, record_reader_class=_Reader)
    try:
        pipes.run_task(factory, private_encoding=False)
    except HbimgError as error:
        sys.stderr.write(f"hbimg: {one_line(error)}\n")
        sys.exit(1)


if __name__ == "__main__":
    main()
