"""Draw docs/figures/planks-*.png: the paper's clusters, their data placed by plan and by equal counts of regions."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from hbimg.allocation.expect import JobShape, expect, machines_of
from hbimg.allocation.figures import draw_planks
from hbimg.allocation.groups import Groups
from hbimg.allocation.layout import Server
from hbimg.allocation.planner import make_plan
from hbimg.cli.layout_tables import panels
from hbimg.perfmodel.presets import T1_INPUT

FIGURES = Path(__file__).parents[1] / "docs" / "figures"

#: Figure to images, regions of HBase's own placement, and servers as (count, cores, factor).
CLUSTERS = {
    "planks-bao2017": (3310, 43, ((3, 32, 1.0), (10, 3, 1.0), (7, 12, 1.0), (1, 11, 1.0))),
    "planks-follow-on": (5153, 24, ((8, 12, 1.0), (4, 32, 1.5))),
}


def main() -> None:
    """Draw both, and print what the model expects."""
    print("| cluster | layout | short plank | above the bound | rounds | wall-clock, jobs of 60 s |")
    print("|---|---|---|---|---|---|")
    for name, (images, regions, kinds) in CLUSTERS.items():
        servers = [
            Server(f"{cores:02} cores, no. {number + 1:02}", cores, factor)
            for count, cores, factor in kinds
            for number in range(count)
        ]
        size = np.full(images, T1_INPUT)
        keys = tuple(f"t1,sub-{number:05d}".encode() for number in range(images))
        groups = Groups(keys, size, np.ones(images), size)
        plan = make_plan(groups, servers, "subject", region_bytes=size.sum() / regions)
        for path in draw_planks(panels(plan), FIGURES / name):
            if path.suffix == ".svg":
                path.unlink()
        job, machines = JobShape(images, size.sum(), time_s=60.0), machines_of(plan.servers)
        for label, shares in (("this plan", plan.planned), ("HBase's own", plan.hbase)):
            found, above = expect(shares, machines, job), shares.cost / plan.bound - 1
            row = (name, label, shares.short_plank, f"{above:.1%}", found.rounds, f"{found.wall_clock_s / 60:.1f} min")
            print("| " + " | ".join(map(str, row)) + " |")


if __name__ == "__main__":
    main()
