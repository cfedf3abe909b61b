"""Open a store by its URL: ``local:///path``, ``memory:``."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from hbimg.errors import ConfigError
from hbimg.store.contract import Store

_LOCAL_OPTIONS = {"wait_s": float, "map_bytes": int}


def open_store(url: str) -> Store:
    """Open the store that a URL names.

    ``local:///folder`` is the embedded store; ``?wait_s=5`` bounds how long a writer waits for another one, and
    ``?map_bytes=...`` a table's size. ``memory:`` is a new, empty store in this process.

    Raises
    ------
    ConfigError
        If the URL is malformed, of an unknown kind, or has an unknown option.
    """
    parts = urlsplit(url)
    if parts.scheme == "memory":
        from hbimg.store.memory import MemoryStore

        return MemoryStore()
    if parts.scheme == "local":
        from hbimg.store.local import open_local

        if parts.netloc or not parts.path.startswith("/"):
            raise ConfigError(f"{url!r}: give the folder with three slashes, local:///folder")
        return open_local(Path(unquote(parts.path)), _options(url, parts.query))
    raise ConfigError(f"{url!r} is no store: give local:///folder, or a profile of the config file")


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
        if not options[name] > 0:
            raise ConfigError(f"{url!r}: {name} must be above 0, not {text}")
    return options
