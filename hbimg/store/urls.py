"""Open a store by its URL: ``local:///path``, ``hbase://head``, ``memory:``."""

from __future__ import annotations

from math import isfinite
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from hbimg.errors import ConfigError
from hbimg.store.contract import Store

_LOCAL_OPTIONS = {"wait_s": float, "map_bytes": int}
#: A year; the address space of a process on x86-64.
_LARGEST = {"wait_s": 366 * 86400, "map_bytes": 1 << 47}


def open_store(url: str) -> Store:
    """Open the store that a URL names.

    ``local:///folder`` is the embedded store; ``?wait_s=5`` bounds how long a writer waits for another one, and
    ``?map_bytes=...`` a table's size. ``hbase://head:9090`` is HBase, through the Thrift 2 server there; its options
    are those of `hbimg.store.hbase_address.HBaseAddress`. ``memory:`` is a new, empty store in this process.

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


def _options(url: str, query: str) -> dict[str, float | int]:
    options: dict[str, float | int] = {}
    for name, text in parse_qsl(query, keep_blank_values=True):
        kind = _LOCAL_OPTIONS.get(name)
        if kind is None:
            raise ConfigError(f"{url!r}: unknown option {name!r}; known are {', '.join(_LOCAL_OPTIONS)}")
        try:
            options[name] = kind(text)
        except ValueError as error:
            raise ConfigError(f"{url!r}: {name} must be a number, not {text!r}") from error
        if not isfinite(options[name]) or not 0 < options[name] <= _LARGEST[name]:
            raise ConfigError(f"{url!r}: {name} must be above 0 and at most {_LARGEST[name]:,}, not {text}")
    return options
