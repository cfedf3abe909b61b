"""`hbimg export --bids`: a BIDS data set made of a table's volumes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hbimg.cli.export import report

if TYPE_CHECKING:
    from hbimg.bids.dataset import DatasetPlan
    from hbimg.bids.mapping import BidsMapping
    from hbimg.volumes import VolumeTable
    from hbimg.volumes.export import Exported, Exporter


@dataclass(frozen=True, slots=True)
class BidsChoice:
    """What the user chose: patterns of volumes, name of the conversion's result, mapping file."""

    where: str | None
    result: str | None
    mapping: Path | None
    dry_run: bool
    as_json: bool


def export_bids(exporter: Exporter, volumes: VolumeTable, choice: BidsChoice) -> None:
    """Write the data set, or tell with a dry run what it would hold."""
    from hbimg.bids.dataset import plan_dataset, write_dataset
    from hbimg.bids.mapping import BidsMapping, read_mapping
    from hbimg.errors import VolumeNotFoundError
    from hbimg.volumes import Where, entries

    mapping = read_mapping(choice.mapping) if choice.mapping else BidsMapping()
    chosen = list(entries(volumes, Where.parse(choice.where)))
    if not chosen:
        raise VolumeNotFoundError("no volume is chosen: `hbimg ls` lists what is there")
    plan = plan_dataset(volumes, chosen, mapping, choice.result or "dicom2nifti")
    _tell(plan, mapping)
    if choice.dry_run:
        _show(plan, as_json=choice.as_json)
        return
    written: list[Exported] = []
    failures = [f"{key}: {reason}" for key, reason in plan.failures]
    for item in write_dataset(exporter, volumes, plan, mapping):
        if isinstance(item, tuple):
            failures.append(f"{item[0]}: {item[1]}")
        else:
            written.append(item)
    report(exporter, written, failures, as_json=choice.as_json)


def _tell(plan: DatasetPlan, mapping: BidsMapping) -> None:
    from hbimg.cli.printing import say

    for key, reason in plan.left_out:
        say(f"left out: {key}: {reason}")
    for one in plan.placed:
        if one.remark:
            say(f"remark: {one.image.record.key}: {one.remark}")
    for rule in plan.unused(mapping):
        say(f"remark: the mapping's rule {rule!r} is about no volume here")


def _show(plan: DatasetPlan, *, as_json: bool) -> None:
    from hbimg.cli.printing import print_json, print_table, say

    rows = [(str(record.key), f"{record.files} files as they came in") for record in plan.kept]
    rows += [(f"{one.image.record.key}{one.image.suffix}", str(one.path)) for one in plan.placed]
    if as_json:
        print_json([{"key": key, "becomes": path} for key, path in rows])
    else:
        print_table(["key", "becomes"], rows)
    for key, reason in plan.failures:
        say(f"would fail: {key}: {reason}")
