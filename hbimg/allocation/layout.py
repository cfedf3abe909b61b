"""What a layout is made of: servers with their speeds, and regions with their borders and servers. Pure values."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from hbimg.errors import ConfigError
from hbimg.perfmodel.units import require_positive

#: Beyond these a description is a slip of the pen.
MOST_SERVERS, MOST_FACTOR = 100_000, 1e6
_SERVER = re.compile(r"(?P<name>[^=\s]+)=(?P<cores>\d{1,7})(?:[*x](?P<factor>[0-9.eE+-]+))?")


@dataclass(frozen=True, slots=True)
class Server:
    """A server: as many tasks at once as it has cores, each `factor` times as fast as on a server of factor 1."""

    name: str
    cores: int
    factor: float = 1.0

    def __post_init__(self) -> None:
        if not self.name:
            raise ConfigError("a server has no name: give each its host name as HBase shows it")
        if self.cores < 1:
            raise ConfigError(f"server {self.name}: {self.cores} cores: a server needs at least 1")
        require_positive(f"server {self.name}: factor", self.factor)
        if not 1 / MOST_FACTOR <= self.factor <= MOST_FACTOR:
            raise ConfigError(f"server {self.name}: factor {self.factor:g}: must be from 1e-06 to 1e+06")

    @property
    def speed(self) -> float:
        """Work that it does per second, in that of one core of factor 1."""
        return self.cores * self.factor

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``NAME=CORES`` or ``NAME=CORES*FACTOR``; ConfigError if it is neither."""
        match = _SERVER.fullmatch(text)
        try:
            factor = float(match["factor"] or 1.0) if match else 0.0
        except ValueError:
            match = None
        if match is None:
            raise ConfigError(
                f"server {text!r}: write NAME=CORES or NAME=CORES*FACTOR, as worker1=12 or worker1=12*0.5"
            )
        return cls(match["name"], int(match["cores"]), factor)


def check_servers(servers: Sequence[Server]) -> tuple[Server, ...]:
    """Give servers back sorted by name; ConfigError if there is none, or two of one name."""
    if not 1 <= len(servers) <= MOST_SERVERS:
        raise ConfigError(f"{len(servers)} servers: a layout needs 1 to {MOST_SERVERS:,}")
    twice = [name for name, count in Counter(server.name for server in servers).items() if count > 1]
    if twice:
        raise ConfigError(f"two servers are called {twice[0]!r}: give each once")
    return tuple(sorted(servers, key=lambda server: server.name))


@dataclass(frozen=True, slots=True)
class Layout:
    """Regions of a table: where each begins, in key order from the empty key on, and its server."""

    starts: tuple[bytes, ...]
    servers: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(self.starts) != len(self.servers):
            raise ConfigError(f"{len(self.starts)} regions need as many servers, not {len(self.servers)}")
        if not self.starts or self.starts[0] != b"" or list(self.starts) != sorted(set(self.starts)):
            raise ConfigError("regions must begin at the empty key and go on in key order, each once")

    @property
    def cuts(self) -> tuple[bytes, ...]:
        """The borders between regions."""
        return self.starts[1:]

    def server_of(self, start: bytes) -> str | None:
        """Give the server of the region that begins there, or None if none does."""
        return dict(zip(self.starts, self.servers, strict=True)).get(start)
