"""From a plan to a submission: check what can be checked before anything is sent, choose what the user left open."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace

from hbimg.errors import JobError, StoreBusyError
from hbimg.mapreduce.job import Job, ReducingJob
from hbimg.mapreduce.registry import class_path
from hbimg.mapreduce.splits import bytes_to_read, plan_splits
from hbimg.mapreduce.yarn.cluster import Cluster, Node
from hbimg.mapreduce.yarn.hdfs import Hdfs
from hbimg.mapreduce.yarn.order import Order, volumes_file
from hbimg.mapreduce.yarn.packing import code_package, environment_package, pydoop_jar
from hbimg.mapreduce.yarn.site import Site
from hbimg.mapreduce.yarn.submission import ClusterSettings, Submission, memory_needed_mb
from hbimg.store import Region
from hbimg.store.hbase_address import HBaseAddress
from hbimg.volumes import VolumeRecord, VolumeTable

#: A split should take its task this many times as long as the task takes to start (about 5 s of CPU, two interpreters),
#: at the bytes per second that a fast job works off.
_START_S, _TIMES_START, _BYTES_PER_S = 5.0, 6, 20e6
_VOLUMES_PER_REDUCER = 2000


@dataclass(frozen=True, slots=True)
class Connected:
    """A cluster with all by which it is spoken to."""

    site: Site
    cluster: Cluster
    hdfs: Hdfs

    @classmethod
    def find(cls) -> Connected:
        """Connect to the cluster of this machine's configuration; JobError where there is none."""
        site = Site.find()
        return cls(site, Cluster(site), Hdfs(site))


def why_unreachable() -> str:
    """Give '' if this machine knows a ResourceManager and it answers, else why not."""
    try:
        Cluster(Site.find())
    except JobError as error:
        return str(error)
    return ""


def make_submission(
    job: Job,
    volumes: VolumeTable,
    records: Sequence[VolumeRecord],
    order: Order,
    connected: Connected,
    chosen: ClusterSettings,
) -> Submission:
    """Make the submission of a job over volumes, which come in key order.

    Raises
    ------
    JobError
        If there is no such queue, no node is large enough, or what has to travel cannot be packed.
    StoreBusyError
        If the table's regions change in this moment.
    """
    nodes = connected.cluster.nodes()
    settings = _settled(job, records, nodes, chosen)
    _check_queue(connected.cluster, settings.queue)
    regions = volumes.table.regions()
    check_regions(volumes.name, regions)
    splits = plan_splits(records, regions, volumes.scheme, settings.split_bytes)
    home = connected.hdfs.home()
    own = class_path(type(job)).partition(":")[0]
    namespace = HBaseAddress.parse(order.store).namespace
    return Submission(
        order=order,
        volumes=volumes_file(records, volumes.scheme),
        splits=tuple(splits),
        table=f"{namespace}:{volumes.name}" if namespace else volumes.name,
        zookeeper=connected.site.zookeeper,
        folder=f"{home}/.hbimg/runs/{order.run_id}",
        cache=f"{home}/.hbimg/cache",
        root=connected.site.properties["fs.defaultFS"].rstrip("/"),
        code=code_package(own),
        environment=environment_package(whole=not own.startswith("hbimg.")),
        settings=settings,
        hadoop=connected.site.hadoop,
        jar=str(pydoop_jar()),
    )


def _settled(
    job: Job, records: Sequence[VolumeRecord], nodes: Sequence[Node], chosen: ClusterSettings
) -> ClusterSettings:
    """Choose what the user left open."""
    if not nodes:
        raise JobError("YARN has no NodeManager that runs: start one, or run with --engine local")
    memory_mb = _memory(records, nodes, chosen.memory_mb)
    slots = sum(min(node.memory_mb // memory_mb, node.cores // max(1, chosen.cores)) for node in nodes)
    total = sum(map(bytes_to_read, records))
    return replace(
        chosen,
        memory_mb=memory_mb,
        cores=max(1, chosen.cores),
        split_bytes=chosen.split_bytes or default_split_bytes(total, max(1, slots)),
        reducers=_reducers(job, records, chosen.reducers, max(1, slots)),
        python=chosen.python or f"python{sys.version_info.major}.{sys.version_info.minor}",
    )


def default_split_bytes(total_bytes: int, slots: int) -> int:
    """Give the bytes of a split: as many splits as slots, or twice as many where each then still hides its start.

    Nothing in between: one split more than slots, and the job takes as long as with two for each.
    """
    hiding = int(_START_S * _TIMES_START * _BYTES_PER_S)
    rounds = 2 if total_bytes >= 2 * slots * hiding else 1
    return max(1, total_bytes // (rounds * slots))


def _memory(records: Sequence[VolumeRecord], nodes: Sequence[Node], memory_mb: int) -> int:
    largest = max(records, key=lambda record: max(record.frame_bytes, record.file_bytes))
    size = bytes_to_read(largest)
    need_mb = memory_needed_mb(size)
    have_mb = max(node.memory_mb for node in nodes)
    if memory_mb and memory_mb < need_mb:
        raise JobError(
            f"--memory {memory_mb} is too little: {largest.key} has {size / 1e6:,.0f} MB, and a task with it and the "
            f"next one needs {need_mb} MB; give --memory {need_mb}"
        )
    if max(memory_mb, need_mb) > have_mb:
        raise JobError(
            f"{largest.key} has {size / 1e6:,.0f} MB: a task needs {max(memory_mb, need_mb)} MB, and the largest node "
            f"gives {have_mb} MB; leave that volume out with --where, or run with --engine local"
        )
    return memory_mb or need_mb


def _reducers(job: Job, records: Sequence[VolumeRecord], wanted: int, slots: int) -> int:
    if not isinstance(job, ReducingJob):
        return 0
    groups = len({job.group_of(record.key) for record in records})
    return wanted or min(groups, slots, 1 + len(records) // _VOLUMES_PER_REDUCER)


def _check_queue(cluster: Cluster, queue: str) -> None:
    known = cluster.queues()
    if known and queue not in known:
        names = ", ".join(sorted(name for name in known if "." not in name))
        raise JobError(f"YARN has no queue {queue!r}: it has {names}; choose one with --queue")


def check_regions(table: str, regions: Sequence[Region]) -> None:
    """Refuse a table whose regions do not follow one another without a gap: it is being split, merged or cut anew."""
    edges = [b"", *(region.range.stop for region in regions)]
    starts = [*(region.range.start for region in regions), b""]
    if not regions or edges != starts or any(not region.server for region in regions):
        raise StoreBusyError(
            f"table {table!r} is being re-cut: its {len(regions)} regions do not follow one another; try again when "
            "that is done"
        )
