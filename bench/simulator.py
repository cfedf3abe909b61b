"""How long the simulator takes and how much memory it needs: one row for each size and system, each in its own process.

Run: python bench/simulator.py [--small]. The bounds we hold it to: 100,000 jobs in 15 s, and 1,000,000 jobs on 1,000
machines in 3 minutes, on one core.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time

from hbimg.perfmodel.distributions import Distribution, constant
from hbimg.perfmodel.parameters import Allocation, Cluster, Machine, Scenario, Scheduling, Workload
from hbimg.perfmodel.simulate import first_run

#: jobs, machines, bound in s.
CASES = ((10_000, 20, None), (100_000, 100, 15.0), (1_000_000, 1000, 180.0))


def scenario(jobs, machine_count):
    """Mixed lengths, uneven shares, shared disks, gaps, stealing and 1% failures: everything that costs time."""
    machines = tuple(Machine(f"m{i}", 12, 400e6, 300e6) for i in range(machine_count))
    workload = Workload(
        jobs,
        Distribution("lognormal", (22e6, 0.5)),
        constant(7e6),
        Distribution("mixture", (0.8, 30.0, 0.2, 120.0)),
    )
    scheduling = Scheduling(
        grid_dispatch_gap_s=0.5,
        map_dispatch_gap_s=0.5,
        share_unevenness=0.3,
        stealing="always",
        locality_delay_s=3.0,
        failure_probability=0.01,
    )
    regions = tuple(1.0 + number % 3 for number in range(machine_count))
    return Scenario("bench", Cluster(machines, 7e6 * machine_count), workload, Allocation(regions), scheduling)


def one(jobs, machine_count, system):
    """Run one case and print its row as JSON."""
    case = scenario(jobs, machine_count)
    begin, begin_cpu = time.perf_counter(), time.process_time()
    trace = first_run(case, system)
    took_s, cpu_s = time.perf_counter() - begin, time.process_time() - begin_cpu
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"took_s": took_s, "cpu_s": cpu_s, "peak_mib": peak_mib, "gamma": trace.network_share}))


def main():
    """Print the table."""
    cases = CASES[:1] if "--small" in sys.argv else CASES
    print("     jobs machines system   took s    CPU s  bound s  peak MiB  CPU us/job  gamma")
    for jobs, machine_count, bound_s in cases:
        for system in ("grid", "hbimg"):
            command = [sys.executable, __file__, "--one", str(jobs), str(machine_count), system]
            row = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
            bound = f"{bound_s:.0f}" if bound_s else "-"
            print(
                f"{jobs:>9} {machine_count:>8} {system:>6} {row['took_s']:>8.2f} {row['cpu_s']:>8.2f} {bound:>8}"
                f" {row['peak_mib']:>9.0f} {row['cpu_s'] / jobs * 1e6:>11.1f} {row['gamma']:>6.2f}"
            )


if __name__ == "__main__":
    if "--one" in sys.argv:
        one(int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
    else:
        main()
