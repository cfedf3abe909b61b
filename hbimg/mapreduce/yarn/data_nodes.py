"""What a DataNode has written, by its own counter: how many bytes HDFS stores while tasks run is read off there.

Hadoop's metrics are as old as the question before, if that was less than ten seconds ago. So each task asks once, at
its start, and whoever gathers the results asks a last time.
"""

from __future__ import annotations

from collections.abc import Iterable

from hbimg.mapreduce.yarn.rest import RestError, fetch_json

_PORT = 9864
_BEAN = "Hadoop:service=DataNode,name=DataNodeActivity-*"
#: A task asks at its start; a DataNode that is silent must not hold it up.
_TIMEOUT_S = 3.0
#: A second answer within so many seconds may be the first one again.
FRESH_S = 10.0


def written_bytes(host: str, port: int = _PORT) -> int | None:
    """Give the bytes that the DataNode of a host wrote since it was started; None where it does not tell."""
    try:
        beans = fetch_json(f"http://{host}:{port}/jmx?qry={_BEAN}", _TIMEOUT_S)["beans"]
        return int(beans[0]["BytesWritten"])
    except (RestError, LookupError, TypeError, ValueError):
        return None


def written_by_host(hosts: Iterable[str]) -> dict[str, int]:
    """Give what the DataNodes of some hosts have written; one that does not tell is left out."""
    told = {host: written_bytes(host) for host in sorted(hosts)}
    return {host: size for host, size in told.items() if size is not None}
