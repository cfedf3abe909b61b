"""`hbimg ingest`: put image files into a table."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hbimg.cli.options import json_option, store_option, table_option, workers_option

if TYPE_CHECKING:
    from hbimg.ingest.planned import IngestOptions, Outcomes, Planned
    from hbimg.store import Store


@click.command()
@click.argument("paths", metavar="PATH...", nargs=-1, required=True, type=click.Path(path_type=Path))
@table_option
@store_option
@click.option("--project", metavar="TEXT", help="Project of all volumes. Default: the table's name.")
@click.option("--subject", metavar="TEXT", help="Subject of all volumes. Default: BIDS names or DICOM's patient id.")
@click.option("--session", metavar="TEXT", help="Session of all volumes. Default: BIDS names or the study's date.")
@click.option("--scan", metavar="TEXT", help="Scan of all volumes. Default: the series, or the file's name.")
@click.option(
    "--pattern",
    metavar="PATTERN",
    help="Where the key stands in the path below PATH: '{subject}/{session}/{scan}.nii.gz', '{subject}/**'.",
)
@click.option(
    "--keys-from",
    metavar="CSV",
    type=click.Path(path_type=Path, dir_okay=False),
    help="A table with the column file (a path below PATH, of a file or folder) and project, subject, session, scan.",
)
@click.option(
    "--package",
    type=click.IntRange(1, 100_000),
    default=1000,
    show_default=True,
    help="Pictures (JPEG, PNG, TIFF, PPM) of one folder or key that make one volume, at most.",
)
@click.option(
    "--group-level",
    type=click.Choice(["project", "subject", "session", "scan"]),
    help="Keep what agrees to this level in one region; fixed when the table is made.  [default: subject]",
)
@click.option("--accept-incomplete", is_flag=True, help="Store volumes with missing or uneven planes, marked so.")
@click.option("--replace", is_flag=True, help="Overwrite other content that stands under the same key.")
@click.option("--strict", is_flag=True, help="Exit with 1 when anything was set aside.")
@click.option(
    "--gzip-stream",
    type=click.Choice(["keep", "reproduce"]),
    default="keep",
    show_default=True,
    help="How a .nii.gz comes back as the same stream: kept beside the frames, or made again where zlib can.",
)
@click.option(
    "--layout",
    type=click.Choice(["none", "auto"]),
    default="none",
    show_default=True,
    help="auto: make the table with its regions on chosen servers, by the sizes of all volumes (docs/allocation.md).",
)
@click.option(
    "--server",
    "servers",
    metavar="NAME=CORES[*FACTOR]",
    multiple=True,
    help="With --layout auto: a server that shall have a share. Repeat it. Default: all of the store.",
)
@click.option("--yes", is_flag=True, help="With --layout auto: do not ask before HBase's balancer is switched off.")
@workers_option
@click.option("--dry-run", is_flag=True, help="Show keys and sizes; store nothing.")
@json_option
def ingest(
    paths: tuple[Path, ...], table: str, store: str | None, as_json: bool, dry_run: bool, strict: bool, **options: Any
) -> None:
    """Put DICOM series, NIfTI files and pictures into a table, slice by slice.

    Files are found by what they hold, in all subfolders and in zip and tar archives. A series with missing planes is
    refused; a scout or a report is set aside: kept byte for byte, but no volume. What is there already is skipped, so
    an ingest that was stopped is simply run again.

    \b
    Examples:
      hbimg ingest /data/study --table t1
      hbimg ingest study.zip --table t1
      hbimg ingest /data/bids --table t1 --project adhd --dry-run
      hbimg ingest /data/site2 --table t1 --pattern '{subject}/{session}/**'
      hbimg ingest /data/study --table t2 --layout auto --server big=32 --server old1=12 --server old2=12
      hbimg ingest /data/photos --table p1 --keys-from keys.csv --package 500
    """
    from tempfile import TemporaryDirectory

    from hbimg.cli.options import opened_store
    from hbimg.cli.printing import progress_bar
    from hbimg.errors import HbimgError
    from hbimg.ingest import pipeline
    from hbimg.ingest.planned import Target
    from hbimg.ingest.workers import Pool
    from hbimg.store import check_table_name
    from hbimg.volumes import VolumeTable

    check_table_name(table)
    group_level = options.pop("group_level")
    place = _placer(options)
    chosen = _options(table, options)
    with (
        _told_when_stopped(),
        TemporaryDirectory(prefix="hbimg-ingest-", ignore_cleanup_errors=True) as scratch,
        progress_bar() as progress,
        Pool(1 if dry_run else chosen.workers) as pool,
    ):
        chosen = replace(chosen, scratch=Path(scratch))
        planned, outcomes = pipeline.plan(paths, chosen, pool, progress)
        _refuse_nothing(paths, planned, outcomes)
        if dry_run:
            outcomes += _as_planned(planned)
        else:
            with opened_store(store) as opened:
                place(opened, table, planned, group_level)
                volumes = VolumeTable.open_or_create(opened, table, group_level)
                target = Target(volumes, None if opened.url.startswith("memory:") else opened.url)
                try:
                    outcomes += pipeline.ingest(target, planned, chosen, pool, progress)
                except HbimgError:  # the store fails as a whole; what came before is told all the same
                    _report(outcomes, table, as_json=as_json, dry_run=dry_run)
                    raise
    _report(outcomes, table, as_json=as_json, dry_run=dry_run)
    counts = Counter(outcome.outcome for outcome in outcomes)
    if counts["refused"] or (strict and counts["set aside"]):
        sys.exit(1)


@contextmanager
def _told_when_stopped() -> Iterator[None]:
    """Say on Ctrl-C what has become of the volumes."""
    from hbimg.errors import JobInterruptedError

    try:
        yield
    except KeyboardInterrupt as interrupt:
        raise JobInterruptedError(
            "the ingest was stopped: what is stored is whole and stays; run the same command again, it does the rest"
        ) from interrupt


def _placer(options: dict[str, Any]) -> Callable[[Store, str, list[Planned], str | None], None]:
    """Give what places a table's regions before anything is stored in it: nothing, unless --layout auto was given."""
    from hbimg.errors import ConfigError

    layout, texts, yes = options.pop("layout"), options.pop("servers"), options.pop("yes")
    if layout == "none":
        if texts:
            raise ConfigError("--server says who has a share of a layout: give --layout auto, too")
        return lambda _store, _table, _planned, _level: None
    from hbimg.allocation.layout import Server
    from hbimg.cli.ingest_layout import lay_out

    servers = tuple(map(Server.parse, texts))
    return lambda store, table, planned, level: lay_out(store, table, planned, level, servers, yes=yes)


