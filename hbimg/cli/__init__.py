"""The command line: parse, call, print.

Commands live one to a module and are imported when they are used, and heavy libraries only inside their bodies, so
that `hbimg --help` answers at once (`tests/unit/test_startup.py`). Errors of ours are caught here, once.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module

import click

from hbimg import __version__
from hbimg.errors import HbimgError

#: Command name to the module under `hbimg.cli` that defines it; the object has the command's name (`-` becomes `_`).
COMMANDS: dict[str, str] = {
    "ingest": "ingest",
    "ls": "ls",
    "show": "show",
    "export": "export",
    "verify": "verify",
    "rm": "rm",
    "tables": "tables",
    "doctor": "doctor",
    "run": "run",
    "submit": "submit",
    "jobs": "jobs",
    "runs": "runs",
    "report": "report",
    "layout": "layout",
    "model": "model",
    "advise": "advise",
}


class LazyGroup(click.Group):
    """A group that imports a command's module only when that command is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f"hbimg.cli.{COMMANDS[cmd_name]}")
        command: click.Command = getattr(module, cmd_name.replace("-", "_"))
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; where there is none say which was meant."""
        if args[0] not in COMMANDS and not args[0].startswith("-"):
            from difflib import get_close_matches

            near = get_close_matches(args[0], COMMANDS, n=1)
            meant = f"did you mean {near[0]!r}?" if near else f"commands: {', '.join(COMMANDS)}"
            ctx.fail(f"there is no command {args[0]!r}: {meant}")
        return super().resolve_command(ctx, args)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="hbimg")
def cli() -> None:
    """Keep medical images where they are processed, and process them there."""


def main() -> None:
    """Run the command line: an error of ours is one line on stderr and exit status 1."""
    try:
        cli(standalone_mode=True)
    except HbimgError as error:
        click.echo(f"hbimg: {' '.join(str(error).split())}", err=True)
        sys.exit(1)
    except BrokenPipeError:
        # The reader of our output went away (`hbimg ls | head`): that is no error of the user's.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
