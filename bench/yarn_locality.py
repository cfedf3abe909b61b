"""One job on the mini-cluster, its maps beside their data against its maps elsewhere: wall-clock and network bytes.

Run it on the machine with the engine, as root, with the cluster up and this code on its nodes (`docker/cluster test
--collect-only -q`, which also brings the T1 along); nobody else may use the cluster meanwhile, since its links are
shaped::

    python bench/yarn_locality.py --links 0,200,50 --repeats 3 --json docs/figures/yarn-locality.json
    python bench/yarn_locality_figure.py docs/figures/yarn-locality.json docs/figures/yarn-locality.png

The rivals run in turn, on one table with one region on each worker. `own host` is hbimg's default. `other host` is the
same job, every map on another worker than its data (yarn_rivals.py tells how): all else is equal. `one gateway` has its
maps beside their data too, but reads and writes through the head's Thrift server, as from one shared store.

A link's speed (Mbit/s, 0: as it is) is that of each machine's way out, the head's too, set with `tc` in its network
namespace. `net` is what the workers' interfaces received from the job's submission to its end. In it are: `read`, what
the tasks' readers had from another machine; `results`, which went from a task to a region elsewhere; `copies` of the
results in HBase's log, which HDFS makes on other machines while a result is stored; and the `rest`: job files, control,
and copies of files that HBase may have written meanwhile.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CLIENT = shlex.split(os.environ.get("HBIMG_CLUSTER_CLIENT", "docker exec -i client"))
WORKERS = ("worker1", "worker2", "worker3")
RIVALS = ("own host", "other host", "one gateway")
INSIDE = Path(__file__).with_name("yarn_rivals.py")


def in_client(*words: str) -> str:
    """Run a command of yarn_rivals.py in the client container and give what it prints."""
    command = [*CLIENT, "python", "-", *words]
    done = subprocess.run(command, input=INSIDE.read_text(), capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{words}: {done.stderr}")
    return done.stdout


def process_of(container: str) -> str:
    """Give the id of a container's first process, whose network is the container's."""
    return subprocess.check_output(["docker", "inspect", "-f", "{{.State.Pid}}", container], text=True).strip()


@contextmanager
def links(mbit: int) -> Iterator[None]:
    """Shape what leaves each machine to so many Mbit/s; 0 leaves the links as they are."""
    shaped = []
    try:
        for container in (*WORKERS, "head") if mbit else ():
            inside = ["nsenter", "-t", process_of(container), "-n", "tc", "qdisc"]
            shape = ["add", "dev", "eth0", "root", "tbf", "rate", f"{mbit}mbit", "burst", "128kb", "latency", "200ms"]
            subprocess.run([*inside, *shape], check=True)
            shaped.append(inside)
        yield
    finally:
        for inside in shaped:
            subprocess.run([*inside, "del", "dev", "eth0", "root"], check=True)


def received_bytes() -> int:
    """Give what the workers' interfaces have received."""
    total = 0
    for worker in WORKERS:
        lines = Path(f"/proc/{process_of(worker)}/net/dev").read_text().splitlines()[2:]
        total += sum(int(line.split()[1]) for line in lines if not line.strip().startswith("lo:"))
    return total


def measure(rival: str, mbit: int) -> dict[str, Any]:
    """Run the job once."""
    before = received_bytes()
    found = json.loads(in_client("run", rival))
    found |= {"rival": rival, "link_mbit": mbit, "received_bytes": received_bytes() - before}
    print(f"{mbit} Mbit/s, {rival}: {found['wall_s']:.1f} s", file=sys.stderr, flush=True)
    return found


def main() -> None:
    """Run the rivals in turn, print the table, and keep the figures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--volumes", type=int, default=15)
    parser.add_argument("--series", default="/srv/hbimg/data/t1-structural/dicoms", help="in the client")
    parser.add_argument("--links", default="0")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--gateway-repeats", type=int, default=3)
    parser.add_argument("--json", type=Path, help="add each run to this file")
    chosen = parser.parse_args()
    found = json.loads(chosen.json.read_text()) if chosen.json and chosen.json.exists() else []
    try:
        in_client("fill", str(chosen.volumes), chosen.series)
        in_client("run", "own host")  # packages travel, blocks get into the caches
        for repeat in range(chosen.repeats):
            rivals = RIVALS if repeat < chosen.gateway_repeats else RIVALS[:2]
            for mbit in map(int, chosen.links.split(",")):
                with links(mbit):
                    for rival in rivals[:: 1 if repeat % 2 == 0 else -1]:
                        found.append(measure(rival, mbit))
                        if chosen.json:
                            chosen.json.write_text("[\n" + ",\n".join(map(json.dumps, found)) + "\n]\n")
    finally:
        in_client("drop")
        print_table(found)


def print_table(found: list[dict[str, Any]]) -> None:
    """Print medians, one line for each link and rival."""
    print("| link Mbit/s | maps | data-local to YARN | wall s (min - max) | to own host | tasks s | read s | net MB |")
    print("|---|---|---|---|---|---|---|---|")
    groups: dict[tuple[int, str], list[dict[str, Any]]] = {}
    for one in found:
        groups.setdefault((one["link_mbit"], one["rival"]), []).append(one)
    for (mbit, rival), runs in groups.items():
        base_s = statistics.median(one["wall_s"] for one in groups[mbit, "own host"])
        print(times_line(mbit, rival, runs, base_s))
    print("\n| link Mbit/s | maps | data MB | net MB | read | results | copies | rest MB | read / data | rest / data |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for (mbit, rival), runs in groups.items():
        print(bytes_line(mbit, rival, runs))


def times_line(mbit: int, rival: str, runs: list[dict[str, Any]], base_s: float) -> str:
    """Give a rival's line of the first table."""
    walls = [one["wall_s"] for one in runs]
    local = f"{sum(one['maps']['data_local'] for one in runs)} of {sum(one['maps']['launched'] for one in runs)}"
    wall, tasks = statistics.median(walls), statistics.median(one["tasks_s"] for one in runs)
    read = statistics.median(one["seconds"]["read"] for one in runs)
    net = statistics.median(one["received_bytes"] for one in runs)
    return (
        f"| {mbit or 'as is'} | {rival} | {local} | {wall:.1f} ({min(walls):.1f} - {max(walls):.1f}) | "
        f"{wall / base_s:.2f} | {tasks:.1f} | {read:.1f} | {net / 1e6:,.0f} |"
    )


def bytes_line(mbit: int, rival: str, runs: list[dict[str, Any]]) -> str:
    """Give a rival's line of the second table."""
    sums = [one["reconciled"] for one in runs]
    columns = [
        [part["data_bytes"] for part in sums],
        [one["received_bytes"] for one in runs],
        [part["not_local_by_readers_bytes"] for part in sums],
        [part["results_to_other_hosts_bytes"] for part in sums],
        [one["output_bytes"] * (one["replication"] - 1) for one in runs],
    ]
    columns.append([net - read - results - copies for _, net, read, results, copies in zip(*columns, strict=True)])
    middle = [statistics.median(column) for column in columns]
    cells = " | ".join(f"{size / 1e6:,.0f}" for size in middle)
    return f"| {mbit or 'as is'} | {rival} | {cells} | {middle[2] / middle[0]:.1%} | {middle[5] / middle[0]:.1%} |"


if __name__ == "__main__":
    main()
