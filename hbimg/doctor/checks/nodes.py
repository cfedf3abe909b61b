"""Python and hbimg on every node, as a command on the node told."""

from __future__ import annotations

from collections.abc import Iterator

from hbimg.doctor.cluster import Cluster
from hbimg.doctor.findings import Finding, advice, ok, problem, unknown

_OLDEST_PYTHON = (3, 11)


def nodes(cluster: Cluster) -> Iterator[Finding]:
    """Every node has a Python and the hbimg that is here."""
    if cluster.nodes is None:
        fix = "give a way to run a command on a node: --via 'ssh {host}', --via 'docker exec -i {name}'"
        yield unknown("node-python", "nodes", "Python and hbimg on the nodes were not looked at", fix)
        return
    sound = 0
    for node in cluster.nodes:
        if node.trouble:
            yield problem("node-python", node.host, node.trouble, "see that --via reaches it, and --python is there")
            continue
        faults = list(_faults(cluster, node.host, node.facts))
        yield from faults
        sound += not faults
    if sound:
        yield ok("node-python", f"{sound} nodes", f"hbimg {cluster.own_version} and what it needs are there")


def _faults(cluster: Cluster, host: str, facts: object) -> Iterator[Finding]:
    told = facts if isinstance(facts, dict) else {}
    python = str(told.get("python", ""))
    install = f"{told.get('executable', 'python3')} -m pip install hbimg=={cluster.own_version}"
    if tuple(int(part) for part in python.split(".")[:2] if part.isdecimal()) < _OLDEST_PYTHON:
        yield problem("node-python", host, f"Python {python}", "install Python 3.11 or later, name it with --python")
    elif "hbimg" not in told:
        yield problem("node-hbimg", host, f"no hbimg: {told.get('hbimg_missing')}", f"run there: {install}")
    elif told["hbimg"] != cluster.own_version:
        seen = f"hbimg {told['hbimg']} there, {cluster.own_version} here"
        yield problem("node-hbimg", host, seen, f"run there: {install}")
    if "hbimg" in told and told.get("missing"):
        seen = f"cannot be imported: {', '.join(told['missing'])}"
        yield problem("node-hbimg", host, seen, f"run there: {install} --force-reinstall")
    own = str(told.get("own_name", ""))
    if own and own != host and own.partition(".")[0] != host.partition(".")[0]:
        fix = "make /etc/hosts and DNS agree on every node"
        yield advice("node-name", host, f"the node calls itself {own}", fix)
