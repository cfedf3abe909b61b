"""What a run will do: which volumes it takes, which it leaves alone and why. Reads records and manifests only."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from hbimg.mapreduce.job import PARTIAL, Job
from hbimg.mapreduce.outcomes import Outcome, State
from hbimg.mapreduce.splits import bytes_to_read
from hbimg.mapreduce.tasks import is_current
from hbimg.model import VolumeKey
from hbimg.volumes import Manifest, VolumeRecord, VolumeTable, Where, entries, read_artefact


@dataclass(slots=True)
class Plan:
    """The volumes to work on, those with a current result, both in key order; and the outcomes that are known."""

    todo: list[VolumeRecord] = field(default_factory=list)
    current: list[VolumeRecord] = field(default_factory=list)
    settled: list[Outcome] = field(default_factory=list)

    @property
    def todo_bytes(self) -> int:
        """Bytes that will be read, about."""
        return sum(bytes_to_read(record) for record in self.todo)


def make_plan(volumes: VolumeTable, job: Job, where: Where, result_name: str, *, force: bool) -> Plan:
    """Look at all volumes that `where` chooses."""
    plan = Plan()
    for record, manifests in entries(volumes, where):
        reason = _refusal(job, record)
        if reason:
            plan.settled.append(Outcome(record.key, State.SKIPPED, reason))
        elif not force and not job.always_anew and _current(manifests, record, job, result_name):
            plan.current.append(record)
            plan.settled.append(Outcome(record.key, State.CURRENT))
        else:
            plan.todo.append(record)
    return plan


def current_partials(
    volumes: VolumeTable, job: Job, where: Where, result_name: str
) -> Iterator[tuple[VolumeKey, bytes]]:
    """Give the partials of a reducing job that stand in the table and are current, in key order."""
    for record, manifests in entries(volumes, where):
        manifest = None if _refusal(job, record) else _current(manifests, record, job, result_name)
        for artefact in manifest.artefacts if manifest else ():
            if artefact.name == PARTIAL and manifest:
                yield record.key, b"".join(read_artefact(volumes, manifest, artefact))


def _refusal(job: Job, record: VolumeRecord) -> str:
    if not record.is_volume and not job.takes_series:
        return "files beside images" if record.kind == "files" else "set aside at ingest"
    return job.accepts(record)


def _current(manifests: list[Manifest], record: VolumeRecord, job: Job, result_name: str) -> Manifest | None:
    for manifest in manifests:
        if manifest.name == result_name and is_current(manifest, record, job):
            return manifest
    return None
