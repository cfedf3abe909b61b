"""`hbimg run exec`: the command stands behind ``--``; files and environment variables are given one by one."""

from __future__ import annotations

import json
import os
import shlex
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from hbimg.cli.run import field_option, fields_of, job_command, pairs

#: Parameters of the job that are put together here.
_OWN = ("command", "files", "environment")


def exec_command() -> click.Command:
    """Make the command `hbimg run exec`."""
    from hbimg.mapreduce.jobs.exec import Exec

    options = [field_option(item, kind) for item, kind in fields_of(Exec) if item.name not in _OWN]
    return job_command("exec", Exec, [*_options(), *options], _job)


def _options() -> list[Any]:
    return [
        click.argument("command", nargs=-1, type=click.UNPROCESSED, metavar="-- COMMAND..."),
        click.option(
            "--with",
            "files",
            metavar="FILE",
            multiple=True,
            type=click.Path(path_type=Path),
            help="Put this file, such as a script, beside the command; may be repeated. When it changes, results are "
            "made anew.",
        ),
        click.option(
            "--env",
            "environment",
            metavar="NAME[=VALUE]",
            multiple=True,
            help="Set an environment variable, or hand on the one that is set here; may be repeated.",
        ),
    ]


def _job(options: dict[str, Any]) -> Any:
    from hbimg.mapreduce.jobs.exec import Exec
    from hbimg.mapreduce.jobs.exec_folders import packed_files

    words, files = options.pop("command"), options.pop("files")
    environment = _environment(options.pop("environment"))
    job = Exec(
        command=shlex.join(_located(words, files)),
        files=packed_files(files),
        environment=json.dumps(environment, sort_keys=True),
        **options,
    )
    _check_program(words, files, environment)
    _warn_of_files(words, files)
    return job


def _located(words: Sequence[str], files: Sequence[Path]) -> list[str]:
    """Give the words with the program's place made absolute, unless it is put beside the command."""
    is_beside = bool(words) and words[0] in [f"./{file.name}" for file in files]
    if words and "/" in words[0] and not words[0].startswith(("/", "{")) and not is_beside:
        return [os.path.abspath(words[0]), *words[1:]]  # noqa: PTH100 - resolve() would follow links
    return list(words)


def _environment(texts: Sequence[str]) -> dict[str, str]:
    from hbimg.errors import ParameterError

    unset = [text for text in texts if "=" not in text and text not in os.environ]
    if unset:
        raise ParameterError(f"--env {unset[0]}: it is not set here; give {unset[0]}=VALUE")
    return pairs("--env", [text if "=" in text else f"{text}={os.environ[text]}" for text in texts])


def _check_program(words: Sequence[str], files: Sequence[Path], environment: dict[str, str]) -> None:
    from hbimg.errors import ParameterError

    program = _located(words, files)[0]
    if "{" in program or program.startswith("./"):
        return
    if program in [file.name for file in files]:
        raise ParameterError(f"{program} is put beside the command: write `./{program}`")
    if shutil.which(program, path=environment.get("PATH")) is None:
        raise ParameterError(f"there is no program {program!r} that can be run here: is it installed and in PATH?")


def _warn_of_files(words: Sequence[str], files: Sequence[Path]) -> None:
    """Tell of words that name a file here, because the command runs elsewhere."""
    from hbimg.cli.printing import say

    given = {file.name for file in files}
    for word in words[1:]:
        if word not in given and not word.startswith("/") and Path(word).is_file():
            say(f"note: {word} lies in the current folder, the command runs in another: --with {word} puts it there")
