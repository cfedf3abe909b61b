"""What a list of runs says of each: its record, and how its application is now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hbimg.mapreduce.yarn.cluster import Cluster
from hbimg.mapreduce.yarn.rest import RestError


def job_line(run: Mapping[str, Any], cluster: Cluster | None) -> dict[str, Any]:
    """Give a run's line; `cluster` is asked about runs that go on, by their record.

    A run whose application has ended while nobody followed it is ``ended``: following it records how.
    """
    counts = run["report"]["volumes"]
    line = {
        "run": run["id"],
        "job": run["job"],
        "state": run["state"],
        "yarn": "",
        "done": counts["done"],
        "volumes": sum(split[1] for split in run["submission"]["splits"]),
        "application": run["application"],
        "by": run["user"],
    }
    if run["state"] != "running" or cluster is None:
        return line
    try:
        application = cluster.application(run["application"])
    except RestError:
        return {**line, "yarn": "unknown"}
    done = cluster.counters(application).get("VOLUMES", 0)
    return {**line, "yarn": application.state, "done": done, "state": "ended" if application.has_ended else "running"}
