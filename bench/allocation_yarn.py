"""HBase's own placement beside a plan, as YARN jobs on the mini-cluster with workers of speeds 1:1:3 behind slow links.

Run it on the machine with the engine, as root, with the cluster up, this code on its nodes and the reference images in
its client (`docker/cluster test --collect-only`); nobody else may use the cluster meanwhile::

    python bench/allocation_yarn.py fill
    python bench/allocation_yarn.py run --repeats 3
    python bench/allocation_yarn.py drop

`fill` makes two tables of the same volumes, the real T1 again and again: one in equal regions that HBase deals out, one
by `hbimg layout plan` and `apply`, for servers of 1, 1 and 3 cores. `run` gives the workers 3, 3 and 7 vcores
while maps take 2: 1, 1 and 3 maps at once, and a vcore for the application master wherever YARN puts it. It shapes
what leaves each worker to `--link` Mbit/s and runs `checksum`, every volume padded to `--pad-to` seconds, in turn. So
many vcores are more than the machine has cores: padded jobs sleep.

`waits`: a map lets offers of other hosts pass, as many as YARN allows (no more than the cluster has nodes); `steals`:
it takes the first offer. All runs are appended to `--results`, and the table is of all of them. The wall-clock is all
of it: planning, submission, the start of application master and tasks, the report; `tasks` is from the first task's
first moment in Python to the last one's end; `start-up` is the difference. `ideal` is what the work alone takes where
every volume is worked on at home: the most volumes that one slot has, times the padding.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from yarn_locality import WORKERS, links

from hbimg.allocation.figures import Panel, Stretch, draw_planks, draw_regions
from hbimg.mapreduce.gantt import bars_of, draw_bars
from hbimg.perfmodel.figures import new_figure, save_figure

CLIENT = shlex.split(os.environ.get("HBIMG_CLUSTER_CLIENT", "docker exec -i client"))
HEAD = ["docker", "exec", "-i", "head"]
STORE = "hbase://head"
TABLES = {"HBase's own": "bench_own", "plan": "bench_plan"}
#: Maps that a worker runs at once, and the memory that they and an application master need, in MB.
SLOTS = dict(zip((f"{worker}.hbimg" for worker in WORKERS), (1, 1, 3), strict=True))
MAP_VCORES, MAP_MB, MASTER_MB = 2, 1024, 1024
#: How often YARN lets a map pass an offer of another host of its rack, and how often more one of another rack.
WAITING = {"waits": (40, 40), "steals": (0, 0)}
CONF = "/etc/hbimg-cluster/capacity-scheduler.xml"
ADMIN = "org.apache.hadoop.yarn.client.cli.RMAdminCLI"
REGIONS = 6
FIGURES = Path(__file__).parents[1] / "docs" / "figures"

SIZES = """
import json, os, sys
from pathlib import Path
import numpy as np
from pydicom import dcmread
folder = Path(os.environ.get("HBIMG_TEST_DATA", "/srv/hbimg/data")) / "t1-structural" / "dicoms"
slices = sorted((dcmread(path) for path in folder.iterdir()), key=lambda slice: int(slice.InstanceNumber))
voxels = np.stack([slice.pixel_array.T for slice in slices], axis=-1)
np.save("/tmp/bench_t1.npy", np.asfortranarray(voxels.astype("<i2")))
size = np.load("/tmp/bench_t1.npy", mmap_mode="r").nbytes
print(json.dumps({"items": [
    {"outcome": "planned", "key": f"t1/sub-{n:03d}/ses/T1w", "size_bytes": size} for n in range(int(sys.argv[1]))
]}))
"""
FILL = """
import sys
import numpy as np
from hbimg.model import VolumeKey
from hbimg.store import open_store
from hbimg.store.rpc.admin import open_admin
from hbimg.testing.volumes import nifti_content
from hbimg.volumes import VolumeTable, store_content
count, regions = int(sys.argv[1]), int(sys.argv[2])
voxels = np.load("/tmp/bench_t1.npy")
with open_store(STORE) as store, open_admin(STORE) as admin:
    for name in NAMES:
        cuts = tuple(b"t1,sub-%03d!" % round(n * count / regions) for n in range(1, regions))
        is_there = name in store.tables()
        volumes = VolumeTable.open(store, name) if is_there else VolumeTable.create(store, name, splits=cuts)
        # Else HBase rewrites files, over the links, while jobs are measured.
        admin.alter(name, {"COMPACTION_ENABLED": "false"})
        for n in range(count):
            store_content(volumes, nifti_content(VolumeKey("t1", f"sub-{n:03d}", "ses", "T1w"), voxels))
        admin.flush(name)
