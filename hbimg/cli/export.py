"""`hbimg export`: bring originals and results out of a table."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hbimg.cli.options import json_option, opened_table, store_option, table_option, where_option

if TYPE_CHECKING:
    from hbimg.volumes import Manifest, VolumeRecord, VolumeTable, Where
    from hbimg.volumes.export import Exported, Exporter


@click.command()
@table_option
@click.option("--to", "folder", metavar="FOLDER", required=True, type=click.Path(path_type=Path), help="Where to.")
@click.option(
    "--result", metavar="NAME", help="Export this result instead of the originals: compress, dicom2nifti, ..."
)
@click.option("--bids", "as_bids", is_flag=True, help="Write a BIDS data set: what came as one, and conversions.")
@click.option(
    "--mapping",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="With --bids: names that override the converter's guess, as TOML or CSV (docs/bids.md).",
)
@store_option
@where_option
@click.option("--overwrite", is_flag=True, help="Overwrite files that are there.")
@click.option("--dry-run", is_flag=True, help="Show what would be exported; write nothing.")
@json_option
def export(
    table: str,
    folder: Path,
    result: str | None,
    as_bids: bool,
    mapping: Path | None,
    store: str | None,
    where: str | None,
    overwrite: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Write original files, byte for byte, or the results of a job to FOLDER/project/subject/session/scan/.

    Every file is checked against the SHA-256 that was recorded when it came in; a file appears whole or not at all.

    With --bids, FOLDER becomes a BIDS data set: files that came in as one go out as they were, and what was converted
    from DICOM (by `hbimg run dicom2nifti`, or the --result that you name) gets a name by --mapping or dcm2niix's guess.

    \b
    Examples:
      hbimg export --table t1 --to /data/out
      hbimg export --table t1 --to /data/out --result dicom2nifti --where subject=sub-01
      hbimg export --table t1 --to /data/bids --bids --mapping names.toml
    """
    from hbimg.errors import ConfigError, HbimgError
    from hbimg.volumes import Where
    from hbimg.volumes.export import Exporter

    if mapping and not as_bids:
        raise ConfigError("--mapping names the files of a BIDS data set: give --bids too")
    exporter = Exporter(folder, overwrite=overwrite)
    written: list[Exported] = []
    failures: list[str] = []
    with opened_table(store, table) as volumes:
        if as_bids:
            from hbimg.cli.export_bids import BidsChoice, export_bids

            export_bids(exporter, volumes, BidsChoice(where, result, mapping, dry_run, as_json))
            return
        chosen = list(_chosen(volumes, Where.parse(where), result))
        _refuse_none(chosen, result)
        if dry_run:
            _show(chosen, as_json=as_json)
            return
        for record, manifest in chosen:
            try:
                written += _export(exporter, volumes, record, manifest)
            except HbimgError as error:
                failures.append(f"{record.key}: {error}")
    report(exporter, written, failures, as_json=as_json)


def report(exporter: Exporter, written: list[Exported], failures: list[str], *, as_json: bool) -> None:
    """Tell what was written and what failed; exit with 1 if something did."""
    from hbimg.cli.printing import bytes_text, print_json, say

    if as_json:
        print_json([{"path": str(x.path), "size_bytes": x.size_bytes, "sha256": x.sha256} for x in written])
    for failure in failures:
        say(f"failed: {failure}")
    say(f"{len(written)} files ({bytes_text(sum(x.size_bytes for x in written))}) in {exporter.folder}")
    if failures:
        sys.exit(1)


def _show(chosen: list[tuple[VolumeRecord, Manifest | None]], *, as_json: bool) -> None:
    from hbimg.cli.printing import bytes_text, print_json, say

    sizes = {str(record.key): manifest.size_bytes if manifest else record.file_bytes for record, manifest in chosen}
    for key, size_bytes in sizes.items():
        say(f"{key}: {bytes_text(size_bytes)}")
    if as_json:
        print_json([{"key": key, "size_bytes": size_bytes} for key, size_bytes in sizes.items()])


def _chosen(volumes: VolumeTable, where: Where, result: str | None) -> Iterator[tuple[VolumeRecord, Manifest | None]]:
    from hbimg.volumes import entries

    for record, manifests in entries(volumes, where):
        if result is None:
            yield record, None
            continue
        yield from ((record, manifest) for manifest in manifests if manifest.name == result)


def _refuse_none(chosen: list[tuple[VolumeRecord, Manifest | None]], result: str | None) -> None:
    from hbimg.errors import VolumeNotFoundError

    if not chosen and result:
        raise VolumeNotFoundError(f"no volume here has a result {result!r}: `hbimg run {result}` makes it")
    if not chosen:
        raise VolumeNotFoundError("no volume is chosen: `hbimg ls` lists what is there")


def _export(
    exporter: Exporter, volumes: VolumeTable, record: VolumeRecord, manifest: Manifest | None
) -> Iterator[Exported]:
    if manifest is None:
        return exporter.originals(volumes, record)
    return exporter.result(volumes, record, manifest)
