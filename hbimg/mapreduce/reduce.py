"""Reduce: combine the partials of volumes, group by group, in key order, and finish."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from hbimg.mapreduce.job import Artefact, ReducingJob
from hbimg.model import VolumeKey


def reduce_partials(job: ReducingJob, partials: Iterable[tuple[VolumeKey, bytes]]) -> Iterator[Artefact]:
    """Combine partials, which come in key order, and give the run's artefacts.

    Memory holds one partial for each group.
    """
    groups: dict[str, bytes] = {}
    for key, partial in partials:
        group = job.group_of(key)
        groups[group] = job.combine(groups[group], partial) if group in groups else partial
    return job.finalize(dict(sorted(groups.items())))