"""
DROP = """
from hbimg.store import open_store
from hbimg.store.rpc.admin import open_admin
with open_store(STORE) as store, open_admin(STORE) as admin:
    for name in NAMES:
        if name in store.tables():
            store.drop_table(name)
    admin.set_balancer(on=True)
"""


def output_of(command: Sequence[str], text: str = "") -> str:
    """Run a command and give what it prints; end with what it says if it fails."""
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    return done.stdout


def in_client(*words: str, text: str = "") -> str:
    """Run a command in the client container."""
    return output_of([*CLIENT, *words], text)


def head(*words: str, text: str = "") -> str:
    """Run a command on the head."""
    return output_of([*HEAD, *words], text)


def program(text: str, *arguments: object) -> str:
    """Run a program in the client."""
    names = list(TABLES.values())
    return in_client("python", "-", *map(str, arguments), text=f"STORE, NAMES = {STORE!r}, {names!r}\n{text}")


def hbimg(*words: str) -> Any:
    """Run hbimg in the client and give its JSON."""
    return json.loads(in_client("python", "-m", "hbimg", *words, "--store", STORE, "--json"))


def fill(volumes: int) -> None:
    """Make both tables."""
    drop()
    sizes = program(SIZES, volumes)
    in_client("bash", "-c", "cat >/tmp/bench_sizes.json", text=sizes)
    table = ("--table", TABLES["plan"])
    servers = [word for name, slots in SLOTS.items() for word in ("--server", f"{name}={slots}")]
    plan = ("--sizes", "/tmp/bench_sizes.json", *servers, "-o", "/tmp/bench_plan.toml")
    made = hbimg("layout", "plan", *table, *plan)
    hbimg("layout", "apply", *table, "--plan", "/tmp/bench_plan.toml", "--yes", "--despite-problems")
    program(FILL, volumes, REGIONS)
    print(f"plan: {made['above_the_bound']:.1%} above the bound")
    statuses = {name: hbimg("layout", "status", "--table", table_name) for name, table_name in TABLES.items()}
    for name, status in statuses.items():
        found = status["servers"]
        words = [f"{s['name']} {s['regions']} regions, {s['groups']} volumes, {s['locality']:.0%} local" for s in found]
        print(f"{name}: {'; '.join(words)}")
    draw_layouts(statuses)


def draw_layouts(statuses: Mapping[str, Mapping[str, Any]]) -> None:
    """Draw the servers' shares beside their slots, and where the plan's regions lie."""
    slots = sum(SLOTS.values())
    times = {
        name: tuple(server["share"] * slots / SLOTS[server["name"]] for server in status["servers"])
        for name, status in statuses.items()
    }
    drawn = draw_planks([Panel(name, tuple(SLOTS), found) for name, found in times.items()], FIGURES / "layout-planks")
    for name, status in statuses.items():
        stretches = [Stretch(region["size_bytes"], region["server"]) for region in status["regions"]]
        drawn += draw_regions(stretches, list(SLOTS), FIGURES / f"layout-regions-{TABLES[name].removeprefix('bench_')}")
    keep_png(drawn)


def keep_png(drawn: Sequence[Path]) -> None:
    """Of pictures in two formats, keep the one that the documentation shows."""
    for path in drawn:
        if path.suffix != ".png":
            path.unlink()


def drop() -> None:
    """Delete the tables, and switch HBase's balancer on again, which the plan switched off."""
    program(DROP)


