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
from hbimg.mapreduce.yarn.split_size import Speed, best_splits, slots_beside_master
from hbimg.mapreduce.yarn.submission import ClusterSettings, Submission, memory_needed_mb
from hbimg.store import Region
from hbimg.store.hbase_address import HBaseAddress
from hbimg.volumes import VolumeRecord, VolumeTable

#: Memory of an application master, and Hadoop's default.
_MASTER_PROPERTY, _MASTER_MB = "yarn.app.mapreduce.am.resource.mb", "1536"
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
    master_mb = int({**connected.site.properties, **chosen.properties}.get(_MASTER_PROPERTY, _MASTER_MB))
    settings, slots = _settled(job, records, nodes, chosen, master_mb)
    _check_queue(connected.cluster, settings.queue)
    regions = volumes.table.regions()
    check_regions(volumes.name, regions)
    if settings.split_bytes:
        splits = plan_splits(records, regions, volumes.scheme, settings.split_bytes)
    else:
        splits, split_bytes = best_splits(
            records, regions, volumes.scheme, slots, Speed(job.bytes_per_s, order.pad_to_s)
        )
        settings = replace(settings, split_bytes=split_bytes)
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
    job: Job, records: Sequence[VolumeRecord], nodes: Sequence[Node], chosen: ClusterSettings, master_mb: int
) -> tuple[ClusterSettings, int]:
    """Choose what the user left open, except the size of splits; also give how many tasks run at once."""
    if not nodes:
        raise JobError("YARN has no NodeManager that runs: start one, or run with --engine local")
    memory_mb, cores = _memory(job, records, nodes, chosen.memory_mb), max(1, chosen.cores)
    slots = slots_beside_master(nodes, memory_mb, cores, master_mb)
    settings = replace(
        chosen,
        memory_mb=memory_mb,
        cores=cores,
        reducers=_reducers(job, records, chosen.reducers, slots),
        python=chosen.python or f"python{sys.version_info.major}.{sys.version_info.minor}",
    )
    return settings, slots


def _memory(job: Job, records: Sequence[VolumeRecord], nodes: Sequence[Node], memory_mb: int) -> int:
    largest = max(records, key=lambda record: max(record.frame_bytes, record.file_bytes))
    size, beside = bytes_to_read(largest), job.memory_beside_bytes()
    need_mb = memory_needed_mb(size, beside)
    have_mb = max(node.memory_mb for node in nodes)
    what = f"{largest.key} has {size / 1e6:,.0f} MB"
    if beside:
        what += f" and the job takes {beside / 1e6:,.0f} MB beside it"
    if memory_mb and memory_mb < need_mb:
        raise JobError(
            f"--memory {memory_mb} is too little: {what}, and a task with it and the next one needs {need_mb} MB; give "
            f"--memory {need_mb}"
        )
    if memory_mb > have_mb >= need_mb:
        raise JobError(
            f"--memory {memory_mb} is too much: the largest node gives {have_mb} MB, a task needs {need_mb} MB"
        )
    if need_mb > have_mb:
        raise JobError(
            f"{what}: a task needs {need_mb} MB, and the largest node gives {have_mb} MB; leave that "
            "volume out with --where, or run with --engine local"
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
