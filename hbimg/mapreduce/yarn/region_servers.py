"""How local the files of a table's regions are: the share of their blocks on the host that serves them, as it says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from hbimg.errors import HbimgError
from hbimg.mapreduce.yarn.rest import RestError, fetch_json
from hbimg.store.hbase_address import HBaseAddress

_PORT = 16030
_BEAN = "Hadoop:service=HBase,name=RegionServer,sub=Server"


def block_locality(url: str, table: str, hosts: Iterable[str]) -> dict[str, float]:
    """Give the percent of local blocks by host, of the regions of a table (named as in HBase).

    Where HBase's own RPC does not answer, it is the number of each whole server, over all tables; one that does not
    tell is left out.
    """
    if HBaseAddress.parse(url).client == "thrift":
        return of_servers(hosts)
    # Only here: the messages of HBase's RPC take a while to load.
    from hbimg.store.rpc.admin import open_admin

    try:
        with open_admin(url) as admin:
            return of_regions(admin.regions(table), admin.loads(table))
    except HbimgError:
        return of_servers(hosts)


def of_regions(places: Sequence[Any], loads: Mapping[str, Any]) -> dict[str, float]:
    """Give the percent by host from what regions' servers tell, weighted by bytes; 100 where there are no files."""
    local: Counter[str] = Counter()
    total: Counter[str] = Counter()
    for place in places:
        load = loads.get(place.encoded)
        if place.server is not None and load is not None:
            weight = max(1, load.size_bytes)
            local[place.server.host] += round(weight * load.locality)
            total[place.server.host] += weight
    return {host: 100 * local[host] / size for host, size in sorted(total.items())}


def of_servers(hosts: Iterable[str], port: int = _PORT) -> dict[str, float]:
    """Give the percent by host over all that its server has, from its web page."""
    found = {}
    for host in sorted(hosts):
        try:
            beans = fetch_json(f"http://{host}:{port}/jmx?qry={_BEAN}")["beans"]
            found[host] = float(beans[0]["percentFilesLocal"])
        except (RestError, LookupError, TypeError, ValueError):
            continue
    return found