def _options(table: str, options: dict[str, Any]) -> IngestOptions:
    from hbimg.errors import ConfigError
    from hbimg.ingest.key_list import read_key_list
    from hbimg.ingest.keys import KeyRules, check_pattern, names_from
    from hbimg.ingest.planned import IngestOptions

    pattern, listed = options["pattern"], options["keys_from"]
    if pattern and listed:
        raise ConfigError("--pattern and --keys-from both say what keys are: give one of them")
    rules = KeyRules(
        names_from(options),
        check_pattern(pattern) if pattern else None,
        table,
        read_key_list(listed) if listed else None,
    )
    return IngestOptions(
        keys=rules,
        accept_incomplete=options["accept_incomplete"],
        replace=options["replace"],
        reproduce_gzip=options["gzip_stream"] == "reproduce",
        workers=options["workers"],
        package=options["package"],
    )


def _refuse_nothing(paths: Sequence[Path], planned: list[Planned], outcomes: list[Outcomes]) -> None:
    from hbimg.errors import IngestError

    if not planned and not any(outcome.outcome == "refused" for outcome in outcomes):
        where = ", ".join(str(path) for path in paths)
        raise IngestError(
            f"no DICOM or NIfTI file and no picture in {where} ({len(outcomes)} other files): check the path"
        )


def _as_planned(planned: list[Planned]) -> list[Outcomes]:
    from hbimg.ingest.candidates import Outcome
    from hbimg.ingest.planned import outcome_of

    words = {Outcome.STORE: "planned", Outcome.SET_ASIDE: "set aside", Outcome.REFUSE: "refused"}
    first: dict[object, str] = {}
    outcomes = []
    for item in planned:
        reasons = [item.candidate.reason or "; ".join(item.candidate.remarks)]
        if item.key and first.setdefault(item.key, item.names[0]) != item.names[0]:
            reasons.append(f"has the same key as {first[item.key]}: if their content differs, it will be refused")
        outcomes.append(outcome_of(item, words[item.candidate.outcome], "; ".join(filter(None, reasons))))
    return outcomes


def _report(outcomes: list[Outcomes], table: str, *, as_json: bool, dry_run: bool) -> None:
    from hbimg.cli.printing import bytes_text, print_json, print_table, say

    counts = Counter(outcome.outcome for outcome in outcomes)
    sizes: Counter[str] = Counter()
    for outcome in outcomes:
        sizes[outcome.outcome] += outcome.size_bytes
    if as_json:
        summary = {word: {"count": counts[word], "bytes": sizes[word]} for word in counts}
        print_json({"table": table, "dry_run": dry_run, "summary": summary, "items": [asdict(o) for o in outcomes]})
    elif dry_run:
        rows = [(o.outcome, o.key or "-", str(o.files), bytes_text(o.size_bytes), o.source) for o in outcomes]
        print_table(["outcome", "key", "files", "size", "first file"], rows, right=["files", "size"])
    for word, label in (
        ("stored", "remark"),
        ("planned", "remark"),
        ("set aside", "set aside"),
        ("refused", "refused"),
    ):
        told = [outcome for outcome in outcomes if outcome.outcome == word and outcome.reason]
        shown = told if word == "refused" else told[:_SHOWN_LINES]
        for outcome in shown:
            say(f"{label}: {_line(outcome)}")
        if len(told) > len(shown):
            say(f"{label}: {len(told) - len(shown)} more; --json lists all")
    words = [f"{counts[word]} {word} ({bytes_text(sizes[word])})" for word in _ORDER if counts[word]]
    say(f"table {table}: " + (", ".join(words) or "nothing to do"))


def _line(outcome: Outcomes) -> str:
    """Give what is to be said of a file, on one line, its name in it once."""
    source, reason, name = outcome.source, outcome.reason, Path(outcome.source).name
    # The name alone is no sign: a file may be called "1", and "1 plane is missing".
    is_named = any(text in reason for text in (f"{source}:", f"{source} and ", f"/{name}", f" from {name})"))
    return " ".join((reason if is_named else f"{source}: {reason}").split())


#: A study may hold thousands of reports; what was refused is always said.
_SHOWN_LINES = 20
_ORDER = ("stored", "planned", "present", "set aside", "refused", "left alone")
