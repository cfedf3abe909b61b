"""Options of `hbimg run` that say where a job runs, and how it is put on a cluster."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from hbimg.mapreduce.job import Job
    from hbimg.mapreduce.run import RunSettings
    from hbimg.mapreduce.yarn.submission import ClusterSettings
    from hbimg.store import Store
    from hbimg.volumes import VolumeTable


def _size(ctx: click.Context, param: click.Parameter, text: str | None) -> int:
    """Read a size such as 256MB."""
    from hbimg.perfmodel.units import parse_size, require_positive

    del ctx
    if text is None:
        return 0
    size_bytes = parse_size(text, f"--{(param.name or '').replace('_', '-')}")
    require_positive("--split-size", size_bytes)
    return int(size_bytes)


#: The options, and the names under which a command gets them.
OPTIONS: tuple[Callable[[Any], Any], ...] = (
    click.option(
        "--engine",
        type=click.Choice(("auto", "local", "yarn")),
        default="auto",
        show_default=True,
        help="Where volumes are worked on: processes here, or map tasks on the cluster's nodes. auto takes yarn for a "
        "store in HBase where YARN answers.",
    ),
    click.option("--queue", default="default", show_default=True, help="YARN's queue."),
    click.option("--memory", type=click.IntRange(256), metavar="MB", help="Of a task.  [default: by largest volume]"),
    click.option("--cores", type=click.IntRange(1, 1024), default=1, show_default=True, help="Of a task."),
    click.option(
        "--split-size",
        metavar="SIZE",
        callback=_size,
        help="Bytes of a map task, such as 500MB.  [default: by the work and the cluster]",
    ),
    click.option("--reducers", type=click.IntRange(1, 10_000), help="Of a reducing job.  [default: by its groups]"),
    click.option("--job-name", default="", help="What YARN's pages call the job.  [default: the run's id]"),
    click.option("-D", "properties", metavar="NAME=VALUE", multiple=True, help="A property of Hadoop's; repeatable."),
    click.option("--python", default="", metavar="COMMAND", help="Python on the nodes.  [default: as here]"),
    click.option("--detach", is_flag=True, help="Return once YARN has the job; `hbimg jobs` follows it."),
    click.option("--dry-run", is_flag=True, help="Print what would be submitted to YARN, and do nothing."),
)
NAMES = (
    *("engine", "queue", "memory", "cores", "split_size", "reducers", "job_name", "properties", "python", "detach"),
    "dry_run",
)


def with_engine(settings: RunSettings, options: Mapping[str, Any], store_url: str) -> RunSettings:
    """Choose the engine, say which, and give the settings with it."""
    from dataclasses import replace

    from hbimg.cli.printing import say
    from hbimg.mapreduce.engines import choose_engine

    engine, reason = choose_engine(options["engine"], store_url)
    if store_url.startswith("hbase"):  # elsewhere there is nothing to choose
        say(f"engine {engine}: {reason}")
    return settings if engine == "local" else replace(settings, cluster=_settings(options))


def print_submission(job: Job, store: Store, volumes: VolumeTable, settings: RunSettings) -> None:
    """Print what would be submitted."""
    from hbimg.errors import JobError
    from hbimg.mapreduce.yarn.engine import dry_run

    if settings.cluster is None:
        raise JobError("--dry-run shows what goes to YARN, and the engine is local: nothing would be submitted")
    click.echo(dry_run(job, store, volumes, settings))


def ask_on_interrupt() -> str:
    """Ask what Ctrl-C means for a job on a cluster; where nobody can be asked, the job is stopped."""
    import sys

    if not sys.stdin.isatty():
        return "stop"
    choices = click.Choice(("leave", "stop", "kill"))
    question = "leave the job to itself, stop it after the current volumes, or kill it?"
    chosen: str = click.prompt(question, type=choices, default="leave", err=True)
    return chosen


def _settings(options: Mapping[str, Any]) -> ClusterSettings:
    from hbimg.mapreduce.yarn.submission import ClusterSettings, parse_properties

    return ClusterSettings(
        queue=options["queue"],
        memory_mb=options["memory"] or 0,
        cores=options["cores"],
        split_bytes=options["split_size"],
        reducers=options["reducers"] or 0,
        name=options["job_name"],
        properties=parse_properties(options["properties"]),
        python=options["python"],
        detach=options["detach"],
    )
