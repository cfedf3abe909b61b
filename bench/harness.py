"""Run rivals in turn, in one run, and print one table with ratios.

Absolute times on a shared machine mean little; what is run in turn suffers the same noise, so its ratio means much.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field


@dataclass
class Contender:
    """Something to time.

    `prepare` is run before each timed run and is not timed; `run` does the work.
    """

    name: str
    run: Callable[[], object]
    prepare: Callable[[], object] = lambda: None
    seconds: list[float] = field(default_factory=list)


def interleave(contenders: Sequence[Contender], repeats: int) -> None:
    """Time all contenders in turn, `repeats` times; the order is turned round each time."""
    for repeat in range(repeats):
        for contender in contenders if repeat % 2 == 0 else list(reversed(contenders)):
            contender.prepare()
            start = time.perf_counter()
            contender.run()
            contender.seconds.append(time.perf_counter() - start)


def print_table(title: str, contenders: Sequence[Contender], work_bytes: int, goal: str = "") -> None:
    """Print a Markdown table: median, least and most seconds, MB/s, and each one's rate over that of the first."""
    base = statistics.median(contenders[0].seconds)
    print(f"\n### {title}\n" + (f"\n{goal}\n" if goal else ""))
    print("| what | median s | min - max s | MB/s | rate of hbimg to it |")
    print("|---|---|---|---|---|")
    for contender in contenders:
        median = statistics.median(contender.seconds)
        spread = f"{min(contender.seconds):.2f} - {max(contender.seconds):.2f}"
        rate = work_bytes / 1e6 / median
        print(f"| {contender.name} | {median:.2f} | {spread} | {rate:.0f} | {median / base:.2f} |")
