"""The command line answers at once, loads nothing that it does not need, and explains itself."""

from __future__ import annotations

import json
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from hbimg.cli import COMMANDS, cli

HEAVY = {
    "numpy",
    "nibabel",
    "pydicom",
    "lmdb",
    "rich",
    "isal",
    "xxhash",
    "deflate",
    "happybase",
    "thriftpy2",
    "matplotlib",
    "multiprocessing",
    "socket",
    "urllib.request",
    "http.client",
}
WITHOUT_NETWORK = """
import sys
class Closed(Exception): pass
def watch(event, arguments):
    if event.startswith(("socket.connect", "socket.getaddrinfo", "socket.bind", "urllib.Request")):
        raise Closed(event)
sys.addaudithook(watch)
"""


def _loaded(*arguments: str) -> set[str]:
    program = WITHOUT_NETWORK + (
        f"import json\nsys.argv = {['hbimg', *arguments]!r}\nfrom hbimg.cli import main\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code, end.code\n"
        "print(json.dumps(sorted(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "Usage: hbimg" in done.stdout or "version" in done.stdout
    return set(json.loads(done.stderr.splitlines()[-1]))


@pytest.mark.parametrize(
    "arguments", [["--help"], ["--version"], ["ls", "--help"], ["ingest", "--help"], ["run", "--help"]]
)
def test_help_loads_nothing_heavy(arguments):
    assert _loaded(*arguments) & HEAVY == set()


def test_a_worker_waits_for_no_library_that_its_job_does_not_need():
    program = (
        "import sys, hbimg.mapreduce.worker, hbimg.mapreduce.jobs.compress, hbimg.store.local; print(*sys.modules)"
    )
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert not {"numpy", "nibabel", "pydicom", "click", "rich"} & set(loaded)


def _commands(command: click.Command, path: tuple[str, ...] = ()):
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None
            yield from _commands(found, (*path, name))


def test_every_command_has_help_with_an_example():
    lacking = []
    for path, command in _commands(cli):
        text = CliRunner().invoke(cli, [*path, "--help"]).stdout
        if path and not any(line.strip().startswith("hbimg ") for line in text.splitlines()[1:]):
            lacking.append(" ".join(path))
        undescribed = [p.name for p in command.params if isinstance(p, click.Option) and not p.help]
        assert not undescribed, (path, undescribed)
    assert not lacking


def test_every_reading_command_gives_json():
    reading = set(COMMANDS) - {"rm", "submit"}  # `submit` hands its options on to `run exec`
    drawing = {("model", "figure"), ("jobs", "pause")}
    lacking = []
    for path, command in _commands(cli):
        if path and path[0] in reading and path not in drawing and not isinstance(command, click.Group):
            names = {name for p in command.params for name in p.opts}
            lacking += [] if "--json" in names else [" ".join(path)]
    assert not lacking


def test_words_that_are_no_command():
    for arguments in (["nonsense"], ["ls"], ["ls", "--nonsense"], ["ingest", "--table", "t"], ["run", "nonsense"]):
        result = CliRunner().invoke(cli, arguments)
        assert result.exit_code == 2
        assert result.stderr.startswith("Usage: ")
        assert "Error: " in result.stderr
