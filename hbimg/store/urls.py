"""Open a store by its URL: ``local:///path``, ``hbase://head``, ``memory:``."""

from __future__ import annotations

from math import isfinite
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from hbimg.errors import ConfigError
from hbimg.store.contract import LINK_BYTES_PER_S, Store
from hbimg.store.simulated import parse_servers

_LOCAL_OPTIONS = {"wait_s": float, "map_bytes": int, "link_bytes_per_s": float}
#: A year; the address space of a process on x86-64; a terabyte per second.
_LARGEST = {"wait_s": 366 * 86400, "map_bytes": 1 << 47, "link_bytes_per_s": 1e12}


def open_store(url: str) -> Store:
    """Open the store that a URL names.

    ``local:///folder`` is the embedded store; ``?wait_s=5`` bounds how long a writer waits for another one, and
    ``?map_bytes=...`` a table's size; ``?servers=a:1,b:3&link_bytes_per_s=6e6`` simulates servers of 1 and 3 slots
    behind links of that speed (`hbimg.store.simulated`). ``hbase://head:9090`` is HBase, through the Thrift 2 server
    there; its options are those of `hbimg.store.hbase_address.HBaseAddress`. ``memory:`` is a new, empty store in this
    process.

    Raises
    ------
    ConfigError
        If the URL is malformed, of an unknown kind, or has an unknown option.
    """
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise ConfigError(f"{url!r} is no URL ({error}): give local:///folder or hbase://host") from error
    if parts.scheme == "memory":
        if parts._replace(scheme="").geturl():
            raise ConfigError(f"{url!r}: a store in memory has neither path nor options, give memory:")
        from hbimg.store.memory import MemoryStore

        return MemoryStore()
    if parts.scheme == "hbase":
        from hbimg.store.hbase import open_hbase

        return open_hbase(url)
    if parts.scheme == "local":
        from hbimg.store.local import open_local

        if parts.netloc or not parts.path.startswith("/"):
            raise ConfigError(f"{url!r}: give the folder with three slashes, local:///folder")
        folder = unquote(parts.path, errors="surrogateescape")
        if parts.fragment or "\0" in folder:
            raise ConfigError(f"{url!r}: write '#' as %23, '?' as %3F and '%' as %25 in a folder's name")
        return open_local(Path(folder), _options(url, parts.query))
    raise ConfigError(f"{url!r} is no store: give local:///folder, hbase://host, or a profile of the config file")


def _options(url: str, query: str) -> dict[str, Any]:
    options: dict[str, Any] = {}
    servers: str | None = None
    for name, text in parse_qsl(query, keep_blank_values=True):
        if name == "servers":
            servers = text
        elif name in _LOCAL_OPTIONS:
            options[name] = _number(url, name, text)
        else:
            raise ConfigError(f"{url!r}: unknown option {name!r}; known are {', '.join([*_LOCAL_OPTIONS, 'servers'])}")
    link_bytes_per_s = options.pop("link_bytes_per_s", None)
    if servers is not None:
        options["servers"] = parse_servers(servers, link_bytes_per_s or LINK_BYTES_PER_S)
    elif link_bytes_per_s is not None:
        raise ConfigError(f"{url!r}: link_bytes_per_s is the speed of simulated servers' links: give servers=, too")
    return options


def _number(url: str, name: str, text: str) -> float | int:
    try:
        number: float | int = _LOCAL_OPTIONS[name](text)
    except ValueError as error:
        raise ConfigError(f"{url!r}: {name} must be a number, not {text!r}") from error
    if not isfinite(number) or not 0 < number <= _LARGEST[name]:
        raise ConfigError(f"{url!r}: {name} must be above 0 and at most {_LARGEST[name]:,}, not {text}")
    return number
