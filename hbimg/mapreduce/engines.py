"""Which engine runs a job: `local` in processes on this machine, `yarn` as map tasks on a cluster."""

from __future__ import annotations

from urllib.parse import urlsplit

from hbimg.errors import JobError

ENGINES = ("auto", "local", "yarn")


def choose_engine(wanted: str, store_url: str) -> tuple[str, str]:
    """Give the engine, ``local`` or ``yarn``, and in a few words why.

    Raises
    ------
    JobError
        If YARN is wanted for a store that its nodes do not see.
    """
    on_cluster = urlsplit(store_url).scheme.startswith("hbase")
    if wanted == "yarn" and not on_cluster:
        raise JobError(f"--engine yarn needs a store that all nodes see, hbase://...; {store_url} is on this machine")
    if wanted != "auto":
        return wanted, "as asked for"
    if not on_cluster:
        return "local", "the store is on this machine"
    from hbimg.mapreduce.yarn.prepare import why_unreachable

    why_not = why_unreachable()
    return ("local", why_not) if why_not else ("yarn", "the store is HBase, and YARN answers")
