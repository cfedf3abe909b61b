"""`hbimg verify`: read everything again and check it."""

from __future__ import annotations

import sys

import click

from hbimg.cli.options import json_option, opened_table, store_option, table_option, where_option


@click.command()
@table_option
@store_option
@where_option
@click.option("--repair", is_flag=True, help="Delete rows that nothing points to (left by killed writers).")
@json_option
def verify(table: str, store: str | None, where: str | None, repair: bool, as_json: bool) -> None:
    """Read every cell of every volume and result again, and check checksums, SHA-256 and completeness.

    \b
    Examples:
      hbimg verify --table t1
      hbimg verify --table t1 --where subject=sub-01 --json
    """
    from hbimg.cli.printing import bytes_text, print_json, progress_bar, say, say_none_matched
    from hbimg.volumes import Where
    from hbimg.volumes.verify import delete_orphans, orphans, verify_volumes

    chosen = Where.parse(where)
    with opened_table(store, table) as volumes, progress_bar() as progress:
        total = sum(record.file_bytes for record in volumes.records(chosen))
        checked, done = [], 0
        for item in verify_volumes(volumes, chosen):
            checked.append(item)
            done += item.size_bytes
            progress("verifying", done, max(total, done))
        lost = list(orphans(volumes))
        if repair:
            delete_orphans(volumes, lost)
    say_none_matched(checked, where, table)
    faulty = [item for item in checked if item.faults]
    if as_json:
        volumes_json = [{"key": str(x.key), "size_bytes": x.size_bytes, "faults": list(x.faults)} for x in checked]
        print_json({"volumes": volumes_json, "orphan_rows": [row.decode(errors="replace") for row in lost]})
    for item in faulty:
        for fault in item.faults:
            say(f"fault: {item.key}: {fault}")
    words = "deleted" if repair else "found; delete them with --repair"
    if lost:
        say(f"{len(lost)} rows that nothing points to were {words}")
    say(f"{len(checked)} verified ({bytes_text(done)}), {len(faulty)} with faults")
    if faulty:
        sys.exit(1)
