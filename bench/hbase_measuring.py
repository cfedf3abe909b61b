"""What measurements of HBase share: rivals run in turn, CPU seconds of both sides, memory, one table in the end."""

from __future__ import annotations

import itertools
import json
import os
import statistics
import sys
import time
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hbimg.store.rpc.admin import Admin

#: Web ports of RegionServer, Thrift server, DataNode.
PORTS = {"RegionServer": 16030, "Thrift": 9095, "DataNode": 9864}
MIB = 1 << 20


@dataclass
class Rival:
    """Something to time.

    Attributes
    ----------
    name : str
    run : callable
    prepare, settle : callable
        Done before and after each run; not timed. CPU seconds of servers go on counting while `settle` waits.
    process : int or None
        A process that does the work for this one, whose CPU seconds count as the client's.
    every : int
        It takes part in every so many rounds only, since it is slow.
    """

    name: str
    run: Callable[[], object]
    prepare: Callable[[], object] = lambda: None
    settle: Callable[[], object] = lambda: None
    process: int | None = None
    every: int = 1
    runs: list[tuple[float, float, float]] = field(default_factory=list)


def jmx(host: str, port: int, query: str) -> dict:
    """Give one bean of a daemon."""
    with urllib.request.urlopen(f"http://{host}:{port}/jmx?qry={query}", timeout=20) as answer:
        return json.load(answer)["beans"][0]


def server_cpu_seconds(hosts: Sequence[str]) -> float:
    """Give the CPU seconds so far of the servers of some hosts, as their JVMs tell."""
    query = "java.lang:type=OperatingSystem"
    return sum(jmx(host, port, query)["ProcessCpuTime"] / 1e9 for host in hosts for port in PORTS.values())


def client_cpu_seconds(process: int | None) -> float:
    """Give the CPU seconds of this process, of those that it waited for, and of another one."""
    seconds = sum(os.times()[:4])
    if process is not None:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        seconds += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return seconds


def interleave(rivals: Sequence[Rival], hosts: Sequence[str], repeats: int, at_most_s: float = 3600.0) -> int:
    """Run the rivals in turn, `repeats` times or as often as there is time for; give how often.

    The order is turned round each time.
    """
    # What asking for CPU seconds costs the servers themselves.
    asked = [server_cpu_seconds(hosts) for _ in range(11)]
    asking = statistics.median(later - sooner for sooner, later in itertools.pairwise(asked))
    began = time.monotonic()
    for repeat in range(repeats):
        if repeat and (time.monotonic() - began) * (repeat + 1) / repeat > at_most_s:
            return repeat
        for rival in rivals if repeat % 2 == 0 else reversed(rivals):
            if repeat % rival.every:
                continue
            rival.prepare()
            servers, client, start = server_cpu_seconds(hosts), client_cpu_seconds(rival.process), time.perf_counter()
            rival.run()
            seconds, mine = time.perf_counter() - start, client_cpu_seconds(rival.process) - client
            rival.settle()
            rival.runs.append((seconds, mine, server_cpu_seconds(hosts) - servers - asking))
            print(f"{rival.name}: {seconds:.2f} s", file=sys.stderr, flush=True)
    return repeats


def show(title: str, rivals: Sequence[Rival], size_bytes: int, bases: Sequence[str]) -> None:
    """Print one table, with the ratios of all medians to those of some."""
    medians = {rival.name: size_bytes / 1e6 / statistics.median(run[0] for run in rival.runs) for rival in rivals}
    ratios = "".join(f" to {base} |" for base in bases)
    print(f"\n### {title}, load {os.getloadavg()[0]:.1f}\n")
    print(f"| what | MB/s median (min - max) |{ratios} client CPU s/GB | servers CPU s/GB |")
    print("|---|---|" + "---|" * len(bases) + "---|---|")
    for rival in rivals:
        rates = [size_bytes / 1e6 / run[0] for run in rival.runs]
        beside = "".join(f" {medians[rival.name] / medians[base]:.2f} |" for base in bases)
        cpu = [statistics.median(run[side] for run in rival.runs) / (size_bytes / 1e9) for side in (1, 2)]
        spread = f"{min(rates):.0f} - {max(rates):.0f}"
        print(
            f"| {rival.name} | {medians[rival.name]:.0f} ({spread}) |{beside} {cpu[0]:.2f} | {cpu[1]:.2f} |", flush=True
        )


def process_of(name: str) -> int:
    """Give the process id of a daemon in this container by the name that docker/bin/node gave it."""
    for folder in Path("/proc").iterdir():
        try:
            if folder.name.isdigit() and f"-Dproc={name}".encode() in (folder / "cmdline").read_bytes().split(b"\0"):
                return int(folder.name)
        except OSError:
            continue  # it ended meanwhile
    raise SystemExit(f"no {name} runs here: run this on a worker")


def resident_mib(process: int | str = "self") -> float:
    """Give a process's resident memory."""
    (line,) = [line for line in Path(f"/proc/{process}/status").read_text().splitlines() if line.startswith("VmRSS")]
    return int(line.split()[1]) / 1024


def cpu_by_thread(process: int) -> dict[str, tuple[float, float]]:
    """Give user and system CPU seconds of a process's threads so far, of those of one name together."""
    found: dict[str, tuple[float, float]] = {}
    for task in Path(f"/proc/{process}/task").iterdir():
        try:
            head, _, rest = (task / "stat").read_text().rpartition(")")
        except OSError:
            continue
        name, fields = head.partition("(")[2].rstrip("0123456789-#"), rest.split()
        user, system = (int(fields[place]) / os.sysconf("SC_CLK_TCK") for place in (11, 12))
        before = found.get(name, (0.0, 0.0))
        found[name] = (before[0] + user, before[1] + system)
    return found


def on_worker(admin: Admin, name: str, worker: str) -> None:
    """Have a table's regions on a worker, with their files there too."""
    target = next(server for server in admin.servers() if server.host.partition(".")[0] == worker)
    for place in admin.regions(name):
        admin.move(place, target)
    admin.flush(name)
    admin.major_compact(name)
