"""Why a job failed: what its tasks said last, from the logs that NodeManagers and the history server show."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from hbimg.mapreduce.yarn.cluster import Application, Cluster
from hbimg.mapreduce.yarn.rest import RestError, fetch

_TAIL_BYTES = 16384
#: What YARN says of a container that it killed for its size, in various versions.
_TOO_LARGE = re.compile(r"beyond (the 'PHYSICAL' memory limit|physical memory limits)")


@dataclass(frozen=True, slots=True)
class AttemptLog:
    """What an attempt of a task printed, and how it ended."""

    attempt: str
    host: str
    state: str
    stdout: str
    stderr: str
    diagnostics: str


def first_trouble(cluster: Cluster, application: Application) -> str:
    """Give in one line why a job failed: what a failed task of it said last, else what YARN says."""
    for attempt in cluster.attempts(application):
        if attempt["state"] == "FAILED":
            log = attempt_log(attempt, application.user)
            if _TOO_LARGE.search(log.diagnostics):
                return (
                    f"a task took more memory than it was given: give more with --memory, or its tool less "
                    f"(task {log.attempt} on {log.host})"
                )
            lines = [line for line in log.stderr.splitlines() if line.strip()]
            ours = [line for line in lines if line.startswith("hbimg: ")]
            said = ours[-1].removeprefix("hbimg: ") if ours else (lines[-1] if lines else log.diagnostics)
            return f"{said.strip()} (task {log.attempt} on {log.host})"
    return application.diagnostics or "YARN does not say why"


def attempt_logs(cluster: Cluster, application: Application, states: tuple[str, ...]) -> Iterator[AttemptLog]:
    """Give what the attempts in some states printed so far."""
    for attempt in cluster.attempts(application):
        if attempt["state"] in states:
            yield attempt_log(attempt, application.user)


def attempt_log(attempt: Any, user: str) -> AttemptLog:
    """Read the log of an attempt from its node."""
    texts = {}
    for stream in ("stdout", "stderr"):
        address = f"http://{attempt['nodeHttpAddress']}/node/containerlogs/{attempt['assignedContainerId']}/{user}"
        try:
            page = fetch(f"{address}/{stream}/?start=-{_TAIL_BYTES}").decode(errors="replace")
        except RestError as error:
            texts[stream] = f"(log cannot be read: {error})" if stream == "stderr" else ""
        else:
            texts[stream] = _text_of(page)
    return AttemptLog(
        attempt["id"],
        attempt["nodeHttpAddress"].partition(":")[0],
        attempt["state"],
        texts["stdout"],
        texts["stderr"],
        " ".join(str(attempt.get("diagnostics", "")).split()),
    )


def _text_of(page: str) -> str:
    """Give the log in a page of a NodeManager."""
    found = re.findall(r"<pre>(.*?)</pre>", page, re.DOTALL | re.IGNORECASE)
    return html.unescape("\n".join(found)) if found else ""
