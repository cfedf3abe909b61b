"""Reading and writing volumes in HBase: its own RPC beside Thrift, Java's client, numpy and `hdfs dfs`.

Run it in the mini-cluster, on the region's own host and on another one::

    for worker in worker1 worker2; do docker cp bench $worker:/tmp/bench; done
    docker exec worker1 python /tmp/bench/hbase_rpc.py read worker1
    docker exec worker2 python /tmp/bench/hbase_rpc.py read worker1
    docker exec worker1 python /tmp/bench/hbase_rpc.py write worker1 10
    docker exec worker1 python /tmp/bench/hbase_rpc.py profile worker1

The second argument is the worker that gets the table's region, the third how many GB are written (a fourth: in how many
seconds at most). All are run in turn, and every byte that is read is compared before. Frames are random bytes and
sealed as hbimg seals them, and Thrift's client reads through the same interface, so checksums are on both sides; Java's
client verifies none. CPU seconds are the client's own, and those of RegionServer, Thrift server and DataNode, as their
JVMs tell: for reads of the region's host, for writes of all workers, with the compactions that follow.
"""

from __future__ import annotations

import sys

from hbase_reads import bench_read, profile_read
from hbase_writes import bench_write

if __name__ == "__main__":
    if sys.argv[1] == "write":
        bench_write(sys.argv[2], float(sys.argv[3]), float(sys.argv[4]) if len(sys.argv) > 4 else 3600.0)
    else:
        {"read": bench_read, "profile": profile_read}[sys.argv[1]](sys.argv[2])
