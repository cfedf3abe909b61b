"""Who writes: processes, and whether they are still there.

A process that was killed leaves its name in the table. On its own host it is known to be dead at once; of other hosts
nothing is known, so what it holds ends by an expiry.
"""

from __future__ import annotations

import os
import socket
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Owner:
    """A process: host, process id, and when it started, since ids are used again."""

    host: str
    process: int
    started: str

    @property
    def is_known_dead(self) -> bool:
        """Whether the process ran on this host and is gone. Of other hosts nothing is known."""
        return self.host == _host() and start_of_process(self.process) != self.started

    def __str__(self) -> str:
        """Give what a user can look for."""
        return f"process {self.process} on {self.host}"


@dataclass(frozen=True, slots=True)
class Lease:
    """Something that a process holds up to a time (seconds since 1970, UTC)."""

    owner: Owner
    expires_at: float

    @classmethod
    def take(cls, seconds: float) -> Self:
        """Give this process a lease from now on."""
        return cls(this_process(), time.time() + seconds)

    @property
    def is_live(self) -> bool:
        """Whether its owner may still act on it."""
        return self.expires_at > time.time() and not self.owner.is_known_dead

    def to_json(self) -> list[Any]:
        """Give a JSON-ready list; `from_json` reads it back."""
        return [self.owner.host, self.owner.process, self.owner.started, self.expires_at]

    @classmethod
    def from_json(cls, data: list[Any]) -> Self:
        """Read what `to_json` gave."""
        *owner, expires_at = data
        return cls(Owner(*owner), expires_at)


def this_process() -> Owner:
    """Give the process that asks."""
    return Owner(_host(), os.getpid(), start_of_process(os.getpid()))


@cache
def _host() -> str:
    return socket.gethostname()


def start_of_process(process: int) -> str:
    """Give a process's start time as the kernel counts it; empty if there is no such process.

    With the boot id in it, a process from before a restart of the machine is never taken for one of today.
    """
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""
    return f"{boot}:{fields[19]}"
