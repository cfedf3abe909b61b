"""How local the files of RegionServers are: the share of their blocks on the own host, as each server says."""

from __future__ import annotations

from collections.abc import Iterable

from hbimg.mapreduce.yarn.rest import RestError, fetch_json

_PORT = 16030
_BEAN = "Hadoop:service=HBase,name=RegionServer,sub=Server"


def block_locality(hosts: Iterable[str], port: int = _PORT) -> dict[str, float]:
    """Give the percent of local blocks by host; a server that does not tell is left out.

    The number is the server's: over all its regions, of whichever table.
    """
    found = {}
    for host in sorted(hosts):
        try:
            beans = fetch_json(f"http://{host}:{port}/jmx?qry={_BEAN}")["beans"]
            found[host] = float(beans[0]["percentFilesLocal"])
        except (RestError, LookupError, TypeError, ValueError):
            continue
    return found
