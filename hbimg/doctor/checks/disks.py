"""Free space: of HDFS, of each DataNode's disks, and of the folders that tasks work in."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from hbimg.doctor.cluster import NAMENODE, Cluster
from hbimg.doctor.findings import Finding, advice, ok, problem

_FEW, _NONE = 0.15, 0.05
_GB = 1e9


def hdfs(cluster: Cluster) -> Iterator[Finding]:
    """HDFS has room: HBase rewrites files before it deletes the old ones."""
    namenode = cluster.one("NameNode")
    bean = namenode.bean(NAMENODE) if namenode else {}
    total = float(bean.get("Total", 0))
    if namenode is None or not total:
        return
    free = float(bean.get("Free", 0))
    seen = f"{free / _GB:,.0f} of {total / _GB:,.0f} GB are free"
    fix = "delete or add disks; `hbimg rm --purge` gives back what deleted volumes took"
    if free < _NONE * total:
        yield problem("hdfs-full", str(namenode), seen, f"{fix}: HBase cannot compact, and stops to take writes")
    elif free < _FEW * total:
        yield advice("hdfs-full", str(namenode), seen, fix)
    else:
        yield ok("hdfs-full", str(namenode), seen)


def datanodes(cluster: Cluster) -> Iterator[Finding]:
    """Every DataNode's disks work and have room."""
    for daemon in cluster.of("DataNode"):
        failed = int(daemon.bean("service=DataNode,name=FSDatasetState").get("NumFailedVolumes", 0))
        if failed:
            fix = "replace the disk (dfs.datanode.data.dir), restart the DataNode"
            yield problem("disk-failed", str(daemon), f"{failed} disks failed", fix)
        volumes: dict[str, dict[str, Any]] = json.loads(
            daemon.bean("service=DataNode,name=DataNodeInfo").get("VolumeInfo") or "{}"
        )
        for folder, volume in volumes.items():
            free, used = float(volume.get("freeSpace", 0)), float(volume.get("usedSpace", 0))
            if free < _GB or free < _NONE * (free + used):
                fix = "free or add space (dfs.datanode.data.dir); keep some with dfs.datanode.du.reserved"
                yield problem("disk-full", str(daemon), f"{folder} has {free / _GB:.1f} GB left", fix)


def nodemanagers(cluster: Cluster) -> Iterator[Finding]:
    """Folders of tasks and their logs can be used: YARN drops a node whose disks are nearly full."""
    for daemon in cluster.of("NodeManager"):
        bean = daemon.bean("service=NodeManager,name=NodeManagerMetrics")
        limit = daemon.number("yarn.nodemanager.disk-health-checker.max-disk-utilization-per-disk-percentage", 90.0)
        for name, setting in (("Local", "yarn.nodemanager.local-dirs"), ("Log", "yarn.nodemanager.log-dirs")):
            bad, used = int(bean.get(f"Bad{name}Dirs", 0)), float(bean.get(f"Good{name}DirsDiskUtilizationPerc", 0))
            if bad:
                fix = f"free space or repair the disk: {setting} is {daemon.settings.get(setting, '')}"
                yield problem("task-disk", str(daemon), f"{bad} of its {setting} cannot be used", fix)
            elif used > limit - 5:
                fix = f"free space, or YARN takes the node out at {limit:.0f}% ({setting})"
                yield advice("task-disk", str(daemon), f"disks of {setting} are {used:.0f}% full", fix)
