"""Makes candidates of files: groups them into series and parts, judges each, and names it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hbimg.errors import UnreadableFileError
from hbimg.ingest.candidates import Candidate, CandidateFile, Outcome
from hbimg.ingest.dicom.assemble import assembled
from hbimg.ingest.dicom.completeness import listed
from hbimg.ingest.dicom.directory import listed_files
from hbimg.ingest.dicom.divide import Part, by_contrast, by_series, by_shape
from hbimg.ingest.dicom.facts import DicomFacts
from hbimg.ingest.dicom.header import read_header
from hbimg.ingest.dicom.judge import Verdict, judge, why_not_placed
from hbimg.ingest.dicom.kinds import CAPTURE, why_no_plane
from hbimg.ingest.dicom.names import names_of
from hbimg.ingest.dicom.syntaxes import DICOMDIR

#: A series of several orientations or sizes, all of fewer planes than this, is a scout. Scouts have up to a dozen
#: planes in each direction, rotating projections one; a volume that is worth a name of its own has more.
SCOUT_PLANES = 16

_Judged = tuple[Part, Verdict]

#: Why the broken files of a series are set aside when the rest is accepted.
BROKEN = "broken files, of which only the bytes that are there are kept"


def candidates(facts: Sequence[DicomFacts], *, accept_incomplete: bool = False) -> list[Candidate]:
    """Group files into candidates for storing and judge each; the first file's header of each is read again.

    Parameters
    ----------
    facts : sequence of DicomFacts
        Of all files that were found, in any order; the result does not depend on it. A series with a broken file
        (`DicomFacts.fault`) is refused; where incomplete is accepted, the broken file is set aside.
    accept_incomplete : bool
        Store volumes whose planes are missing, uneven or tilted, marked so, instead of refusing them.

    Returns
    -------
    list of Candidate
        Every file is in exactly one of them.
    """
    found: list[Candidate] = []
    for series in by_series(facts):
        judged = _judge_series(series, accept_incomplete=accept_incomplete)
        found.extend(_candidate(group) for group in _by_files(judged))
    return found


def _judge_series(series: Sequence[DicomFacts], *, accept_incomplete: bool) -> list[_Judged]:
    kinds: dict[str, list[DicomFacts]] = defaultdict(list)
    broken = [one for one in series if one.fault]
    if broken and not accept_incomplete:
        more = f" (and {len(broken) - 1} more files of the series)" if len(broken) > 1 else ""
        return [(Part(tuple(series)), Verdict(Outcome.REFUSE, broken[0].fault + more))]
    for one in series:
        kinds[BROKEN if one.fault else why_no_plane(one)].append(one)
    planes = [plane for one in kinds.pop("", []) for plane in one.planes()]
    judged = _judge_planes(planes, len(series), accept_incomplete=accept_incomplete) if planes else []
    for number, (kind, members) in enumerate(sorted(kinds.items()), 1):
        # Scanners file coloured pictures of a volume, as a series of their own, under its very number and protocol.
        alone = "_capture" if kind == CAPTURE else ""
        suffix = alone if len(kinds) == 1 and not planes else f"_aside-{number}"
        judged.append((Part(tuple(members), suffix), Verdict(Outcome.SET_ASIDE, kind)))
    return judged


def _judge_planes(planes: Sequence[DicomFacts], files_in_series: int, *, accept_incomplete: bool) -> list[_Judged]:
    not_placed = why_not_placed(planes)
    if not_placed is not None:
        return [(Part(tuple(planes)), not_placed)]
    shapes = by_shape(planes)
    if len(shapes) == 1:
        return _judge_shape(Part(tuple(planes)), files_in_series, accept_incomplete=accept_incomplete)
    large = [shape for shape in shapes if len(shape) >= SCOUT_PLANES]
    if not large:
        most = max(map(len, shapes))
        planes_each = f"at most {most} {'plane' if most == 1 else 'planes'} each"
        words = f"a scout or projections: {len(shapes)} orientations or sizes of {planes_each}"
        return [(Part(tuple(planes)), Verdict(Outcome.SET_ASIDE, words))]
    stray = [one for shape in shapes if len(shape) < SCOUT_PLANES for one in shape]
    names = listed([one.file_name for one in stray])
    if stray and not accept_incomplete:
        words = f"{len(stray)} of {len(planes)} files differ from the others in orientation or size: {names}"
        return [(Part(tuple(planes)), Verdict(Outcome.REFUSE, words))]
    judged = []
    for number, shape in enumerate(large, 1):
        part = Part(tuple(shape), f"_group-{number}" if len(large) > 1 else "")
        judged.extend(_judge_shape(part, files_in_series, accept_incomplete=accept_incomplete))
    if stray:
        words = f"files that differ from the series' volume in orientation or size: {names}"
        judged.append((Part(tuple(stray), "_stray"), Verdict(Outcome.SET_ASIDE, words)))
    return judged


def _judge_shape(part: Part, files_in_series: int, *, accept_incomplete: bool) -> list[_Judged]:
    return [
        (piece, judge(piece.facts, files_in_series, accept_incomplete=accept_incomplete)) for piece in by_contrast(part)
    ]


def _by_files(judged: Sequence[_Judged]) -> list[list[_Judged]]:
    """Put parts together that share files: a file is stored once."""
    groups: list[tuple[set[Path], list[_Judged]]] = []
    for part, verdict in judged:
        paths = {one.path for one in part.facts}
        touched = [group for group in groups if not paths.isdisjoint(group[0])]
        members = [member for _, group in touched for member in group]
        groups = [group for group in groups if all(group is not other for other in touched)]
        groups.append((paths.union(*(known for known, _ in touched)), [*members, (part, verdict)]))
    return [members for _, members in groups]


def _candidate(judged: Sequence[_Judged]) -> Candidate:
    """Make the candidate of parts that share files; of one part by itself usually."""
    outcome, reason = _outcome(judged)
    stacks = [verdict.stack for _, verdict in judged if verdict.stack is not None]
    suffix = judged[0][0].name if len(judged) == 1 else judged[0][0].suffix
    if outcome is not Outcome.STORE:
        return _series(judged, outcome, reason, suffix)
    whole = assembled(stacks, [part.name.removeprefix(suffix) for part, _ in judged])
    if isinstance(whole, str):
        return _series(judged, Outcome.SET_ASIDE, whole, suffix)
    header, odd = _header(whole.layout.files[0])
    return Candidate(
        outcome=outcome,
        reason="",
        format="dicom",
        files=tuple(_file(one, with_frames=True) for one in whole.layout.files),
        names=names_of(whole.layout.files[0], suffix),
        geometry=whole.geometry,
        encoding=whole.encoding,
        header=header,
        remarks=whole.remarks + odd,
        missing=whole.missing,
        plane_map=whole.plane_map,
    )


def _outcome(judged: Sequence[_Judged]) -> tuple[Outcome, str]:
    """Give the worst outcome, and all reasons for it."""
    for outcome in (Outcome.REFUSE, Outcome.SET_ASIDE):
        reasons = [verdict.reason for _, verdict in judged if verdict.outcome is outcome]
        if reasons:
            return outcome, "; ".join(dict.fromkeys(reasons))
    return Outcome.STORE, ""


def _series(judged: Sequence[_Judged], outcome: Outcome, reason: str, suffix: str) -> Candidate:
    """Make the candidate of files that are no volume, each once, in the order of their paths."""
    files = sorted({one.path: one for part, _ in judged for one in part.facts}.values(), key=lambda one: str(one.path))
    # Of what is refused nothing is kept, and what is refused for its header is best not read again.
    header, odd = ({}, ()) if outcome is Outcome.REFUSE else _header(files[0])
    return Candidate(
        outcome=outcome,
        reason=_with_series(reason, files),
        format="dicom",
        files=tuple(_file(one, with_frames=False) for one in files),
        names=names_of(files[0], suffix),
        header=header,
        remarks=odd + tuple(remark for one in files if (remark := _contents(one))),
    )


def _contents(facts: DicomFacts) -> str:
    """Say of a DICOMDIR how many files it names, and which of them are not there."""
    if facts.sop_class != DICOMDIR or facts.packing:
        return ""
    try:
        named = listed_files(facts.path)
    except UnreadableFileError as error:
        return str(error)
    words = f"it names {len(named.there) + len(named.absent)} files"
    return f"{words}, of which {len(named.absent)} are not there: {listed(named.absent)}" if named.absent else words


def _header(facts: DicomFacts) -> tuple[Mapping[str, Any], tuple[str, ...]]:
    try:
        return read_header(facts.path, facts.packing)
    except UnreadableFileError as error:
        return {}, (f"the header is not kept as text: {error}",)


def _with_series(reason: str, files: Sequence[DicomFacts]) -> str:
    """Begin the reason with where the files lie, so that a line by itself says what it is about."""
    first, count = files[0].path, len(files)
    where = str(first) if count == 1 else f"{first.parent} ({count} files from {first.name})"
    return f"{where}: {reason}"


def _file(facts: DicomFacts, *, with_frames: bool) -> CandidateFile:
    known = {
        "sop_instance": facts.sop_instance or None,
        "instance_number": facts.instance_number,
        "position_mm": list(facts.position_mm) if facts.position_mm else None,
        "temporal_position": facts.temporal_position,
        "trigger_time_ms": facts.trigger_time_ms,
        "acquisition_s": facts.acquisition_s,
    }
    return CandidateFile(
        path=facts.path,
        size_bytes=facts.size_bytes,
        runs=facts.runs if with_frames else (),
        packing=facts.packing,
        facts={name: value for name, value in known.items() if value is not None},
    )
