"""Write the help of every command into docs/commands.md, or check that it is there (--check)."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from hbimg.cli import cli

PAGE = Path(__file__).with_name("commands.md")
HEAD = """# Commands

Written by `just docs` from the commands' own help; `just docs-check` holds it to the code.
"""


def _sections(command: click.Command, name: str, parent: click.Context | None) -> list[str]:
    context = click.Context(command, info_name=name, parent=parent, max_content_width=110, terminal_width=110)
    path = context.command_path
    sections = [f"## {path}\n\n```text\n{command.get_help(context).rstrip()}\n```\n"]
    if isinstance(command, click.Group):
        for child in command.list_commands(context):
            found = command.get_command(context, child)
            if found is not None and not found.hidden:
                sections += _sections(found, child, context)
    return sections


def main() -> int:
    """Write or check the page."""
    page = HEAD + "\n" + "\n".join(_sections(cli, "hbimg", None))
    if "--check" not in sys.argv:
        PAGE.write_text(page)
        return 0
    if PAGE.exists() and PAGE.read_text() == page:
        return 0
    sys.stderr.write("docs/commands.md is not the commands' help: run `just docs`\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
