"""What became of each volume in a run: one value, the same for every engine, that travels as JSON."""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Self

from hbimg.errors import HbimgError
from hbimg.model import VolumeKey


class State(StrEnum):
    """How a volume ended in a run."""

    DONE = "done"
    CURRENT = "current"  # the result was there already
    SKIPPED = "skipped"  # the job does not take it
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one volume in a run.

    Attributes
    ----------
    key : VolumeKey
    state : State
    reason : str
        Why it was skipped or failed, on one line.
    host, slot : str
        Where it was worked on; the slot tells the workers of a host apart.
    start_s, end_s : float
        Seconds since the epoch, from the moment when its slot turned to it (and perhaps waited for it to be read) to
        the end of padding. `read_s` may lie before `start_s`: it overlaps with the volume before.
    read_s, wait_s, compute_s, write_s, pad_s : float
        Seconds spent reading, of that waiting for the read to end, computing, writing, and padding.
    input_bytes, output_bytes : int
        Bytes that were read of the volume, and written.
    source : str
        The host that served its rows when they were read; empty where that is this machine for sure.
    task : str
        The task of a cluster's job that did it; empty where there are none.
    """

    key: VolumeKey
    state: State
    reason: str = ""
    host: str = ""
    slot: str = ""
    start_s: float = 0.0
    end_s: float = 0.0
    read_s: float = 0.0
    wait_s: float = 0.0
    compute_s: float = 0.0
    write_s: float = 0.0
    pad_s: float = 0.0
    input_bytes: int = 0
    output_bytes: int = 0
    source: str = ""
    task: str = ""

    @property
    def is_local(self) -> bool:
        """Whether it was read on the host that served it."""
        return not self.source or same_host(self.source, self.host)

    def to_json(self) -> dict[str, Any]:
        """Give a JSON-ready mapping."""
        return {**asdict(self), "key": str(self.key), "state": self.state.value}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read what `to_json` gave."""
        return cls(**{**data, "key": VolumeKey.parse(data["key"]), "state": State(data["state"])})


def same_host(one: str, other: str) -> bool:
    """Whether two names are of one host; daemons give full names where a machine may give itself a short one."""
    if "." in one and "." in other:
        return one.lower() == other.lower()
    return one.partition(".")[0].lower() == other.partition(".")[0].lower()


def one_line(error: BaseException) -> str:
    """Give an error in one line; one that is not ours with its kind and the place where it was raised."""
    text = " ".join(str(error).split())
    if isinstance(error, HbimgError):
        return text
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {text}{place}" if text else f"{type(error).__name__}{place}"
