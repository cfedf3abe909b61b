"""A job as Hadoop takes it: every property, file and command of a submission, made without touching the cluster."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from xml.sax.saxutils import escape

from hbimg.errors import ParameterError
from hbimg.mapreduce.splits import Split
from hbimg.mapreduce.yarn.order import CODE, ENVIRONMENT, ORDER, VOLUMES, Order
from hbimg.mapreduce.yarn.packing import Package
from hbimg.mapreduce.yarn.scans import scans_property

_INPUT_FORMAT = "org.apache.hadoop.hbase.mapreduce.MultiTableInputFormat"
_SUBMITTER = "it.crs4.pydoop.mapreduce.pipes.Submitter"
#: The Java part of a task only feeds the Python process beside it.
_TASK_JVM = "-Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1"
#: Memory of a task beside its volumes, in MB: Java with 256 MB of heap, and Python with hbimg and what is in flight.
_JAVA_MB, _PYTHON_MB = 400, 300
_STEP_MB = 256


@dataclass(frozen=True, slots=True)
class ClusterSettings:
    """What a user may choose for a run on a cluster.

    Attributes
    ----------
    queue : str
    memory_mb : int
        Of each task's container; 0: made to fit the largest volume.
    cores : int
        Of each task's container.
    split_bytes : int
        Wanted bytes of a map task; 0: chosen by the size of the work and of the cluster.
    reducers : int
        Of a reducing job; 0: chosen by its groups.
    name : str
        What YARN's pages call the job.
    properties : mapping of str to str
        More of Hadoop's properties; they win.
    python : str
        The Python on the nodes.
    detach : bool
        Return when the job is submitted.
    """

    queue: str = "default"
    memory_mb: int = 0
    cores: int = 1
    split_bytes: int = 0
    reducers: int = 0
    name: str = ""
    properties: Mapping[str, str] = field(default_factory=dict)
    python: str = ""
    detach: bool = False

    def __post_init__(self) -> None:
        for name in ("memory_mb", "cores", "split_bytes", "reducers"):
            if getattr(self, name) < 0:
                raise ParameterError(f"{name.replace('_', ' ')} {getattr(self, name)}: it must not be negative")


@dataclass(frozen=True, slots=True)
class Submission:
    """Everything that goes to the cluster.

    Attributes
    ----------
    order : Order
    volumes : bytes
        The list of volumes.
    splits : tuple of Split
    table : str
        The table's name in HBase, with its namespace.
    zookeeper : mapping
        Properties by which HBase is found.
    folder, cache : str
        In HDFS: the run's own folder, and the one of archives that runs share.
    root : str
        URL of HDFS.
    code, environment : Package
    settings : ClusterSettings
        Without zeros.
    hadoop : str
    jar : str
        pydoop's Java part, on this machine.
    """

    order: Order
    volumes: bytes
    splits: tuple[Split, ...]
    table: str
    zookeeper: Mapping[str, str]
    folder: str
    cache: str
    root: str
    code: Package
    environment: Package
    settings: ClusterSettings
    hadoop: str
    jar: str

    @property
    def tag(self) -> str:
        """The tag by which YARN finds the application again."""
        return f"hbimg-{self.order.run_id}".lower()

    @property
    def output(self) -> str:
        """The folder in HDFS in which tasks leave their records."""
        return f"{self.folder}/out"

    def properties(self) -> dict[str, str]:
        """Give the job's configuration."""
        chosen = self.settings
        found = {
            "mapreduce.job.name": chosen.name or f"hbimg {self.order.run_id}",
            "mapreduce.job.tags": f"hbimg,{self.tag}",
            "mapreduce.job.queuename": chosen.queue,
            "mapreduce.job.inputformat.class": _INPUT_FORMAT,
            "mapreduce.pipes.isjavarecordreader": "false",
            "mapreduce.pipes.isjavarecordwriter": "true",
            "mapreduce.job.reduces": str(chosen.reducers),
            # A copy of a task would read its volumes a second time, mostly from afar, and win nothing: tasks are equal.
            "mapreduce.map.speculative": "false",
            "mapreduce.reduce.speculative": "false",
            # A task of a node that is gone runs again when YARN has given up ending it there: not after three minutes.
            "yarn.client.nodemanager-connect.max-wait-ms": "20000",
            "yarn.client.nodemanager-connect.retry-interval-ms": "2000",
            # What a task that was committed left stays, even if the job is killed.
            "mapreduce.fileoutputcommitter.algorithm.version": "2",
            "mapreduce.task.io.sort.mb": "32",
            "mapreduce.map.output.compress": "true",
            "mapreduce.map.output.compress.codec": "org.apache.hadoop.io.compress.DefaultCodec",
            "mapreduce.job.cache.files": ",".join(
                f"{self.root}{self.folder}/{name}#{name}" for name in (ORDER, VOLUMES)
            ),
            "mapreduce.job.cache.archives": ",".join(
                f"{self.root}{self.cache}/{package.name}#{link}"
                for package, link in ((self.code, CODE), (self.environment, ENVIRONMENT))
            ),
            "hbase.mapreduce.scans": scans_property(self.table, [split.range for split in self.splits]),
            **self.zookeeper,
        }
        for kind in ("map", "reduce"):
            found[f"mapreduce.{kind}.memory.mb"] = str(chosen.memory_mb)
            found[f"mapreduce.{kind}.cpu.vcores"] = str(chosen.cores)
            found[f"mapreduce.{kind}.java.opts"] = _TASK_JVM
        return found | dict(chosen.properties)

    def program(self) -> str:
        """Give the script that a task's container runs.

        The Java part waits ten minutes for a program that ended before it connected: so the script connects then.
        """
        return f"""#!/bin/bash
# Run {self.order.run_id} of hbimg: the Python part of a task.
export PYTHONPATH="$PWD/{CODE}:$PWD/{ENVIRONMENT}" PYTHONDONTWRITEBYTECODE=1 OPENBLAS_NUM_THREADS=1
export MALLOC_TRIM_THRESHOLD_=268435456 MALLOC_MMAP_THRESHOLD_=67108864
port=$(printenv mapreduce.pipes.command.port)
if ! command -v {self.settings.python} >/dev/null; then
  echo "hbimg: $(hostname) has no {self.settings.python}: install it there, or choose another with --python" >&2
  status=127
else
  {self.settings.python} -u -m hbimg.mapreduce.pydoop_adapter
  status=$?
fi
[ $status = 0 ] || (exec 3<>"/dev/tcp/localhost/$port") 2>/dev/null
exit $status
"""

    def command(self, configuration: Path) -> list[str]:
        """Give the command that submits."""
        return [
            *(self.hadoop, _SUBMITTER, "-libjars", self.jar, "-conf", str(configuration)),
            # No file is read: the splits come from the scans. But Hadoop wants a folder that is there.
            *("-input", self.folder, "-output", self.output, "-program", f"{self.root}{self.folder}/task.sh"),
        ]

    def describe(self) -> str:
        """Give all of it as text, for people to read before anything is done."""
        splits = "\n".join(
            f"  {number:5}  {split.server:<24} {len(split.keys):6} volumes {split.size_bytes / 1e6:10,.1f} MB  "
            f"{split.range.start.decode()} .. {split.range.stop.decode()}"
            for number, split in enumerate(self.splits)
        )
        packages = "\n".join(
            f"  {self.cache}/{package.name}  {len(package.files)} files" for package in (self.code, self.environment)
        )
        properties = "\n".join(f"  {name} = {_shown(value)}" for name, value in sorted(self.properties().items()))
        return "\n".join(
            [
                f"splits ({len(self.splits)}): number, host, volumes, bytes, rows",
                splits,
                f"\n{ORDER}:",
                self.order.to_json().decode(),
                f"\n{VOLUMES}: {self.volumes.count(bytes([10]))} lines",
                "\narchives:",
                packages,
                "\nproperties:",
                properties,
                "\ntask.sh:",
                self.program(),
                "command:",
                "  " + shlex.join(self.command(Path("job.xml"))),
            ]
        )


def _shown(value: str) -> str:
    longest = 400
    return value if len(value) <= longest else f"{value[:longest]}... ({len(value):,} characters)"


def configuration_file(properties: Mapping[str, str]) -> str:
    """Give properties as a configuration file of Hadoop's."""
    lines = [
        f"<property><name>{escape(name)}</name><value>{escape(value)}</value></property>"
        for name, value in properties.items()
    ]
    return "<configuration>\n" + "\n".join(lines) + "\n</configuration>\n"


def memory_needed_mb(largest_bytes: int, beside_bytes: int = 0) -> int:
    """Give the memory for a task whose largest volume has so many bytes: that volume, the next one, and the rest.

    `beside_bytes` is what the job takes beside its volumes.
    """
    need_mb = _JAVA_MB + _PYTHON_MB + (2 * largest_bytes + beside_bytes) / 1e6
    return int(-(-need_mb // _STEP_MB) * _STEP_MB)


def parse_properties(texts: Sequence[str]) -> dict[str, str]:
    """Read ``NAME=VALUE`` texts."""
    found = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise ParameterError(f"-D {text!r}: give NAME=VALUE, as hadoop takes it")
        found[name.strip()] = value
    return found
