"""`hbimg ls`: list the volumes of a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from hbimg.cli.options import json_option, opened_table, store_option, table_option, where_option

if TYPE_CHECKING:
    from hbimg.volumes import Manifest, VolumeRecord


@click.command()
@table_option
@store_option
@where_option
@json_option
def ls(table: str, store: str | None, where: str | None, as_json: bool) -> None:
    """List the volumes and set-aside series of a table, with the results they have.

    \b
    Examples:
      hbimg ls --table t1
      hbimg ls --table t1 --where 'subject=sub-0* scan=*T1w'
      hbimg ls --table t1 --json | jq '.[].key'
    """
    from hbimg.cli.printing import bytes_text, print_json, print_table, say, say_none_matched
    from hbimg.volumes import Where, entries

    with opened_table(store, table) as volumes:
        listed = [_line(record, manifests) for record, manifests in entries(volumes, Where.parse(where))]
    say_none_matched(listed, where, table)
    if as_json:
        print_json(listed)
        return
    rows = [
        (x["key"], x["kind"], x["format"], x["size"], str(x["frames"]), bytes_text(x["file_bytes"]), x["result_words"])
        for x in listed
    ]
    print_table(["key", "kind", "format", "shape", "frames", "bytes", "results"], rows, right=["frames", "bytes"])
    total = sum(x["file_bytes"] for x in listed)
    say(f"{len(listed)} in table {table}, {bytes_text(total)}")


def _line(record: VolumeRecord, manifests: list[Manifest]) -> dict[str, Any]:
    shape = record.geometry.shape if record.geometry else ()
    stale = {m.name for m in manifests if m.input_digest != record.digest}
    return {
        "key": str(record.key),
        "kind": record.kind if record.missing is None else f"{record.kind} (incomplete)",
        "format": record.format,
        "shape": list(shape),
        "size": "x".join(str(n) for n in shape) or "-",
        "frames": record.frames,
        "files": record.files,
        "file_bytes": record.file_bytes,
        "digest": record.digest,
        "reason": record.reason,
        "stored_at": record.stored["at"],
        "results": sorted(m.name for m in manifests),
        "stale_results": sorted(stale),
        "result_words": ", ".join(sorted(m.name + (" (stale)" if m.name in stale else "") for m in manifests)) or "-",
    }
