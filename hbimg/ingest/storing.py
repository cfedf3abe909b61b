"""Store planned volumes in groups: written one after the other, committed together. One bad volume costs that one only.

A group is one volume, unless the store says that its commits are dear (`Table.gathered_bytes`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import cache
from pathlib import PurePosixPath

from hbimg.errors import (
    HbimgError,
    KeyClashError,
    StoreFullError,
    StorePermissionError,
    StoreUnavailableError,
)
from hbimg.ingest.candidates import Outcome
from hbimg.ingest.planned import IngestOptions, Outcomes, Planned, outcome_of
from hbimg.ingest.sources import MAX_TRAILING_BYTES, PathSource, reading
from hbimg.store import open_store
from hbimg.volumes.content import SourceFile, VolumeContent
from hbimg.volumes.packing import gzip_recipe
from hbimg.volumes.record import VolumeRecord
from hbimg.volumes.table import VolumeTable
from hbimg.volumes.writer import WrittenVolume, write_content

#: How long another ingest that writes a volume is waited for; mostly it stores the same, which is then present.
_WAIT_FOR_WRITER_S = 60.0


def groups_of(by_key: Iterable[list[Planned]], gathered_bytes: int) -> Iterator[list[list[Planned]]]:
    """Gather the volumes of several keys up to so many bytes, as tasks of a worker; what has more is one by itself."""
    group: list[list[Planned]] = []
    size_bytes = 0
    for items in by_key:
        more = sum(item.size_bytes for item in items)
        if group and size_bytes + more > gathered_bytes:
            yield group
            group, size_bytes = [], 0
        group.append(items)
        size_bytes += more
    if group:
        yield group


def store_group(
    where: VolumeTable | tuple[str, str], group: list[list[Planned]], options: IngestOptions
) -> list[Outcomes]:
    """Write the volumes of some keys, and commit them together; runs in a worker."""
    volumes = where if isinstance(where, VolumeTable) else _opened(*where)
    outcomes: list[Outcomes] = []
    pending: list[tuple[Planned, WrittenVolume]] = []
    try:
        for items in group:
            outcomes += _store_items(volumes, items, options, pending)
    except BaseException:
        with suppress(HbimgError):
            for _, written in pending:
                written.abandon()
        raise
    return outcomes + _committed(pending)


def _store_items(
    volumes: VolumeTable, items: list[Planned], options: IngestOptions, pending: list[tuple[Planned, WrittenVolume]]
) -> list[Outcomes]:
    """Write the volumes of one key. The last one is left pending; those before are committed, so that it sees them."""
    outcomes: list[Outcomes] = []
    first: Planned | None = None
    for number, item in enumerate(items, 1):
        for _, waiting in pending:
            waiting.renew()
        found = _write_item(volumes, item, options, first, number)
        if isinstance(found, Outcomes):
            outcomes.append(found)
        else:
            pending.append((item, found))
            if item is not items[-1]:
                outcomes += _committed(pending)
                pending.clear()
        if first is None and outcomes and outcomes[-1].outcome != "refused":
            first = item
    return outcomes


def _committed(pending: list[tuple[Planned, WrittenVolume]]) -> list[Outcomes]:
    """Commit what was written, each volume on its own."""
    return [_commit_item(item, written) for item, written in pending]


@cache
def _opened(url: str, table: str) -> VolumeTable:
    """Open a table; a worker does so once and keeps it."""
    return VolumeTable.open(open_store(url), table)


def _write_item(
    volumes: VolumeTable, item: Planned, options: IngestOptions, first: Planned | None, number: int
) -> WrittenVolume | Outcomes:
    """Write a volume, the `number`th of its key; `first` is stored in this same ingest: then nothing is replaced."""
    replace_other = options.replace and first is None
    try:
        written = write_content(volumes, _content(item, options), replace=replace_other, wait_s=_WAIT_FOR_WRITER_S)
    except KeyClashError as error:
        if first is not None:
            return outcome_of(item, "refused", _same_key(item, first, number))
        return _refused(item, error)
    except HbimgError as error:
        return _refused(item, error)
    return written or _stored(item, None)


def _commit_item(item: Planned, written: WrittenVolume) -> Outcomes:
    try:
        return _stored(item, written.commit())
    except HbimgError as error:
        return _refused(item, error)


def _refused(item: Planned, error: HbimgError) -> Outcomes:
    """Give the line for a volume that could not be stored; raise the error if the store fails as a whole."""
    if isinstance(error, StoreFullError | StoreUnavailableError | StorePermissionError):
        raise error
    return outcome_of(item, "refused", f"{item.names[0]}: {error}")


def _stored(item: Planned, record: VolumeRecord | None) -> Outcomes:
    """Give the line for a volume that is stored; None for its record: it was there before."""
    candidate, digest = item.candidate, record.digest if record else ""
    if candidate.outcome is Outcome.SET_ASIDE:
        reason = candidate.reason if record else f"{candidate.reason} (present already)"
        return outcome_of(item, "set aside", reason, digest)
    return outcome_of(item, "stored" if record else "present", "; ".join(candidate.remarks), digest)


def _same_key(item: Planned, first: Planned, number: int) -> str:
    """Say that a volume has the key of another, and the lines of a table of keys that tell them apart."""
    assert item.key is not None
    folders, others = ({str(PurePosixPath(name).parent) for name in each.names} for each in (item, first))
    place, more = item.names[0], f" and so for each of its {len(item.names)} files" if len(item.names) > 1 else ""
    if len(item.names) > 1 and len(folders) == 1 and not folders & others:
        (place,), more = folders, ""
    return (
        f"{item.names[0]} and {first.names[0]} claim one key, {item.key}, with different content; the latter has it: "
        f"run again with --keys-from keys.csv, whose lines are 'file,scan' and '.,' (for all others) and "
        f"'{place},{item.key.scan}-{number}'{more}"
    )


def _content(item: Planned, options: IngestOptions) -> VolumeContent:
    candidate, key = item.candidate, item.key
    assert key is not None
    stored = candidate.outcome is Outcome.STORE
    return VolumeContent(
        key=key,
        kind=candidate.kind if stored else "series",
        format=candidate.format,
        files=tuple(_source_file(item, number, options) for number in range(len(candidate.files))),
        geometry=candidate.geometry if stored else None,
        encoding=candidate.encoding if stored else None,
        header=candidate.header,
        texts=item.texts,
        reason=candidate.reason,
        remarks=candidate.remarks,
        missing=candidate.missing,
        plane_map=candidate.plane_map,
        dataset=candidate.dataset,
    )


def _source_file(item: Planned, number: int, options: IngestOptions) -> SourceFile:
    file = item.candidate.files[number]
    packing, limit = file.packing, None
    if packing is not None:
        last = file.runs[-1] if file.runs else None
        limit = MAX_TRAILING_BYTES + (last.offset + last.count * last.length if last else 0)
        if not packing.get("kept"):
            with reading(file.path):
                recipe = gzip_recipe(file.path, limit) if options.reproduce_gzip else None
            packing = recipe or {"kind": "gzip", "kept": True}
    deflated_from = packing.get("start", 0) if packing else 0
    source = PathSource(file.path, limit, item.modified_ns[number], deflated_from)
    return SourceFile(item.names[number], source, file.size_bytes, "", file.runs, packing, file.facts)
