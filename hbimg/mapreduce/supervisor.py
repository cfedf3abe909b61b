"""A process between hbimg and a command that it runs: none of the command's descendants outlives it.

It becomes the parent of whatever the command leaves behind (a "subreaper"), even of processes that left the command's
session, so that it can kill them all: when the command ends, when it is over its time or memory, and when hbimg dies,
which it notices by the end of its own standard input. What to do comes as JSON there, how the command ended goes as
JSON to a pipe. It is started once for each command, so it loads nothing but small modules of the standard library, and
it has one thread, which namespaces ask for.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import select
import signal
import sys
import time
from pathlib import Path
from typing import Any

from hbimg.mapreduce.isolation import cut_off

#: What `python -c` is given; its arguments are the folder that holds the package, and the status pipe's number.
PROGRAM = "import sys; sys.path.insert(0, sys.argv[1]); from hbimg.mapreduce.supervisor import main; main()"

_PR_SET_CHILD_SUBREAPER = 36
#: How often memory is looked at, in seconds.
_LOOK_S = 0.1
#: How long descendants that are killed may take to vanish, in seconds (a disk that hangs holds them).
_KILL_S = 10.0


def main() -> None:
    """Run the command of the order and tell how it ended.

    The order has ``command`` (texts), ``environment`` (mapping), ``timeout_s``, ``memory_bytes`` (0 for no limit),
    ``network`` (whether it may have one) and ``stdout`` (a file's path, or empty); its length comes first, in 8 bytes.
    """
    status = int(sys.argv[2])
    os.set_inheritable(status, False)
    order = json.loads(_read(int.from_bytes(_read(8), "big")))
    end = _run(order)
    left = _kill_all()
    os.write(status, json.dumps({**end, "left": left}).encode())


def _read(size: int) -> bytes:
    """Read so many bytes of standard input, and not one more: afterwards its end is waited for."""
    data = b""
    while len(data) < size and (piece := os.read(0, size - len(data))):
        data += piece
    return data


def _run(order: dict[str, Any]) -> dict[str, Any]:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_CHILD_SUBREAPER, ctypes.c_ulong(1))
    if not order["network"]:
        try:
            cut_off()
        except OSError as error:
            return {"event": "not-cut-off", "reason": error.strerror or str(error)}
    wake = _wake_on_children()
    try:
        child = _start(order)
    except OSError as error:
        return {"event": "not-started", "reason": error.strerror or str(error)}
    return _watch(child, order, wake)


def _wake_on_children() -> int:
    """Give a pipe that can be read from when a child has ended."""
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    os.set_blocking(writing, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    return reading


def _start(order: dict[str, Any]) -> int:
    """Start the command in a session of its own and give its process id; OSError if that cannot be done."""
    failed_reading, failed_writing = os.pipe()  # closed by a successful exec
    child = os.fork()
    if child == 0:
        try:
            _become(order)
        except OSError as error:
            os.write(failed_writing, str(error.errno).encode())
        finally:
            os._exit(127)
    os.close(failed_writing)
    with os.fdopen(failed_reading) as stream:
        number = stream.read()
    if number:
        os.waitpid(child, 0)
        raise OSError(int(number), os.strerror(int(number)))
    return child


def _become(order: dict[str, Any]) -> None:
    os.setsid()
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    if order["stdout"]:
        os.dup2(os.open(order["stdout"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666), 1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    if order["memory_bytes"]:
        resource.setrlimit(resource.RLIMIT_DATA, (order["memory_bytes"], order["memory_bytes"]))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.execvpe(order["command"][0], order["command"], order["environment"])


def _watch(child: int, order: dict[str, Any], wake: int) -> dict[str, Any]:
    """Wait for the command's end, a limit, or the end of hbimg."""
    deadline = time.monotonic() + order["timeout_s"]
    look_s = _LOOK_S if order["memory_bytes"] else 3600.0
    while True:
        left_s = deadline - time.monotonic()
        if left_s <= 0:
            return {"event": "timeout"}
        readable, _, _ = select.select([0, wake], [], [], min(look_s, left_s))
        if 0 in readable:
            return {"event": "abandoned"}
        if wake in readable:
            os.read(wake, 4096)
            status = _reap(child)
            if status is not None:
                return {"event": "ended", "status": status}
        if order["memory_bytes"] and _resident_bytes() > order["memory_bytes"]:
            return {"event": "memory"}


def _reap(child: int) -> int | None:
    """Take note of all children that ended; give the command's exit status, negative for a signal, once it has one."""
    found = None
    try:
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            if ended[0] == child:
                found = os.waitstatus_to_exitcode(ended[1])
    except ChildProcessError:
        pass
    return found


def _kill_all() -> int:
    """Kill all descendants, those too that are started meanwhile; give how many there were."""
    seen: set[int] = set()
    end = time.monotonic() + _KILL_S
    while time.monotonic() < end:
        alive = _descendants()
        if not alive and not _has_children():
            break
        # Stopped first, so that none starts another one between the look and its end.
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for process in alive:
                _send(process, number)
        seen |= alive
        time.sleep(0.002)
    return len(seen)


def _has_children() -> bool:
    """Take note of the children that ended, and tell whether there are others."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return False
    return True


def _send(process: int, number: signal.Signals) -> None:
    try:
        os.kill(process, number)
    except (ProcessLookupError, PermissionError):
        return


def _descendants() -> set[int]:
    """Give the ids of all processes that come from this one and are not dead yet."""
    parents: dict[int, int] = {}
    for entry in os.listdir("/proc"):  # noqa: PTH208 - names are wanted, and speed
        if entry.isdecimal():
            fields = _fields(f"/proc/{entry}/stat", behind=")")
            if fields and fields[0] not in ("Z", "X"):
                parents[int(entry)] = int(fields[1])
    found = {os.getpid()}
    while more := {process for process, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {os.getpid()}


def _resident_bytes() -> int:
    """Add up the memory of all descendants; pages that several of them share count for each."""
    pages = 0
    for process in _descendants():
        fields = _fields(f"/proc/{process}/statm")
        pages += int(fields[1]) if fields else 0
    return pages * resource.getpagesize()


def _fields(path: str, behind: str = "") -> list[str]:
    """Give the words of a file of /proc, those behind the last mark; none if the process has gone."""
    try:
        text = Path(path).read_text(errors="replace")
    except OSError:
        return []
    return (text.rpartition(behind)[2] if behind else text).split()
