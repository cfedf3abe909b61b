"""Settings that a user keeps: profiles of stores in a config file, read once at the edge.

The file is ``$HBIMG_CONFIG``, or ``hbimg/config.toml`` in ``$XDG_CONFIG_HOME`` (``~/.config``)::

    default = "laptop"

    [profiles.laptop]
    store = "local:///scratch/me/hbimg"

A store is chosen by ``--store`` (a URL or a profile's name), else by ``$HBIMG_STORE``, else by the default profile,
else it is the embedded store in ``$XDG_DATA_HOME/hbimg`` (``~/.local/share/hbimg``).
"""

from __future__ import annotations

import os
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from hbimg.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Config:
    """What the config file says.

    Attributes
    ----------
    path : Path
        Where it is, or would be.
    default : str or None
        Name of the profile that is used when none is chosen.
    stores : dict of str to str
        Profile name to store URL.
    """

    path: Path
    default: str | None = None
    stores: dict[str, str] = field(default_factory=dict)

    @classmethod
    def load(cls) -> Config:
        """Read the config file; without one, all is default.

        Raises
        ------
        ConfigError
            If it cannot be read or says what hbimg does not know.
        """
        path = _config_path()
        try:
            data = tomllib.loads(path.read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError):
            return cls(path)
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise ConfigError(f"{path} cannot be read: {error}") from error
        unknown = set(data) - {"default", "profiles"}
        if unknown:
            raise ConfigError(f"{path}: unknown setting {sorted(unknown)[0]!r}; known are default and profiles")
        profiles, default = data.get("profiles", {}), data.get("default")
        if not isinstance(profiles, dict):
            raise ConfigError(f'{path}: profiles must be tables, [profiles.NAME] with store = "URL"')
        stores = {name: _store_of(path, name, profile) for name, profile in profiles.items()}
        if default is not None and (not isinstance(default, str) or default not in stores):
            raise ConfigError(f"{path}: the default profile {default!r} is none of {', '.join(stores) or 'none'}")
        return cls(path, default, stores)

    def store_url(self, choice: str | None) -> str:
        """Give the URL of the store that the user chose: a URL, a profile's name, or None for the default.

        Raises
        ------
        ConfigError
            If it is neither a URL nor a profile.
        """
        choice = choice or os.environ.get("HBIMG_STORE") or self.default
        if choice is None:
            return f"local://{quote(str(_data_home() / 'hbimg'))}"
        if choice in self.stores:
            return self.stores[choice]
        if ":" in choice:
            return choice
        known = ", ".join(self.stores) or "none"
        raise ConfigError(
            f"store {choice!r} is neither a URL (local:///folder, hbase://host) nor a profile of {self.path} "
            f"(profiles: {known})"
        )


def _store_of(path: Path, name: str, profile: Any) -> str:
    if not isinstance(profile, dict) or not isinstance(profile.get("store"), str):
        raise ConfigError(f'{path}: profile {name!r} needs store = "URL"')
    unknown = set(profile) - {"store"}
    if unknown:
        raise ConfigError(f"{path}: profile {name!r} has an unknown setting {sorted(unknown)[0]!r}; known is store")
    return str(profile["store"])


def _config_path() -> Path:
    chosen = os.environ.get("HBIMG_CONFIG")
    home = os.environ.get("XDG_CONFIG_HOME")
    return Path(chosen) if chosen else (Path(home) if home else Path.home() / ".config") / "hbimg" / "config.toml"


def _data_home() -> Path:
    chosen = os.environ.get("XDG_DATA_HOME")
    return Path(chosen) if chosen else Path.home() / ".local" / "share"
