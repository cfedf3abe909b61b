"""How commands print: data on stdout, words on stderr; tables for people, JSON for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from contextlib import contextmanager
from typing import Any, Protocol

import click


def print_json(data: Any) -> None:
    """Print JSON on stdout."""
    click.echo(json.dumps(data, indent=2, ensure_ascii=False))


def say(text: str) -> None:
    """Say something to the user, on stderr."""
    click.echo(text, err=True)


def say_none_matched(chosen: Sized, where: str | None, table: str) -> None:
    """Say so when a pattern chose nothing: it may be mistyped, and what follows does nothing then."""
    if where and not chosen:
        say(f"no volume of table {table} matches --where {where!r}: `hbimg ls --table {table}` lists their keys")


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]], right: Sequence[str] = ()) -> None:
    """Print rows under headings on stdout; the columns named in `right` are set to the right and never broken.

    Where stdout is no terminal, nothing is cut or wrapped, so that the output can be searched and counted.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, collapse_padding=True)
    for column in columns:
        numbers = column in right
        table.add_column(column, justify="right" if numbers else "left", no_wrap=numbers, overflow="fold")
    for row in rows:
        table.add_row(*row)
    width = None if sys.stdout.isatty() else 10_000
    Console(width=width, highlight=False, markup=False, soft_wrap=False).print(table)


def bytes_text(count: float) -> str:
    """Give a number of bytes with a decimal unit, as disks and networks count."""
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if abs(count) < 1000 or unit == "TB":
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    raise AssertionError


def amount_text(done: float, total: float, elapsed_s: float, unit: str) -> str:
    """Give how much is done, of how much, and at what rate; `unit` is ``bytes``, or what is counted."""
    rate = done / elapsed_s if elapsed_s > 0 else 0.0
    if unit == "bytes":
        return f"{bytes_text(done)} of {bytes_text(total)}, {bytes_text(rate)}/s"
    return f"{done:,.0f} of {total:,.0f} {unit}, {rate:,.0f}/s"


@contextmanager
def progress_bar() -> Iterator[ShowProgress]:
    """Show a progress bar on stderr, if that is a terminal; gives a function (stage, done, total, unit="bytes")."""
    if not sys.stderr.isatty():
        yield lambda _stage, _done, _total, _unit="bytes": None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[amount]}"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    ) as bar:
        tasks: dict[str, Any] = {}

        def update(stage: str, done: int, total: int, unit: str = "bytes") -> None:
            name = stage.partition(":")[0]  # what follows may change
            if name not in tasks:
                tasks[name] = bar.add_task(stage, total=total, amount="")
            elapsed_s = bar.tasks[bar.task_ids.index(tasks[name])].elapsed or 0.0
            amount = amount_text(done, total, elapsed_s, unit)
            bar.update(tasks[name], description=stage, completed=done, total=total, amount=amount)

        yield update


@contextmanager
def steps_bar() -> Iterator[Callable[[str, int, int], None] | None]:
    """Show steps on stderr, if that is a terminal; gives a function (words, done, total), or None where it is none."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("", total=None)
        yield lambda words, done, total: bar.update(task, description=words, completed=done, total=total)


class ShowProgress(Protocol):
    """Shows how far a stage is."""

    def __call__(self, stage: str, done: int, total: int, unit: str = "bytes", /) -> None:
        """Show it."""
