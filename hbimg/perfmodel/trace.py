"""What one simulated run leaves behind: per job its start, end, times of reading, processing and writing, and place."""

from __future__ import annotations

from array import array
from typing import Protocol


class Finished(Protocol):
    """What a trace notes of an attempt that succeeded."""

    job: int
    machine: int
    local: bool
    start_s: float
    read_end_s: float
    compute_end_s: float


class Trace:
    """Columns of length `jobs`, all times in seconds from submission; failed attempts are only summed up."""

    def __init__(self, jobs: int) -> None:
        zeros = bytes(8 * jobs)
        self.start_s = array("d", zeros)
        self.end_s = array("d", zeros)
        self.read_s = array("d", zeros)
        self.compute_s = array("d", zeros)
        self.write_s = array("d", zeros)
        self.machine = array("l", bytes(array("l").itemsize * jobs))
        self.local = bytearray(jobs)
        self.input_bytes = array("d", zeros)
        self.output_bytes = array("d", zeros)
        self.attempts = 0
        self.failed_attempts = 0
        self.lost_s = 0.0
        self.network_busy_s = 0.0

    def record(self, attempt: Finished, end_s: float, write_s: float) -> None:
        """Note a finished job; `end_s` includes padding, `write_s` does not."""
        job = attempt.job
        self.start_s[job] = attempt.start_s
        self.end_s[job] = end_s
        self.read_s[job] = attempt.read_end_s - attempt.start_s
        self.compute_s[job] = attempt.compute_end_s - attempt.read_end_s
        self.write_s[job] = write_s
        self.machine[job] = attempt.machine
        self.local[job] = attempt.local

    def lost(self, spent_s: float) -> None:
        """Note an attempt that failed after `spent_s`."""
        self.failed_attempts += 1
        self.lost_s += spent_s

    @property
    def wall_clock_s(self) -> float:
        """From submission to the end of the last job."""
        return max(self.end_s)

    @property
    def resource_time_s(self) -> float:
        """Time that slots were taken by jobs, failed attempts included."""
        return sum(self.end_s) - sum(self.start_s) + self.lost_s

    @property
    def network_share(self) -> float:
        """Share of jobs whose data crossed the network: the paper's gamma."""
        return 1 - sum(self.local) / len(self.local)
