"""Examining a store: the one way in. It opens what there is, looks, and gives findings by group."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from hbimg.doctor.checks import CHECKS
from hbimg.doctor.cluster import Cluster, TableSeen
from hbimg.doctor.embedded import examine_embedded
from hbimg.doctor.findings import Finding
from hbimg.doctor.network import Network
from hbimg.doctor.places import Places
from hbimg.doctor.survey import all_at_once, survey
from hbimg.errors import ConfigError, HbimgError
from hbimg.store.hbase import HBaseStore, open_address
from hbimg.store.hbase_address import HBaseAddress
from hbimg.volumes import VolumeTable

#: A table that does not answer is asked again for so long: the services were looked at before.
_PATIENCE_S = 10.0


@dataclass(frozen=True, slots=True)
class HowToLook:
    """What the user says of the cluster: where its masters are, and how a command is run on a node.

    Attributes
    ----------
    places : Places
    via : str or None
        ``ssh {host}`` or ``docker exec -i {name}``; None: there is no way.
    python : str
        The Python on the nodes.
    timeout_s : float
        How long one answer may take.
    """

    places: Places = field(default_factory=Places)
    via: str | None = None
    python: str = "python3"
    timeout_s: float = 10.0


def examine(url: str, how: HowToLook | None = None) -> dict[str, list[Finding]]:
    """Look at a store and give the findings, by group.

    Raises
    ------
    ConfigError
        If the URL is malformed, or of a store that there is nothing to examine of.
    """
    how = how or HowToLook()
    if url.startswith("local:"):
        return examine_embedded(url)
    if not url.startswith("hbase:"):
        raise ConfigError(f"{url!r} has nothing to examine: give local:///folder or hbase://host")
    network = Network(HBaseAddress.parse(url), how.timeout_s)
    return diagnose(with_tables(survey(network, how.places, how.via, how.python), how.timeout_s))


def diagnose(cluster: Cluster) -> dict[str, list[Finding]]:
    """Give what the checks find, by group; groups without any finding are left out."""
    found = {group: [finding for check in checks for finding in check(cluster)] for group, checks in CHECKS.items()}
    return {group: _merged(findings) for group, findings in found.items() if findings}


def _merged(findings: Iterable[Finding]) -> list[Finding]:
    """Tell what is the same at several places once, with all the places."""
    places: dict[Finding, list[str]] = {}
    for finding in findings:
        places.setdefault(replace(finding, where=""), []).append(finding.where)
    return [replace(finding, where=", ".join(where)) for finding, where in places.items()]


def with_tables(cluster: Cluster, timeout_s: float) -> Cluster:
    """Look at hbimg's tables too, if HBase is reached."""
    if cluster.rpc_trouble != "" and not any(seen.packing and seen.wanted for seen in cluster.thrift):
        return cluster
    ours = cluster.address
    hasty = replace(ours, wait_s=min(ours.wait_s, _PATIENCE_S), timeout_s=min(ours.timeout_s, timeout_s))
    try:
        with open_address(hasty) as store:
            seen = all_at_once(lambda name: _table(store, name), store.tables())
            left = store.tables()  # others may have deleted some meanwhile
            return replace(cluster, tables=tuple(table for table in seen if table.name in left))
    except HbimgError as error:
        return replace(cluster, tables=(TableSeen("(all)", {}, trouble=str(error)),))


def _table(store: HBaseStore, name: str) -> TableSeen:
    attributes: dict[str, str] = {}
    try:
        attributes = store.attributes(name)
        sizes = (record.file_bytes for record in VolumeTable.open(store, name).records())
        return TableSeen(name, attributes, max(sizes, default=0))
    except HbimgError as error:
        return TableSeen(name, attributes, trouble=str(error))
