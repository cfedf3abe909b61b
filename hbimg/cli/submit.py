"""`hbimg submit SCRIPT`: a job script with `#HBIMG` lines, as users of batch systems write theirs."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

_MARK = "#HBIMG"
#: Options of a script that `hbimg run exec` knows by another name, or does not know.
_INPUTS, _OUTPUTS, _NAME = "--inputs", "--outputs", "--name"


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("script", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
def submit(script: Path, options: tuple[str, ...]) -> None:
    """Run a script once for each volume, with the options that its `#HBIMG` lines give.

    The script gets the volume's file as its first argument, and then for each of its outputs the path to write to. A
    line is `#HBIMG` and options of `hbimg run exec`: --table, --where, --memory MB, --cores, --queue and so on; and
    `--name NAME` of the results and the job, `--inputs FORM` (original, nifti, dicom, ...), `--outputs a.nii.gz,b.txt`.
    Options behind the script's name come after those in it, and win.

    \b
    Example of a script:
      #!/bin/bash
      #HBIMG --table t1 --where 'subject=sub-0*'
      #HBIMG --name smooth --memory 2000 --cores 2
      #HBIMG --inputs nifti --outputs smooth.nii.gz
      mytool --sigma 2 "$1" "$2"

    \b
    Examples:
      hbimg submit smooth.sh
      hbimg submit smooth.sh --dry-run
      hbimg submit smooth.sh --where subject=sub-001
    """
    from hbimg.cli.run_exec import exec_command

    arguments = exec_arguments(script, options)
    exec_command().main(arguments, prog_name="hbimg run exec", standalone_mode=False)


def exec_arguments(script: Path, more: tuple[str, ...]) -> list[str]:
    """Give the arguments of `hbimg run exec` that a script's lines and the command line ask for.

    Raises
    ------
    JobError
        If the script has no such line, or one that cannot be read.
    """
    found, outputs = _translated([*_options_in(script), *more])
    paths = [f"{{output:{name}}}" for name in outputs]
    return [*found, "--with", str(script), "--", *_interpreter(script), f"./{script.name}", "{input}", *paths]


def _options_in(script: Path) -> list[str]:
    from hbimg.errors import JobError

    try:
        lines = script.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise JobError(f"{script} is no script that can be read: {error}") from error
    words: list[str] = []
    for number, line in enumerate(lines, start=1):
        if line.startswith(_MARK):
            try:
                words += shlex.split(line.removeprefix(_MARK))
            except ValueError as error:
                raise JobError(f"{script}, line {number}: {error}: {line.strip()}") from error
    if not words:
        raise JobError(f"{script} has no line that begins with {_MARK}: give at least `{_MARK} --table NAME` in it")
    return words


def _translated(words: list[str]) -> tuple[list[str], list[str]]:
    """Give the options with the names that `hbimg run exec` has for them, and the outputs' names."""
    from hbimg.errors import JobError

    found: list[str] = []
    outputs: list[str] = []
    rest = iter(words)
    for word in rest:
        name, equals, value = word.partition("=")
        if name not in (_INPUTS, _OUTPUTS, _NAME):
            found.append(word)
            continue
        given = value if equals else next(rest, "")
        if not given:
            raise JobError(f"{name} needs a value: {name} {'smooth.nii.gz' if name == _OUTPUTS else 'NAME'}")
        if name == _INPUTS:
            found += ["--input-as", given]
        elif name == _NAME:
            found += ["--result-name", given, "--job-name", given]
        else:
            outputs = [output.strip() for output in given.split(",") if output.strip()]
    return found, outputs


def _interpreter(script: Path) -> list[str]:
    """Give the words of the script's first line, so that it needs no permission to be run; a shell without one."""
    with script.open(encoding="utf-8") as file:
        first = file.readline()
    return shlex.split(first.removeprefix("#!")) if first.startswith("#!") else ["/bin/sh"]
