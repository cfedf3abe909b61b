"""Run rivals in turn, in one run, and print one table with ratios.

Absolute times on a shared machine mean little; what is run in turn suffers the same noise, so its ratio means much. The
processor time of what each starts stands beside it, which suffers less from others' work.
"""

from __future__ import annotations

import os
import resource
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

#: What a benchmark starts finds its modules compiled, as an installed package has them, and compiles none anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


@dataclass
class Contender:
    """Something to time.

    `prepare` is run before each timed run and is not timed; `run` does the work.
    """

    name: str
    run: Callable[[], object]
    prepare: Callable[[], object] = lambda: None
    seconds: list[float] = field(default_factory=list)
    cpu_seconds: list[float] = field(default_factory=list)


def interleave(contenders: Sequence[Contender], repeats: int) -> None:
    """Time all contenders in turn, `repeats` times; the order is turned round each time."""
    for repeat in range(repeats):
        for contender in contenders if repeat % 2 == 0 else list(reversed(contenders)):
            contender.prepare()
            start, cpu_start = time.perf_counter(), _cpu_seconds()
            contender.run()
            contender.seconds.append(time.perf_counter() - start)
            contender.cpu_seconds.append(_cpu_seconds() - cpu_start)


def _cpu_seconds() -> float:
    """Give the processor time of this process and of all that it started and that ended, in seconds."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def print_table(title: str, contenders: Sequence[Contender], work_bytes: int, goal: str = "") -> None:
    """Print a Markdown table: seconds, processor seconds, MB/s, and each one's time over that of the first."""
    base, cpu_base = (statistics.median(values) for values in (contenders[0].seconds, contenders[0].cpu_seconds))
    print(f"\n### {title}\n" + (f"\n{goal}\n" if goal else ""))
    print("| what | median s | min - max s | CPU s | MB/s | rate of hbimg to it | CPU of it to hbimg's |")
    print("|---|---|---|---|---|---|---|")
    for contender in contenders:
        median = statistics.median(contender.seconds)
        spread = f"{min(contender.seconds):.2f} - {max(contender.seconds):.2f}"
        rate = work_bytes / 1e6 / median
        cpu = statistics.median(contender.cpu_seconds)
        times = f"{median:.2f} | {spread} | {cpu:.2f} | {rate:.0f} | {median / base:.2f} | {cpu / cpu_base:.2f}"
        print(f"| {contender.name} | {times} |")
