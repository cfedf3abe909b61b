"""`hbimg rm`: delete volumes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from hbimg.cli.options import opened_table, store_option, table_option, where_option

if TYPE_CHECKING:
    from hbimg.model import VolumeKey
    from hbimg.volumes import VolumeTable


@click.command()
@click.argument("keys", metavar="[KEY]...", nargs=-1)
@table_option
@store_option
@where_option
@click.option("--purge", is_flag=True, help="Rewrite the table's files too, so that the old bytes leave the disk.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--dry-run", is_flag=True, help="Show what would be deleted; delete nothing.")
def rm(
    keys: tuple[str, ...], table: str, store: str | None, where: str | None, purge: bool, yes: bool, dry_run: bool
) -> None:
    """Delete volumes with their results, by key or by pattern.

    The bytes stay in the store's files until these are next rewritten (a compaction in HBase); --purge rewrites them
    now, which takes the time of copying what is left.

    \b
    Examples:
      hbimg rm --table t1 adhd/sub-01/ses-1/T1w
      hbimg rm --table t1 --where 'subject=sub-01' --purge
    """
    from hbimg.cli.printing import say, say_none_matched
    from hbimg.errors import ConfigError

    if bool(keys) == bool(where) and not (purge and not keys):
        raise ConfigError("give the volumes to delete: keys (project/subject/session/scan), or --where, not both")
    with opened_table(store, table) as volumes:
        _refuse_impossible_purge(volumes, purge)
        chosen = _chosen(volumes, keys, where)
        for key, about in chosen.items():
            say(f"{key}: {about}")
        say_none_matched(chosen, where, table)
        if dry_run:
            return
        if chosen and not yes:
            click.confirm(f"Delete {len(chosen)} volumes of table {table} with their results?", abort=True, err=True)
        for key in chosen:
            volumes.remove(key)
        if purge:
            volumes.table.purge()
            say(f"{len(chosen)} volumes are deleted, and the table's files are rewritten without them")
        else:
            say(f"{len(chosen)} volumes are deleted; old bytes stay in the files until they are rewritten (--purge)")


def _refuse_impossible_purge(volumes: VolumeTable, purge: bool) -> None:
    """Have a store that cannot purge say how else, before anything is deleted."""
    if purge and not volumes.table.can_purge:
        volumes.table.purge()


def _chosen(volumes: VolumeTable, keys: tuple[str, ...], where: str | None) -> dict[VolumeKey, str]:
    """Give the keys that were chosen, with what is to be said of each; also what killed processes left of volumes."""
    from hbimg.cli.printing import bytes_text
    from hbimg.model import VolumeKey
    from hbimg.volumes import Where

    parsed = [VolumeKey.parse(key) for key in keys]
    for key in parsed:
        volumes.scheme.volume(key)  # raises if it is no key, above all if it is a pattern
    patterns = [Where(*key.labels) for key in parsed] or ([Where.parse(where)] if where else [])
    chosen: dict[VolumeKey, str] = {}
    for pattern in patterns:
        found = {r.key: f"{bytes_text(r.file_bytes)}, {r.frames} frames" for r in volumes.records(pattern)}
        found |= dict.fromkeys(volumes.unfinished(pattern), "what a killed process left")
        if keys and not found:
            volumes.record(VolumeKey(*pattern.labels))  # raises: there is none
        chosen |= found
    return chosen
