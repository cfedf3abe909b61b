"""What a DataNode has written, by its own counter: how many bytes HDFS stores while tasks run is read off there."""

from __future__ import annotations

from hbimg.mapreduce.yarn.rest import RestError, fetch_json

_PORT = 9864
_BEAN = "Hadoop:service=DataNode,name=DataNodeActivity-*"
#: A task asks at its start and its end; a DataNode that is silent must not hold it up.
_TIMEOUT_S = 3.0


def written_bytes(host: str, port: int = _PORT) -> int | None:
    """Give the bytes that the DataNode of a host wrote since it was started; None where it does not tell."""
    try:
        beans = fetch_json(f"http://{host}:{port}/jmx?qry={_BEAN}", _TIMEOUT_S)["beans"]
        return int(beans[0]["BytesWritten"])
    except (RestError, LookupError, TypeError, ValueError):
        return None
