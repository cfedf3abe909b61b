"""Where regions lie: what moves them behind a user's back, and whether their files are on their own host."""

from __future__ import annotations

from collections.abc import Iterator

from hbimg.doctor.cluster import REGION_SERVER, Cluster
from hbimg.doctor.findings import Finding, advice, ok, unknown

_LEAST_LOCAL = 90.0


def balancer(cluster: Cluster) -> Iterator[Finding]:
    """The balancer leaves placed regions alone."""
    master = cluster.one("HMaster")
    if master is None:
        return
    if cluster.switches.balancer is None:
        yield unknown("balancer-on", str(master), "it does not tell", "see `balancer_enabled` in HBase's shell")
    elif cluster.switches.balancer:
        period_s = master.number("hbase.balancer.period", 300_000) / 1000
        seen = f"every {period_s:,.0f} s it may move regions, away from their files"
        fix = "turn it off while regions are placed by hand (shell: balance_switch false); after a move, major_compact"
        yield advice("balancer-on", str(master), seen, fix)
    else:
        yield ok("balancer-on", str(master), "off: regions stay where they are, also after a server came back")


def normalizer(cluster: Cluster) -> Iterator[Finding]:
    """HBase's normalizer does not merge or split hbimg's regions."""
    master = cluster.one("HMaster")
    if master is None:
        return
    default = master.flag("hbase.table.normalization.enabled", False)
    doomed = [
        table.name
        for table in cluster.tables
        if table.attributes.get("NORMALIZATION_ENABLED", str(default)).lower() == "true"
    ]
    running = cluster.switches.normalizer is not False
    fix = "in HBase's shell: alter 'TABLE', {NORMALIZATION_ENABLED => 'false'} (hbase.table.normalization.enabled)"
    for name in doomed if running else []:
        yield advice("normalizer-on", f"table {name}", "HBase may merge and split its regions to one size", fix)
    if not running:
        yield ok("normalizer-on", str(master), "off")
    elif not doomed:
        yield ok("normalizer-on", f"{len(cluster.tables)} tables", "not normalized")


def locality(cluster: Cluster) -> Iterator[Finding]:
    """Regions' files lie on the host that serves them."""
    low = 0
    servers = [daemon for daemon in cluster.of("RegionServer") if daemon.bean(REGION_SERVER).get("storeFileSize")]
    for daemon in servers:
        local = float(daemon.bean(REGION_SERVER).get("percentFilesLocal", 100.0))
        if local < _LEAST_LOCAL:
            low += 1
            fix = "major_compact the tables when their regions are where they shall stay: that writes files locally"
            yield advice("locality-low", str(daemon), f"{local:.0f}% of its regions' bytes are on this host", fix)
    if servers and not low:
        yield ok("locality-low", f"{len(servers)} RegionServers", "their regions' files are on their own hosts")
