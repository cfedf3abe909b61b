"""Damaged files through the whole ingest: whatever a file holds, one line says what became of it.

    python tests/fuzz/cases.py --cases 100000 --seed 1

A case is told by its seed and number, so it can be run again: ``--seed 1 --first 4711 --cases 1``.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random
from types import FrameType

sys.path.insert(0, str(Path(__file__).parent))

from damage import damaged
from seeds import seeds

from hbimg.errors import HbimgError
from hbimg.ingest import pipeline
from hbimg.ingest.keys import KeyRules
from hbimg.ingest.planned import IngestOptions, Target
from hbimg.ingest.workers import Pool
from hbimg.store import open_store
from hbimg.volumes import VolumeReader, VolumeTable
from hbimg.volumes.voxels import voxels

#: Processor time that one case may take, in seconds, and memory that the process may ask for, in bytes.
LIMIT_S = 10.0
LIMIT_BYTES = 3 << 30


class SlowError(Exception):
    """A case took more processor time than it may."""


class Findings:
    """What was found: outcomes counted, and the cases that broke a rule."""

    def __init__(self) -> None:
        self.outcomes: Counter[str] = Counter()
        self.broken: dict[str, list[str]] = {}
        self.slowest: tuple[float, str] = (0.0, "")
        self.cases = 0

    def report(self) -> str:
        """Give a summary in words."""
        counts = ", ".join(f"{count} {outcome}" for outcome, count in self.outcomes.most_common())
        lines = [
            f"{self.cases} cases: {counts}",
            f"slowest {self.slowest[0]:.2f} s ({self.slowest[1]}), peak memory {_peak_mib()} MiB",
        ]
        lines += [
            f"BROKEN {len(cases)} x {what}\n    e.g. {', '.join(cases[:3])}" for what, cases in self.broken.items()
        ]
        return "\n".join(lines)


def run(seed: int, first: int, cases: int | None, until_s: float | None, findings: Findings) -> None:
    """Run cases until there are so many, or so many seconds are over."""
    files = seeds()
    names, others = list(files), list(files.values())
    begin, number = time.monotonic(), first
    signal.signal(signal.SIGPROF, _too_slow)
    with limited_memory(), tempfile.TemporaryDirectory(prefix="hbimg-fuzz-") as scratch:
        while (cases is None or number < first + cases) and (until_s is None or time.monotonic() - begin < until_s):
            random = Random(f"{seed}-{number}")
            name = random.choice(names)
            written = {name: damaged(files[name], others, random)}
            if name.endswith(".dcm") and random.random() < 0.2:  # a series of which one file is damaged
                written[f"whole-{name}"] = files[name]
            _case(Path(scratch) / "case", written, f"--seed {seed} --first {number} --cases 1 ({name})", findings)
            number += 1


def _case(folder: Path, written: dict[str, bytes], label: str, findings: Findings) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name, data in written.items():
        (folder / name).write_bytes(data)
    begin = time.process_time()
    signal.setitimer(signal.ITIMER_PROF, LIMIT_S)
    try:
        for rule in broken_rules(folder, written, findings.outcomes):
            findings.broken.setdefault(rule, []).append(label)
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        place = traceback.extract_tb(error.__traceback__)[-1]
        what = f"{type(error).__name__}: {str(error)[:100]} ({Path(place.filename).name}, line {place.lineno})"
        findings.broken.setdefault(what, []).append(label)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    findings.cases += 1
    findings.slowest = max(findings.slowest, (time.process_time() - begin, label))


def broken_rules(folder: Path, written: dict[str, bytes], outcomes: Counter[str]) -> Iterator[str]:
    """Ingest a folder and give each rule that was broken."""
    options = IngestOptions(KeyRules(default_project="fuzz"))
    said = io.StringIO()
    with open_store("memory:") as store, Pool(1) as pool, contextlib.redirect_stderr(said):
        volumes = VolumeTable.create(store, "t")
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            planned, told = pipeline.plan([folder], options, pool, lambda *_: None)
            told += pipeline.ingest(Target(volumes, None), planned, options, pool, lambda *_: None)
        for outcome in told:
            outcomes[outcome.outcome] += 1
            if outcome.outcome not in ("stored", "present") and not outcome.reason:
                yield f"{outcome.outcome} without a reason"
            if not outcome.reason.isprintable():
                yield "a reason is not one printable line"
        if sum(outcome.files for outcome in told) < len(written):
            yield "a file of which nothing was said"
        yield from _broken_reading(volumes, written)
    if said.getvalue():
        yield "something was printed on stderr"


def _broken_reading(volumes: VolumeTable, written: dict[str, bytes]) -> Iterator[str]:
    """Read back what was stored: the same bytes, and voxels or a reason why not."""
    for record in volumes.records():
        for stored, pieces in VolumeReader(volumes, record).originals():
            data = b"".join(pieces)
            if written.get(stored.name, data) != data:
                yield "an original differs"
        if record.is_volume:
            with contextlib.suppress(HbimgError):
                voxels(VolumeReader(volumes, record))


def _too_slow(number: int, frame: FrameType | None) -> None:
    raise SlowError(f"over {LIMIT_S:g} s")


@contextlib.contextmanager
def limited_memory() -> Iterator[None]:
    """Let this process ask for no more memory than a case may take."""
    before = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (LIMIT_BYTES, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, before)


def _peak_mib() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10


def main() -> None:
    """Run as a program; the exit status is 1 when a rule was broken."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--cases", type=int, default=1000)
    chosen = parser.parse_args()
    findings = Findings()
    run(chosen.seed, chosen.first, chosen.cases, None, findings)
    sys.stdout.write(findings.report() + "\n")
    sys.exit(bool(findings.broken))


if __name__ == "__main__":
    main()
