"""Run a command-line tool for a job: in a process group of its own, with a time limit, never left behind.

A tool that is over its time is killed together with its children. The group's id stands in a file in the scratch folder
while it runs, so that who finds the folder of a worker that died can end the tool too.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from hbimg.errors import VolumeFailedError

_GROUP_FILE = ".tool-group"


def run_tool(command: Sequence[str], scratch: Path, time_limit_s: float) -> tuple[int, str]:
    """Run a tool and give its exit status and all it printed.

    Raises
    ------
    VolumeFailedError
        If it cannot be started, or did not end in `time_limit_s` seconds.
    """
    name = Path(command[0]).name
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=scratch,
            process_group=0,
        )
    except OSError as error:
        raise VolumeFailedError(f"{name} cannot be started: {error.strerror}: {command[0]}") from error
    marker = scratch / _GROUP_FILE
    marker.write_text(f"{process.pid}\n")
    try:
        output, _ = process.communicate(timeout=time_limit_s)
    except BaseException as error:
        _kill_group(process.pid)
        process.communicate()
        if not isinstance(error, subprocess.TimeoutExpired):
            raise
        raise VolumeFailedError(
            f"{name} did not end in {time_limit_s:g} s and was killed: raise the time limit if the series is that large"
        ) from error
    finally:
        marker.unlink(missing_ok=True)
    return process.returncode, output.decode(errors="replace")


def end_tools(scratch: Path) -> None:
    """Kill the tools that a worker which died left behind in its scratch folder."""
    for marker in scratch.glob(f"*/{_GROUP_FILE}"):
        with suppress(ValueError, OSError):
            _kill_group(int(marker.read_text()))


def _kill_group(group: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)
