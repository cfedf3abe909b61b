"""`hbimg tables`: list the tables of a store, or drop one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from hbimg.cli.options import json_option, opened_store, store_option

if TYPE_CHECKING:
    from hbimg.store import Store

#: Switch of the whole cluster to what switches it on.
_IN_SHELL = {"balancer": "balance_switch true"}


@click.command()
@store_option
@click.option("--drop", metavar="NAME", help="Delete a table with all volumes and results in it; asks first.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def tables(store: str | None, drop: str | None, yes: bool, as_json: bool) -> None:
    """List the tables of a store, with volumes and bytes.

    \b
    Examples:
      hbimg tables
      hbimg tables --store local:///scratch/me/hbimg --json
      hbimg tables --drop t1
    """
    from hbimg.cli.printing import bytes_text, print_json, print_table, say
    from hbimg.errors import TableFormatError, TableNotFoundError
    from hbimg.volumes import VolumeTable

    with opened_store(store) as opened:
        if drop is not None:
            if not yes:
                click.confirm(f"Delete table {drop} of {opened.url} with all it holds?", abort=True, err=True)
            left_off = _switched_off(opened, drop)
            opened.drop_table(drop)
            say(f"table {drop} is deleted")
            for switch in left_off:
                say(
                    f"remark: HBase's {switch} was switched off for its layout and is off still, for all tables: "
                    f"switch it on in HBase's shell, {_IN_SHELL[switch]}, unless another table has a layout"
                )
            return
        listed: list[dict[str, str | int]] = []
        for name in opened.tables():
            try:
                volumes = VolumeTable.open(opened, name)
            except TableNotFoundError:
                continue  # dropped since it was listed
            except TableFormatError as error:
                listed.append({"table": name, "fault": str(error)})
                continue
            records = list(volumes.records())
            total = sum(record.file_bytes for record in records)
            level = volumes.scheme.group_level
            listed.append({"table": name, "group_level": level, "volumes": len(records), "file_bytes": total})
        where = f"{opened.url} ({opened.through})" if opened.through else opened.url
    if as_json:
        print_json(listed)
        return
    rows = [
        (str(x["table"]), "-", "-", str(x["fault"]))
        if "fault" in x
        else (str(x["table"]), str(x["volumes"]), bytes_text(int(x["file_bytes"])), str(x["group_level"]))
        for x in listed
    ]
    print_table(["table", "volumes", "bytes", "group level"], rows, right=["volumes", "bytes"])
    say(f"{len(listed)} tables in {where}")


def _switched_off(store: Store, table: str) -> list[str]:
    """Give what a table's layout has switched off for the whole cluster; nothing if the table cannot tell."""
    from hbimg.allocation.opening import switched_off
    from hbimg.errors import HbimgError
    from hbimg.volumes import VolumeTable

    try:
        return switched_off(store, VolumeTable.open(store, table))
    except HbimgError:
        return []  # whatever is wrong with a table, it can be deleted
