"""`hbimg run JOB`: one subcommand for each job, made from the job's class; and a user's own job by its module."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import Field, fields
from typing import TYPE_CHECKING, Any, get_type_hints

import click

from hbimg.cli import cluster_options
from hbimg.cli.options import json_option, opened_store, store_option, table_option, where_option

if TYPE_CHECKING:
    from hbimg.mapreduce.job import Job
    from hbimg.mapreduce.run import RunResult

#: Job to the line that lists it; the classes are imported only when one of them is asked for.
_LINES = {
    "compress": "Gzip every volume as NIfTI.",
    "dicom2nifti": "Convert every DICOM series to NIfTI with dcm2niix.",
    "checksum": "Read everything again and verify it.",
    "stats": "Minimum, maximum, mean, variance, histogram over a cohort.",
    "exec": "Run any command-line tool, once for each volume or frame.",
}


class _Jobs(click.Group):
    """A group whose commands are the jobs; ``package.module:Class`` is a command too."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(_LINES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if ":" not in cmd_name and cmd_name not in _LINES:
            return None
        from hbimg.mapreduce.registry import find_job

        if cmd_name == "exec":
            from hbimg.cli.run_exec import exec_command

            return exec_command()
        if ":" in cmd_name:
            sys.path.insert(0, "")  # the user's module lies in the current folder, as for `python -m`
        return _command(cmd_name, find_job(cmd_name))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the job; where there is none say which there are."""
        if self.get_command(ctx, args[0]) is None and not args[0].startswith("-"):
            ctx.fail(f"there is no job {args[0]!r}: give {', '.join(_LINES)}, or package.module:Class")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Jobs"):
            formatter.write_dl([*_LINES.items(), ("package.module:Class", "Your own job; see docs/jobs.md.")])


@click.group(cls=_Jobs, subcommand_metavar="JOB [OPTIONS]")
def run() -> None:
    """Run a job on the volumes of a table, next to where they lie; results are stored beside each volume.

    Results that are current are skipped, so a run that was stopped is simply run again. Ctrl-C ends a run after the
    volumes that are worked on; once more kills it. A volume that fails is reported and costs only itself; the exit
    status is 1 then.

    \b
    Examples:
      hbimg run compress --table t1
      hbimg run dicom2nifti --table t1 --where 'subject=sub-0*' --workers 4
      hbimg run stats --table t1 --by subject > stats.csv
      hbimg run mymodule:MyJob --table t1 --param threshold=3
    """


def _command(name: str, job_class: type[Job]) -> click.Command:
    if ":" not in name:
        options = [field_option(item, kind) for item, kind in fields_of(job_class)]
        return job_command(name, job_class, options, job_class.of_parameters)
    own = click.option("--param", metavar="NAME=VALUE", multiple=True, help=_parameters(job_class))
    return job_command(name, job_class, [own], lambda options: job_class.of_texts(pairs("--param", options["param"])))


def job_command(
    name: str,
    job_class: type[Job],
    parameters: Sequence[Callable[[Any], Any]],
    make_job: Callable[[dict[str, Any]], Job],
) -> click.Command:
    """Make the command that runs a job.

    Parameters
    ----------
    name : str
    job_class : type
    parameters : sequence of click's decorators
        The job's own options; those that all jobs have come before them.
    make_job : callable
        Makes the job from the values of its own options.
    """

    def callback(**options: Any) -> None:
        common = {key: options.pop(key) for key in _COMMON}
        common["cluster"] = {key: options.pop(key) for key in cluster_options.NAMES}
        _run(make_job(options), **common)

    command = click.Command(name, callback=callback, help=_help(name, job_class))
    decorated: Any = callback
    for option in reversed([*_OPTIONS, *parameters]):
        decorated = option(decorated)
    command.params = list(reversed(decorated.__click_params__))
    return command


def fields_of(job_class: type[Job]) -> list[tuple[Field[Any], type]]:
    """Give the fields of a job with their types."""
    hints = get_type_hints(job_class)
    return [(item, hints[item.name]) for item in fields(job_class)]


_COMMON = (
    "table",
    "store",
    "where",
    "workers",
    "result_name",
    "force",
    "pad_to",
    "stealing",
    "max_failures",
    "as_json",
)
_OPTIONS: tuple[Callable[[Any], Any], ...] = (
    table_option,
    store_option,
    where_option,
    click.option(
        "--workers",
        "-w",
        type=click.IntRange(1, 1024),
        help="How many processes work at once.  [default: number of processors]",
    ),
    click.option("--result-name", metavar="NAME", help="Name of the results.  [default: the job's name]"),
    click.option("--force", is_flag=True, help="Make results anew that are current."),
    click.option(
        "--pad-to", type=float, default=0.0, metavar="SECONDS", help="Let every volume take at least this long."
    ),
    click.option(
        "--stealing/--no-stealing",
        default=True,
        show_default=True,
        help="Whether idle workers of a simulated server take volumes of another one.",
    ),
    click.option(
        "--max-failures",
        type=click.IntRange(0),
        metavar="N",
        help="Stop when more than N volumes have failed.  [default: never]",
    ),
    *cluster_options.OPTIONS,
    json_option,
)


def field_option(item: Field[Any], kind: type) -> Callable[[Any], Any]:
    """Give the option for a field of a job."""
    flag = f"--{item.name.replace('_', '-')}"
    about = item.metadata.get("help", "")
    if kind is bool:
        return click.option(flag, item.name, is_flag=True, default=item.default, help=about)
    choices = item.metadata.get("choices")
    value = click.Choice(choices) if choices else kind
    return click.option(flag, item.name, type=value, default=item.default, show_default=item.default != "", help=about)


def _help(name: str, job_class: type[Job]) -> str:
    import inspect

    examples = job_class.examples or (f"hbimg run {name} --table t1",)
    return f"{inspect.getdoc(job_class) or name}\n\n\b\nExamples:\n" + "\n".join(f"  {line}" for line in examples)


def _parameters(job_class: type[Job]) -> str:
    names = ", ".join(item.name for item in fields(job_class))
    return f"A parameter of the job ({names}); may be repeated." if names else "The job has no parameters."


def pairs(option: str, texts: Sequence[str]) -> dict[str, str]:
    """Read ``NAME=VALUE`` texts; ParameterError, which names the option, if one is none or a name comes twice."""
    from hbimg.errors import ParameterError

    found: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name or name in found:
            raise ParameterError(f"{option} {text!r}: give NAME=VALUE, each name once")
        found[name] = value
    return found


def _run(
    job: Job,
    *,
    table: str,
    store: str | None,
    where: str | None,
    workers: int | None,
    result_name: str | None,
    force: bool,
    pad_to: float,
    stealing: bool,
    max_failures: int | None,
    cluster: dict[str, Any],
    as_json: bool,
) -> None:
    from hbimg.cli.printing import progress_bar, say, say_none_matched
    from hbimg.mapreduce.run import Progress, RunSettings, run_job
    from hbimg.volumes import VolumeTable, Where

    settings = RunSettings(
        Where.parse(where),
        result_name,
        workers or 0,
        force=force,
        pad_to_s=pad_to,
        stealing=stealing,
        max_failures=max_failures,
        on_interrupt=cluster_options.ask_on_interrupt,
    )
    with opened_store(store) as opened, progress_bar() as bar:
        volumes = VolumeTable.open(opened, table)
        settings = cluster_options.with_engine(settings, cluster, opened.url)
        if cluster["dry_run"]:
            cluster_options.print_submission(job, opened, volumes, settings)
            return

        def show(progress: Progress) -> None:
            bar(f"{job.name}: {progress.text}", progress.ended_bytes, progress.total_bytes)

        result = run_job(job, opened, volumes, settings, on_progress=show, say=say)
    if result.state == "finished":
        say_none_matched(list(filter(None, result.report["volumes"].values())), where, table)
    print_result(result, as_json=as_json)


def print_result(result: RunResult, *, as_json: bool) -> None:
    """Print a run's outputs and report; JobError if volumes failed, JobInterruptedError if it was stopped."""
    from hbimg.cli.printing import print_json, say
    from hbimg.errors import JobError, JobInterruptedError
    from hbimg.mapreduce.report import report_text

    if as_json:
        print_json({"run": result.run_id, "state": result.state, "report": result.report, "outputs": result.outputs})
    else:
        for name, text in result.outputs.items():
            if name.endswith(".csv") or len(result.outputs) == 1:
                click.echo(text, nl=not text.endswith("\n"))
        say(f"run {result.run_id} {result.state}")
        say(report_text(result.report))
    if result.state == "running":
        say(
            f"the job goes on without you: `hbimg jobs follow {result.run_id}` shows how far it is, and gathers results"
        )
        return
    counts = result.report["volumes"]
    if result.state == "interrupted":
        raise JobInterruptedError("the run was stopped: run the same command again, it goes on where it was")
    if counts["failed"]:
        raise JobError(f"{counts['failed']} of {sum(counts.values())} volumes failed: `hbimg report` lists them again")
