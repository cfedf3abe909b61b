"""`hbimg jobs`: runs that are on a cluster, or were: list, follow, stop, kill, go on, read what their tasks print."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import click

from hbimg.cli.options import json_option, opened_store, store_option, table_option

if TYPE_CHECKING:
    from hbimg.store import Store
    from hbimg.volumes import VolumeTable

Command = TypeVar("Command", bound=Callable[..., Any])


@click.group()
def jobs() -> None:
    """Look after runs on a cluster: follow one that was left, pause or kill it, go on, read what its tasks print.

    \b
    Examples:
      hbimg jobs list --table t1
      hbimg jobs follow 20260801T120000-1a2b3c --table t1
      hbimg jobs logs 20260801T120000-1a2b3c --table t1
    """


def _of_run(command: Command) -> Command:
    for option in (store_option, table_option, click.argument("run_id", metavar="RUN")):
        command = option(command)
    return command


@dataclass
class _Opened:
    store: Store
    volumes: VolumeTable
    run: dict[str, Any]

    @property
    def application(self) -> str:
        from hbimg.errors import JobError

        if not self.run.get("application"):
            raise JobError(f"run {self.run['id']} was not on a cluster: `hbimg report` shows it")
        return str(self.run["application"])


@contextmanager
def _opened(store: str | None, table: str, run_id: str) -> Iterator[_Opened]:
    import sys

    from hbimg.volumes import VolumeTable, load_run

    sys.path.insert(0, "")  # a user's own job lies in the current folder
    with opened_store(store) as opened:
        volumes = VolumeTable.open(opened, table)
        yield _Opened(opened, volumes, load_run(volumes, run_id))


@jobs.command("list")
@table_option
@store_option
@json_option
def list_(table: str, store: str | None, as_json: bool) -> None:
    """List the runs of a table that were given to a cluster, oldest first, with what YARN says of them now.

    \b
    Examples:
      hbimg jobs list --table t1
      hbimg jobs list --table t1 --json | jq '.[] | select(.yarn == "RUNNING") | .run'
    """
    from hbimg.cli.printing import print_json, print_table, say
    from hbimg.mapreduce.yarn.prepare import Connected
    from hbimg.mapreduce.yarn.watching import job_line
    from hbimg.volumes import VolumeTable
    from hbimg.volumes.runs import runs

    with opened_store(store) as opened:
        found = [run for run in runs(VolumeTable.open(opened, table)) if run.get("application")]
    cluster = Connected.find().cluster if any(run["state"] == "running" for run in found) else None
    lines = [job_line(run, cluster) for run in found]
    if as_json:
        print_json(lines)
        return
    columns = ["run", "job", "state", "yarn", "done", "volumes", "application", "by"]
    right = ["done", "volumes"]
    print_table(columns, [[str(line[name]) for name in columns] for line in lines], right=right)
    say(f"{len(lines)} runs of table {table} on a cluster")


@jobs.command()
@_of_run
@json_option
def follow(run_id: str, table: str, store: str | None, as_json: bool) -> None:
    """Follow a run that was left, gather its results when it ends, and print its report.

    \b
    Example:
      hbimg jobs follow 20260801T120000-1a2b3c --table t1
    """
    with _opened(store, table, run_id) as opened:
        _follow(opened, as_json=as_json)


def _follow(opened: _Opened, *, as_json: bool) -> None:
    from hbimg.cli.cluster_options import ask_on_interrupt
    from hbimg.cli.printing import progress_bar, say
    from hbimg.cli.run import print_result
    from hbimg.errors import JobError
    from hbimg.mapreduce.yarn.engine import YarnRun

    run, application = opened.run, opened.application
    if run["state"] != "running":
        raise JobError(f"run {run['id']} is over ({run['state']}): `hbimg report {run['id']}` shows it")
    with progress_bar() as bar:
        again = YarnRun.of_record(
            run,
            opened.store,
            opened.volumes,
            say=say,
            on_interrupt=ask_on_interrupt,
            on_progress=lambda p: bar(f"{run['job']}: {p.text}", p.ended_bytes, p.total_bytes),
        )
        result = again.follow(application)
    print_result(result, as_json=as_json)


@jobs.command()
@_of_run
def pause(run_id: str, table: str, store: str | None) -> None:
    """Let the tasks of a run end after the volumes they are at; `hbimg jobs resume` goes on with the rest.

    \b
    Example:
      hbimg jobs pause 20260801T120000-1a2b3c --table t1
    """
    from hbimg.cli.printing import say
    from hbimg.errors import JobError
    from hbimg.volumes import ask_to_stop

    with _opened(store, table, run_id) as opened:
        if opened.run["state"] != "running" or not opened.application:
            raise JobError(f"run {run_id} is over ({opened.run['state']}): there is nothing to pause")
        ask_to_stop(opened.volumes, run_id)
    say(f"the tasks of run {run_id} end after the volumes they are at: `hbimg jobs follow` waits for that")


@jobs.command()
@_of_run
@json_option
def kill(run_id: str, table: str, store: str | None, as_json: bool) -> None:
    """Kill a run; results that are stored stay, and what became of each volume is recorded.

    \b
    Example:
      hbimg jobs kill 20260801T120000-1a2b3c --table t1
    """
    from hbimg.mapreduce.yarn.prepare import Connected

    with _opened(store, table, run_id) as opened:
        Connected.find().cluster.kill(opened.application)
        _follow(opened, as_json=as_json)


def _go_on(run_id: str, table: str, store: str | None, *, as_json: bool) -> None:
    from dataclasses import replace

    from hbimg.cli.cluster_options import ask_on_interrupt
    from hbimg.cli.printing import progress_bar, say
    from hbimg.cli.run import print_result
    from hbimg.errors import JobError
    from hbimg.mapreduce.registry import load_class
    from hbimg.mapreduce.run import run_job, state_of
    from hbimg.mapreduce.yarn.engine import settings_of

    with _opened(store, table, run_id) as opened, progress_bar() as bar:
        run = opened.run
        if state_of(run) == "running":
            raise JobError(f"run {run_id} still runs: `hbimg jobs follow`, `pause` or `kill` it first")
        job = load_class(run["job_class"]).of_parameters(run["parameters"])
        # What the first run has made is current now, even if that run made everything anew.
        settings = replace(settings_of(run, ask_on_interrupt), force=False)
        result = run_job(
            job,
            opened.store,
            opened.volumes,
            settings,
            say=say,
            on_progress=lambda p: bar(f"{run['job']}: {p.text}", p.ended_bytes, p.total_bytes),
        )
    print_result(result, as_json=as_json)


@jobs.command()
@_of_run
@json_option
def resume(run_id: str, table: str, store: str | None, as_json: bool) -> None:
    """Go on with a run that was paused, killed or lost: the same job with the same choices, on what is not done.

    \b
    Example:
      hbimg jobs resume 20260801T120000-1a2b3c --table t1
    """
    _go_on(run_id, table, store, as_json=as_json)


@jobs.command()
@_of_run
@json_option
def rerun(run_id: str, table: str, store: str | None, as_json: bool) -> None:
    """Run again what failed in a run: the same job with the same choices; results that are current stay.

    \b
    Example:
      hbimg jobs rerun 20260801T120000-1a2b3c --table t1
    """
    _go_on(run_id, table, store, as_json=as_json)


@jobs.command()
@_of_run
@click.option("--all", "every", is_flag=True, help="Of tasks that ended well too.")
@json_option
def logs(run_id: str, table: str, store: str | None, every: bool, as_json: bool) -> None:
    """Print what the running and the failed tasks of a run have printed, the end of it if it is long.

    \b
    Examples:
      hbimg jobs logs 20260801T120000-1a2b3c --table t1
      hbimg jobs logs 20260801T120000-1a2b3c --table t1 --all | less
    """
    from dataclasses import asdict

    from hbimg.cli.printing import print_json, say
    from hbimg.mapreduce.yarn.prepare import Connected
    from hbimg.mapreduce.yarn.trouble import attempt_logs

    states = ("RUNNING", "FAILED", "KILLED", *(("SUCCEEDED",) if every else ()))
    with _opened(store, table, run_id) as opened:
        cluster = Connected.find().cluster
        found = attempt_logs(cluster, cluster.application(opened.application), states)
        if as_json:
            print_json([asdict(log) for log in found])
            return
        count = 0
        for log in found:
            count += 1
            click.echo(f"== {log.attempt} on {log.host}: {log.state} {log.diagnostics}".rstrip())
            for name, text in (("stdout", log.stdout), ("stderr", log.stderr)):
                if text.strip():
                    click.echo(f"-- {name}\n{text.rstrip()}")
    say(f"{count} tasks" + ("" if every else " that run or ended badly; --all shows the others too"))
