"""Send a submission: files into HDFS, then Hadoop's own client, which makes the splits and hands the job to YARN."""

from __future__ import annotations

import re
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from hbimg.errors import JobError
from hbimg.mapreduce.yarn.cluster import Application
from hbimg.mapreduce.yarn.order import ORDER, VOLUMES
from hbimg.mapreduce.yarn.packing import Package
from hbimg.mapreduce.yarn.prepare import Connected
from hbimg.mapreduce.yarn.submission import Submission, configuration_file

_LONGEST_S = 300.0
_LOOK_S = 0.5


def submit(submission: Submission, connected: Connected, say: Callable[[str], None]) -> Application:
    """Submit and give the application.

    Raises
    ------
    JobError
        If Hadoop's client refuses, with what it said, on one line.
    """
    hdfs = connected.hdfs
    for folder in (submission.cache, submission.folder):
        hdfs.make_folder(folder)
    for package in (submission.code, submission.environment):
        _send(package, submission, connected, say)
    hdfs.write(f"{submission.folder}/{ORDER}", submission.order.to_json())
    hdfs.write(f"{submission.folder}/{VOLUMES}", submission.volumes)
    hdfs.write(f"{submission.folder}/task.sh", submission.program().encode(), "755")
    with tempfile.TemporaryDirectory(prefix="hbimg-submit-") as scratch:
        configuration = Path(scratch) / "job.xml"
        configuration.write_text(configuration_file(submission.properties()))
        return _start(submission, connected, configuration)


def _send(package: Package, submission: Submission, connected: Connected, say: Callable[[str], None]) -> None:
    """Pack and send an archive, unless it lies in HDFS already."""
    target = f"{submission.cache}/{package.name}"
    if connected.hdfs.exists(target):
        return
    say(f"packing {len(package.files)} files, {package.size_bytes / 1e6:,.1f} MB, for the nodes; kept for later runs")
    with tempfile.TemporaryDirectory(prefix="hbimg-pack-") as scratch:
        path = Path(scratch) / package.name
        package.write(path)
        connected.hdfs.write(target, path)


def _start(submission: Submission, connected: Connected, configuration: Path) -> Application:
    """Start Hadoop's client and wait until YARN knows the job. The client is not needed after that."""
    log = configuration.with_name("client.log")
    environment = {**_environment(), "HADOOP_CLASSPATH": submission.jar}
    with log.open("wb") as stream:
        client = subprocess.Popen(
            submission.command(configuration),
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            env=environment,
            process_group=0,
        )
    try:
        deadline = time.monotonic() + _LONGEST_S
        while time.monotonic() < deadline:
            status = client.poll()
            found = connected.cluster.find(submission.tag)
            if found is not None:
                return found
            if status is not None:
                raise JobError(f"Hadoop refused the job: {_reason(log.read_text(errors='replace'))}")
            time.sleep(_LOOK_S)
        raise JobError(f"YARN did not take the job in {_LONGEST_S:.0f} s: {_reason(log.read_text(errors='replace'))}")
    finally:
        with suppress(ProcessLookupError):
            client.kill()
        client.wait()


def _environment() -> dict[str, str]:
    import os

    return dict(os.environ)


def _reason(text: str) -> str:
    """Find the line of a Java client's output that says why: the first exception's message, else the last line."""
    for line in text.splitlines():
        match = re.search(r"(?:^|: )(?:[a-z]+\.)+[A-Z]\w*(?:Exception|Error): (.+)", line)
        if match and "InaccessibleObject" not in line:
            return match[1].strip()[:300]
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:300] if lines else "it said nothing"
