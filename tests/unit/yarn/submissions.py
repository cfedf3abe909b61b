"""A submission with fixed content, for tests: nothing of this machine is in it."""

from __future__ import annotations

from pathlib import Path

from hbimg.mapreduce.splits import Split
from hbimg.mapreduce.yarn.order import Order
from hbimg.mapreduce.yarn.packing import Package
from hbimg.mapreduce.yarn.submission import ClusterSettings, Submission
from hbimg.model import VolumeKey
from hbimg.rowkeys import KeyRange


def make_submission(**settings) -> Submission:
    """Give a submission of two splits on two hosts."""
    keys = [VolumeKey("made", f"sub-{number:03d}", "ses-0", "T1w") for number in range(3)]
    splits = (
        Split(KeyRange(b"made,sub-000!", b'made,sub-001"'), "worker1.site", tuple(keys[:2]), 80_000_000),
        Split(KeyRange(b"made,sub-002!", b'made,sub-002"'), "worker2.site", tuple(keys[2:]), 40_000_000),
    )
    rows = [f"made,{key.subject}!ses-0,T1w,\t40000000\n".encode() for key in keys]
    return Submission(
        order=Order(
            job="hbimg.mapreduce.jobs.compress:Compress",
            parameters={"level": "igzip-1"},
            store="hbase://head?namespace=lab",
            table="t1",
            result_name="compress",
            run_id="20260801T120000-1a2b3c",
        ),
        volumes=b"".join(rows),
        splits=splits,
        table="lab:t1",
        zookeeper={"hbase.zookeeper.quorum": "zoo1,zoo2"},
        folder="/user/me/.hbimg/runs/20260801T120000-1a2b3c",
        cache="/user/me/.hbimg/cache",
        root="hdfs://head:9000",
        code=Package("code-0123456789abcdef0123.zip", (("hbimg/__init__.py", Path(__file__)),)),
        environment=Package("environment-0123456789abcdef0123.tar.gz", ()),
        settings=ClusterSettings(**{"memory_mb": 1024, "split_bytes": 10**8, "python": "python3.11", **settings}),
        hadoop="hadoop",
        jar="pydoop.jar",
    )
