"""A job over an HBase table runs every map on the host that serves its region: the workers' names are for that."""

from __future__ import annotations

import os
import subprocess
import time
import uuid
from pathlib import Path

import pytest

from hbimg.store.rpc.admin import open_admin
from hbimg.store.rpc.schema import TableDescription

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900), pytest.mark.usefixtures("cluster", "all_of_yarn")]

ROWS = 600


def submit(name: str, table: str) -> None:
    """The splits come from HBase's own TableInputFormat, through pydoop: no Java of ours."""
    command = [
        *("pydoop", "submit", "--job-name", name, "--num-reducers", "0", "--do-not-use-java-record-reader"),
        *("-D", "mapreduce.job.inputformat.class=org.apache.hadoop.hbase.mapreduce.TableInputFormat"),
        *("-D", f"hbase.mapreduce.inputtable={table}", "-D", "hbase.zookeeper.quorum=head"),
        *("-D", "mapreduce.map.speculative=false"),
        *("--upload-file-to-cache", str(Path(__file__).with_name("count_rows_job.py"))),
        *("--set-env", f"PATH={os.environ['PATH']}"),
        *("count_rows_job", "/", f"/tmp/{name}"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-4000:]}"


def counters_of(cluster, name: str) -> dict[str, int]:
    """The counters of a finished job, from the job history server, which learns of it a little later."""
    history = f"http://{cluster.head}:19888/ws/v1/history/mapreduce/jobs"
    for _ in range(60):
        jobs = (cluster.json(history)["jobs"] or {}).get("job", [])
        found = [job["id"] for job in jobs if job["name"] == name]
        if found:
            groups = cluster.json(f"{history}/{found[0]}/counters")["jobCounters"]["counterGroup"]
            return {c["name"]: c["totalCounterValue"] for group in groups for c in group["counter"]}
        time.sleep(1)
    return pytest.fail(f"the job history never heard of {name}")


def test_every_map_runs_where_its_region_is(cluster, thrift, table_name):
    regions = 2 * len(cluster.workers)
    cuts = [b"%08x" % (number * (2**32 // regions)) for number in range(1, regions)]
    with open_admin(f"hbase://{cluster.head}") as admin:
        admin.create(TableDescription(table_name, families={"i": {}}), cuts)
    with thrift(cluster.workers[0]).table(table_name).batch() as batch:
        for number in range(ROWS):
            batch.put(b"%08x" % (number * (2**32 // ROWS)), {b"i:px": b"x" * 1000})
    name = f"locality-{uuid.uuid4().hex[:8]}"
    submit(name, table_name)
    counters = counters_of(cluster, name)
    assert counters["ROWS"] == ROWS
    assert counters["TOTAL_LAUNCHED_MAPS"] == regions
    assert counters["DATA_LOCAL_MAPS"] == regions
    assert counters["OWN_HOST"] == regions
