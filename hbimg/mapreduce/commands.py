"""Run a command for a job under a supervisor, with limits, and keep the beginning and the end of what it says.

Whatever happens, nothing of the command is left: the supervisor (`hbimg.mapreduce.supervisor`) kills its descendants
when it ends, when a limit is reached, and when the process that runs it is gone.
"""

from __future__ import annotations

import fcntl
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hbimg.errors import VolumeFailedError
from hbimg.mapreduce.supervisor import PROGRAM

#: Bytes of a command's output that are kept, of its beginning and of its end.
KEPT_BYTES = 32 << 10
_PIPE_BYTES = 1 << 20
#: How long the supervisor may take to kill what it supervises, in seconds.
_PATIENCE_S = 20.0


@dataclass(frozen=True, slots=True)
class Command:
    """What to run, and its limits.

    Attributes
    ----------
    words : tuple of str
        The program and its arguments; no shell comes between.
    folder : Path
        Where it runs.
    environment : mapping
        All of its environment.
    timeout_s : float
    memory_bytes : int
        For each process the memory that it may ask for, and for all of them together what they hold; 0 for no limit.
    network : bool
        Whether it may use the network.
    stdout : Path or None
        File for what it prints to standard output; None puts that into the log beside standard error.
    """

    words: tuple[str, ...]
    folder: Path
    environment: Mapping[str, str]
    timeout_s: float
    memory_bytes: int = 0
    network: bool = False
    stdout: Path | None = None


@dataclass(slots=True)
class Log:
    """The first and the last bytes of a stream of any length."""

    first: bytes = b""
    last: bytes = b""
    size_bytes: int = 0

    def add(self, piece: bytes) -> None:
        """Take what comes next."""
        self.size_bytes += len(piece)
        taken = piece[: KEPT_BYTES - len(self.first)]
        self.first += taken
        self.last = (self.last + piece[len(taken) :])[-KEPT_BYTES:]

    def text(self) -> str:
        """Give what was kept, with a line for what was not."""
        left_out = self.size_bytes - len(self.first) - len(self.last)
        between = f"\n... {left_out:,} bytes left out ...\n".encode() if left_out else b""
        return (self.first + between + self.last).decode(errors="replace")

    def last_line(self) -> str:
        """Give the last line that is not empty, cut to a readable length and without control characters."""
        lines = [line.strip() for line in self.text().replace("\r", "\n").splitlines() if line.strip()]
        line = "".join(char if char.isprintable() else " " for char in (lines or ["it said nothing"])[-1])
        return line if len(line) <= 200 else line[:200] + "..."


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended: `event` and `details` as the supervisor tells them, and what it said."""

    command: Command
    event: str
    details: Mapping[str, Any] = field(default_factory=dict)
    log: Log = field(default_factory=Log)

    def why_failed(self) -> str:
        """Give one line that says why the command failed; empty if it did not."""
        name, command, event = Path(self.command.words[0]).name, self.command, self.event
        if event == "ended":
            status = int(self.details["status"])
            return f"{name} {_status_words(status, command)}: {self.log.last_line()}" if status else ""
        reason = self.details.get("reason", "")
        return {
            "timeout": f"{name} did not end in {command.timeout_s:g} s and was killed: give a longer --timeout",
            "memory": f"{name} held over {command.memory_bytes:,} bytes of memory and was killed: give a larger "
            "--memory-limit",
            "not-started": f"{name} cannot be started: {reason}: {command.words[0]}",
            "not-cut-off": f"{name} was not run, because this machine lets nobody cut a command off from the network "
            f"({reason}): --network runs it with the network",
        }.get(event, f"{name} lost its supervisor: was it killed for want of memory?")


def run_command(command: Command) -> Ended:
    """Run a command to its end; how that was is told, not raised.

    Raises
    ------
    VolumeFailedError
        If not even the supervisor can be started.
    """
    reading, writing = os.pipe()
    try:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", PROGRAM, str(Path(__file__).parents[2]), str(writing)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=command.folder,
            pass_fds=[writing],
            process_group=0,  # Ctrl-C in the terminal is for hbimg alone
        )
    except OSError as error:
        os.close(reading)
        raise VolumeFailedError(f"no process can be started: {error.strerror}") from error
    finally:
        os.close(writing)
    log = Log()
    try:
        _order(process, command)
        status = _listen(process, reading, log)
    finally:
        os.close(reading)
        _end(process)
    details = json.loads(status) if status else {"event": "lost"}
    return Ended(command, details.pop("event"), details, log)


def _order(process: subprocess.Popen[bytes], command: Command) -> None:
    order = json.dumps(
        {
            "command": command.words,
            "environment": dict(command.environment),
            "timeout_s": command.timeout_s,
            "memory_bytes": command.memory_bytes,
            "network": command.network,
            "stdout": str(command.stdout or ""),
        }
    ).encode()
    assert process.stdin is not None
    with suppress(BrokenPipeError):
        process.stdin.write(len(order).to_bytes(8, "big") + order)
        process.stdin.flush()


def _listen(process: subprocess.Popen[bytes], status_pipe: int, log: Log) -> bytes:
    """Take what the command says until the supervisor tells how it ended, and give that."""
    assert process.stdout is not None
    output = process.stdout.fileno()
    with suppress(OSError):  # more than a user may have
        fcntl.fcntl(output, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
    os.set_blocking(output, False)
    sources = [status_pipe, output]
    while True:
        readable, _, _ = select.select(sources, [], [])
        if output in readable and not _drain(output, log):
            sources = [status_pipe]
        if status_pipe in readable:
            status = os.read(status_pipe, 1 << 16)
            while output in sources and _drain(output, log):
                if not select.select([output], [], [], 0)[0]:
                    break
            return status


def _drain(output: int, log: Log) -> bool:
    """Take what is there; False at the end of the stream."""
    try:
        piece = os.read(output, _PIPE_BYTES)
    except BlockingIOError:
        return True
    log.add(piece)
    return bool(piece)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Let the supervisor kill what still runs, and wait for it."""
    for stream in (process.stdin, process.stdout):
        assert stream is not None
        with suppress(BrokenPipeError):
            stream.close()
    try:
        process.wait(_PATIENCE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _status_words(status: int, command: Command) -> str:
    limit = f" (its limit is {command.memory_bytes:,} bytes of memory)" if command.memory_bytes else ""
    if status >= 0:
        return f"ended with status {status}{limit}"
    number = -status
    name = signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"
    return f"was killed by {name}{limit}"
