"""Versions: Java, Hadoop and HBase, and whether all servers have the same."""

from __future__ import annotations

import re
from collections.abc import Iterator

from hbimg.doctor.cluster import Cluster, grouped
from hbimg.doctor.findings import Finding, advice, ok, problem, unknown

#: Oldest HBase with the Thrift calls that hbimg makes (docs/decisions/0040).
OLDEST_HBASE = (2, 5)
#: pydoop 2.0.0, with which Python tasks run under YARN, compiles against no later Hadoop.
LAST_HADOOP_OF_PYDOOP = (3, 3)
#: What HBase 2.6's reference guide names; Hadoop 3.3 names 8 and 11, and runs on 17 with some packages opened. An older
#: Java starts neither.
TESTED_JAVAS = (8, 11, 17)


def java(cluster: Cluster) -> Iterator[Finding]:
    """Every daemon has a Java that it was tested with, and daemons of a kind the same."""
    daemons = [daemon for daemon in cluster.daemons if daemon.java]
    tested = [daemon for daemon in daemons if daemon.java in TESTED_JAVAS]
    for daemon in daemons:
        if daemon.java not in TESTED_JAVAS:
            fix = "set JAVA_HOME in hadoop-env.sh and hbase-env.sh to Java 8, 11 or 17"
            seen = f"Java {daemon.java}, which neither Hadoop 3.3 nor HBase 2.6 names as tested"
            yield advice("java-untested", str(daemon), seen, fix)
    for kind in dict.fromkeys(daemon.kind for daemon in daemons):
        mixed = grouped((str(daemon.java), daemon.host) for daemon in daemons if daemon.kind == kind)
        if len(mixed) > 1:
            seen = "; ".join(f"Java {version} on {', '.join(hosts)}" for version, hosts in sorted(mixed.items()))
            fix = "install one Java everywhere, set JAVA_HOME in hadoop-env.sh and hbase-env.sh"
            yield advice("java-mixed", f"{kind}s", seen, fix)
    if tested:
        versions = sorted({f"{daemon.java}" for daemon in tested})
        yield ok("java-untested", f"{len(tested)} daemons", f"Java {', '.join(versions)}")


def hadoop(cluster: Cluster) -> Iterator[Finding]:
    """All of HDFS and YARN is one version, and one that Python tasks can run under."""
    told: list[tuple[str, str]] = []
    for kind, bean, key in (
        ("NameNode", "service=NameNode,name=NameNodeInfo", "SoftwareVersion"),
        ("DataNode", "service=DataNode,name=DataNodeInfo", "SoftwareVersion"),
    ):
        for daemon in cluster.of(kind):
            version = str(daemon.bean(bean).get(key, ""))
            if version:
                told.append((version, str(daemon)))
    versions = grouped(told)
    if len(versions) > 1:
        seen = "; ".join(f"{version} on {', '.join(hosts)}" for version, hosts in sorted(versions.items()))
        yield advice("hadoop-mixed", "HDFS", seen, "finish the upgrade: one version on every node")
    elif versions:
        yield ok("hadoop-mixed", f"{len(told)} daemons of HDFS", f"Hadoop {told[0][0]}")
    new = [version for version in versions if numbers_of(version)[:2] > LAST_HADOOP_OF_PYDOOP]
    if new:
        fix = "run jobs with hbimg's own engine, or with YARN of Hadoop 3.3: pydoop 2.0.0 does not compile against 3.4"
        yield advice("hadoop-new", "HDFS", f"Hadoop {new[0]}", fix)


def hbase(cluster: Cluster) -> Iterator[Finding]:
    """HBase is 2.5 or later."""
    if cluster.one("HMaster") is None:
        return
    version = cluster.hbase_version
    if not numbers_of(version):
        fix = "HBase 2.5 and later tell it on their web page, and hbimg needs one of them"
        yield unknown("hbase-old", "HMaster", "it does not tell its version", fix)
    elif numbers_of(version)[:2] < OLDEST_HBASE:
        fix = "upgrade to HBase 2.5 or later: hbimg needs its Thrift calls and split restriction"
        yield problem("hbase-old", "HMaster", f"HBase {version}", fix)
    else:
        yield ok("hbase-old", "HMaster", f"HBase {version}")


def numbers_of(version: str) -> tuple[int, ...]:
    """Read the numbers at the start of a version: (2, 6, 1) of ``2.6.1-hadoop3``."""
    match = re.match(r"\d+(?:\.\d+)*", version)
    return tuple(int(part) for part in match[0].split(".")) if match else ()
