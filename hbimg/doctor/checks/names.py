"""Names: one worker has one name for DataNode, NodeManager, RegionServer and reverse DNS, or no task is data-local."""

from __future__ import annotations

from collections.abc import Iterator

from hbimg.doctor.cluster import Cluster, Member
from hbimg.doctor.findings import Finding, ok, problem, unknown

_SETTINGS = "dfs.datanode.hostname, yarn.nodemanager.hostname, hbase.unsafe.regionserver.hostname"


def names(cluster: Cluster) -> Iterator[Finding]:
    """Each worker's daemons registered under one name."""
    by_address = _by_address(cluster)
    apart = 0
    for address, members in sorted(by_address.items()):
        if len({member.host for member in members}) > 1:
            apart += 1
            told = ", ".join(f"{member.kind} {member.host}" for member in members)
            fix = f"give all the name that reverse DNS has: {_SETTINGS}; YARN finds no data-local task otherwise"
            yield problem("names-differ", address, f"one machine, several names: {told}", fix)
    if by_address and not apart:
        yield ok("names-differ", f"{len(by_address)} workers", "each has one name for all its daemons")
    for member in cluster.members:
        if not member.address:
            fix = "put it into DNS or /etc/hosts of every machine: clients are sent to this name"
            yield problem("name-unknown", f"{member.kind} {member.host}", "its name has no address here", fix)


def reverse(cluster: Cluster) -> Iterator[Finding]:
    """Reverse DNS gives the name under which a worker's daemons registered: HBase takes a split's host from it."""
    wrong = 0
    by_address = _by_address(cluster)
    for address, members in sorted(by_address.items()):
        found = cluster.reverse_names.get(address, "")
        registered = {member.host for member in members}
        if found in registered:
            continue
        wrong += 1
        names = ", ".join(sorted(registered))
        if not found:
            fix = f"make a PTR record for it that says {names}: HBase takes the host of a split from reverse DNS"
            yield problem("reverse-dns-missing", address, f"no reverse DNS; registered as {names}", fix)
        else:
            fix = f"make both the same, in DNS, /etc/hosts, or {_SETTINGS}: else no task is data-local, in silence"
            yield problem("reverse-dns-differs", address, f"reverse DNS says {found}, registered as {names}", fix)
    if by_address and not wrong:
        yield ok("reverse-dns-differs", f"{len(by_address)} workers", "reverse DNS gives the registered names, here")
    if not by_address:
        yield unknown("reverse-dns-differs", "workers", "no master told of any", "start the masters, look again")


def _by_address(cluster: Cluster) -> dict[str, list[Member]]:
    found: dict[str, list[Member]] = {}
    for member in cluster.members:
        if member.address and not member.trouble:
            found.setdefault(member.address, []).append(member)
    return found