@contextmanager
def speeds() -> Iterator[None]:
    """Let YARN give out vcores for so many maps on each worker, and one more; afterwards what it was before."""
    found = json.loads(head("curl", "-sf", "http://head:8088/ws/v1/cluster/nodes?states=RUNNING"))["nodes"]["node"]
    before = {
        node["id"]: (
            node["usedMemoryMB"] + node["availMemoryMB"],
            node["usedVirtualCores"] + node["availableVirtualCores"],
        )
        for node in found
    }
    try:
        for node in found:
            slots = SLOTS[node["nodeHostName"]]
            give(node["id"], slots * MAP_MB + MASTER_MB, slots * MAP_VCORES + 1)
        yield
    finally:
        for node, (memory_mb, vcores) in before.items():
            give(node, memory_mb, vcores)


def give(node: str, memory_mb: int, vcores: int) -> None:
    """Say what YARN may give out on a node."""
    head("yarn", ADMIN, "-updateNodeResource", node, str(memory_mb), str(vcores))


@contextmanager
def scheduler() -> Iterator[None]:
    """Keep the scheduler's settings, and put them back."""
    before = head("cat", CONF)
    try:
        yield
    finally:
        configure(before)


def configure(text: str) -> None:
    """Give the ResourceManager other settings of its scheduler."""
    head("bash", "-c", f"cat >{CONF}", text=text)
    head("yarn", ADMIN, "-refreshQueues")


def wait_for_offers(before: str, node: int, rack: int) -> None:
    """Set how many offers a map lets pass."""
    values = {"node-locality-delay": node, "rack-locality-additional-delay": rack}
    kept = [line for line in before.splitlines() if not any(f".{name}<" in line for name in values)]
    mine = [
        f"<property><name>yarn.scheduler.capacity.{name}</name><value>{value}</value></property>"
        for name, value in values.items()
    ]
    configure("\n".join(kept).replace("</configuration>", "\n".join([*mine, "</configuration>"])))


def run(chosen: argparse.Namespace) -> None:
    """Run all cases in turn, the order turned round each time, and append a line for each run."""
    cases = [tuple(case.split("/")) for case in chosen.cases.split(",")]
    with speeds(), scheduler():
        settings = head("cat", CONF)
        wait_for_offers(settings, *WAITING["waits"])
        if not chosen.warm:
            job(TABLES["plan"], chosen, pad_to_s=0)  # packages travel
        with links(chosen.link):
            for repeat in range(chosen.repeats):
                for layout, waiting in cases if repeat % 2 == 0 else cases[::-1]:
                    wait_for_offers(settings, *WAITING[waiting])
                    found = summary(job(TABLES[layout], chosen, chosen.pad_to))
                    line = {"layout": layout, "waiting": waiting, "pad_to_s": chosen.pad_to, **found}
                    with chosen.results.open("a") as file:
                        file.write(json.dumps(line) + "\n")
                    del line["attempts"]
                    print(json.dumps(line), file=sys.stderr, flush=True)


def job(table: str, chosen: argparse.Namespace, pad_to_s: float) -> Mapping[str, Any]:
    """Run the job, and give its report."""
    options = ["--engine", "yarn", "--force", "--cores", str(MAP_VCORES), "--memory", str(MAP_MB)]
    split = ["--split-size", chosen.split_size] if chosen.split_size else []
    done: Mapping[str, Any] = hbimg("run", "checksum", "--table", table, *options, *split, "--pad-to", str(pad_to_s))
    return done["report"]


def summary(report: Mapping[str, Any]) -> dict[str, Any]:
    """Keep of a report what the table needs."""
    cluster = report["cluster"]
    spans = [(a["start_s"], a["end_s"]) for a in cluster["attempts"] if a["end_s"] is not None]
    return {
        "volumes": report["volumes"]["done"],
        "failed": report["volumes"]["failed"],
        "maps": cluster["maps"]["launched"],
        "local_maps": cluster["maps"]["data_local"],
        "wall_s": report["wall_clock_s"],
        "tasks_s": max(end for _, end in spans) - min(start for start, _ in spans),
        "local_bytes": sum(s["own_bytes"] for s in cluster["sources"]),
        "bytes": cluster["reconciled"]["data_bytes"],
        "volumes_at": dict(Counter(task["source"] or task["host"] for task in report["tasks"])),
        "volumes_by": dict(Counter(task["host"] for task in report["tasks"])),
        "attempts": cluster["attempts"],
    }


