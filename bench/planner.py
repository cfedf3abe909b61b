"""How long the planner of layouts takes, how near it comes to the bound, and what HBase's own placement would give.

Run: python bench/planner.py. The bound we hold it to: 1,000,000 volumes on 1,000 servers in 10 s, on one core.
"""

from __future__ import annotations

import time

import numpy as np

from hbimg.allocation.groups import Groups
from hbimg.allocation.layout import Server
from hbimg.allocation.planner import make_plan

#: Volumes (each a group of its own), servers.
CASES = ((3_310, 21), (100_000, 100), (1_000_000, 1_000))


def case(volumes, servers):
    """Sizes spread as T1 images are, servers of 3 to 32 cores."""
    rng = np.random.default_rng(0)
    size = rng.lognormal(0.0, 0.5, volumes) * 22e6
    keys = tuple(f"adhd,sub-{number:07d}".encode() for number in range(volumes))
    found = [Server(f"node-{n:04d}", int(c)) for n, c in enumerate(rng.integers(3, 33, servers))]
    return Groups(keys, size, np.ones(volumes), size), found


def main():
    """Print the table."""
    print("| volumes | servers | case | took s | regions | above the bound | moved | HBase's own over the plan |")
    print("|---|---|---|---|---|---|---|---|")
    for volumes, count in CASES:
        groups, servers = case(volumes, count)
        fresh = show(volumes, count, "new table", groups, servers, None)
        show(volumes, count, "one server in 20 gone", groups, servers[: -max(1, count // 20)], fresh.layout)
        new = [Server(f"new-{number:04d}", 32) for number in range(max(1, count // 20))]
        show(volumes, count, "one in 20 added", groups, [*servers, *new], fresh.layout)


def show(volumes, count, name, groups, servers, now):
    """Plan once and print a row."""
    begin = time.perf_counter()
    plan = make_plan(groups, servers, "subject", now)
    took_s = time.perf_counter() - begin
    print(
        f"| {volumes:,} | {count:,} | {name} | {took_s:.2f} | {len(plan.regions):,} | {plan.distance:.2%} "
        f"| {plan.moved_bytes / groups.total_bytes:.1%} | {plan.hbase.cost / plan.planned.cost:.2f} |"
    )
    return plan


if __name__ == "__main__":
    main()
