"""Options that several commands share, each one decorator; and how a command opens what it works on."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from hbimg.store import Store
    from hbimg.volumes import VolumeTable

Command = TypeVar("Command", bound=Callable[..., Any])


def store_option(command: Command) -> Command:
    """Add ``--store``."""
    return click.option(
        "--store",
        metavar="URL|PROFILE",
        help="Where tables are: local:///folder, hbase://host, or a profile of the config file. "
        "Default: $HBIMG_STORE, the config file's default profile, or ~/.local/share/hbimg.",
    )(command)


def table_option(command: Command) -> Command:
    """Add ``--table``."""
    return click.option("--table", "-t", "table", metavar="NAME", required=True, help="The table.")(command)


def where_option(command: Command) -> Command:
    """Add ``--where``."""
    return click.option(
        "--where",
        metavar="PATTERNS",
        help="Choose volumes: 'subject=sub-0* scan=*T1w', or a path 'adhd/sub-0*'. Default: all.",
    )(command)


def json_option(command: Command) -> Command:
    """Add ``--json``."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")(command)


def workers_option(command: Command) -> Command:
    """Add ``--workers``."""
    return click.option(
        "--workers",
        "-w",
        type=click.IntRange(1, 1024),
        default=default_workers,
        show_default="number of processors",
        help="How many processes work at once.",
    )(command)


def default_workers() -> int:
    """Give the number of processors that this process may use."""
    return len(os.sched_getaffinity(0))


def store_url(choice: str | None) -> str:
    """Give the URL of the store that ``--store``, the environment and the config file choose."""
    from hbimg.config import Config

    return Config.load().store_url(choice)


@contextmanager
def opened_store(choice: str | None) -> Iterator[Store]:
    """Open the store that ``--store`` chose."""
    from hbimg.store import open_store

    with open_store(store_url(choice)) as store:
        yield store


@contextmanager
def opened_table(choice: str | None, name: str) -> Iterator[VolumeTable]:
    """Open a table of volumes in the store that ``--store`` chose."""
    from hbimg.volumes import VolumeTable

    with opened_store(choice) as store:
        yield VolumeTable.open(store, name)