def show(path: Path) -> None:
    """Print the table of all runs in a file, and the goals beside it."""
    runs: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for line in path.read_text().splitlines():
        found = json.loads(line)
        runs[found["layout"], found["waiting"]].append(found)
    titles = ["layout", "idle slots", "data-local maps", "bytes read at home", "ideal s", "wall s, median (min - max)"]
    print("| " + " | ".join([*titles, "tasks s", "start-up s"]) + " |")
    print("|---" * (len(titles) + 2) + "|")
    for (layout, waiting), found in runs.items():
        print(line_of(layout, waiting, found))
    if {("HBase's own", "waits"), ("plan", "waits")} <= set(runs):
        own, plan = runs["HBase's own", "waits"], runs["plan", "waits"]
        ideal = ideal_s(own[0]) / ideal_s(plan[0])
        for what in ("wall_s", "tasks_s"):
            gain = median(own, what) / median(plan, what)
            print(f"gain by {what}: {gain:.2f}, {gain / ideal:.0%} of the ideal {ideal:.2f}")


def line_of(layout: str, waiting: str, runs: Sequence[Mapping[str, Any]]) -> str:
    """Give a case's line."""
    walls = [run["wall_s"] for run in runs]
    maps, local = (sum(run[what] for run in runs) for what in ("maps", "local_maps"))
    home = sum(run["local_bytes"] for run in runs) / sum(run["bytes"] for run in runs)
    wall, tasks = median(runs, "wall_s"), median(runs, "tasks_s")
    return (
        f"| {layout} | {waiting} | {local} of {maps} ({local / maps:.0%}) | {home:.0%} | {ideal_s(runs[0]):.1f} | "
        f"{wall:.1f} ({min(walls):.1f} - {max(walls):.1f}) | {tasks:.1f} | {wall - tasks:.1f} |"
    )


def ideal_s(run: Mapping[str, Any]) -> float:
    """Give how long the work of the server with most for its slots takes, with each volume worked on at home."""
    most: int = max(-(-count // SLOTS[host]) for host, count in run["volumes_at"].items())
    return most * float(run["pad_to_s"])


def draw(path: Path, stem: Path) -> None:
    """Draw the tasks of the first run of each case that waits, on one axis of time."""
    firsts: dict[str, dict[str, Any]] = {}
    for line in path.read_text().splitlines():
        found = json.loads(line)
        if found["waiting"] == "waits":
            firsts.setdefault(found["layout"], found)
    figure = new_figure(12.0, 4.4)
    for place, (layout, found) in zip(figure.subplots(len(firsts), 1, sharex=True), firsts.items(), strict=True):
        draw_bars(place, bars_of({"cluster": found}))
        place.set_title(f"{layout}: {found['wall_s']:.0f} s, {found['tasks_s']:.0f} s of it tasks", fontsize=10)
        place.legend(fontsize=7, loc="lower right")
    place.set_xlabel("seconds from the first launch")
    keep_png(save_figure(figure, stem))


def median(runs: Sequence[Mapping[str, Any]], what: str) -> float:
    """Give the median of a figure."""
    return statistics.median(run[what] for run in runs)


def main() -> None:
    """Do what is asked for, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stage", choices=["fill", "run", "show", "draw", "drop"])
    parser.add_argument("--volumes", type=int, default=30)
    parser.add_argument("--pad-to", type=float, default=10.0)
    parser.add_argument("--link", type=int, default=50, help="Mbit/s; 0: as it is")
    parser.add_argument("--split-size", default="", help="bytes of a map task; default: hbimg's")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--warm", action="store_true", help="the nodes have the packages: no run before the first one")
    parser.add_argument("--cases", default="HBase's own/waits,plan/waits,plan/steals,HBase's own/steals")
    parser.add_argument("--results", type=Path, default=Path(tempfile.gettempdir()) / "allocation_yarn.jsonl")
    chosen = parser.parse_args()
    if chosen.stage == "fill":
        fill(chosen.volumes)
    elif chosen.stage == "run":
        run(chosen)
        show(chosen.results)
    elif chosen.stage == "show":
        show(chosen.results)
    elif chosen.stage == "draw":
        draw(chosen.results, FIGURES / "layout-yarn")
    else:
        drop()


if __name__ == "__main__":
    main()
