"""One daemon of Hadoop or HBase as its web pages show it: JMX beans, settings in force, its clock."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hbimg.doctor.network import Clock, Network
from hbimg.errors import StoreUnavailableError
from hbimg.store.hbase_limits import settings_in, size_of

#: The bean that a daemon has once it is up. HBase takes its beans away for some seconds when a region opens.
_MAIN_BEAN = {
    "HMaster": "service=HBase,name=Master,sub=Server",
    "RegionServer": "service=HBase,name=RegionServer,sub=Server",
}
_TRIES = 4
_PAUSE_S = 1.0


@dataclass(frozen=True, slots=True)
class Daemon:
    """What a daemon told.

    Attributes
    ----------
    kind : str
        ``NameNode``, ``RegionServer``, ...
    host : str
    port : int
        Of its web page.
    beans : mapping of str to mapping
        JMX beans by name, without ``Hadoop:``.
    settings : mapping of str to str
        The settings in force, by name.
    clock : Clock or None
        How far its clock is ahead of ours.
    trouble : str
        Why it does not answer; empty if it does.
    """

    kind: str
    host: str
    port: int
    beans: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)
    clock: Clock | None = None
    trouble: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {self.host}:{self.port}"

    def bean(self, name: str) -> Mapping[str, Any]:
        """Give a bean, empty if it is absent."""
        return self.beans.get(name, {})

    def number(self, setting: str, default: float) -> float:
        """Give a setting that is a number; sizes may have a unit as in ``4m``."""
        return size_of(self.settings.get(setting, ""), default)

    def flag(self, setting: str, default: bool) -> bool:
        """Give a setting that is ``true`` or ``false``."""
        return self.settings.get(setting, str(default)).strip().lower() == "true"

    @property
    def java(self) -> int | None:
        """Java's major version."""
        version = str(self.bean("java.lang:type=Runtime").get("SpecVersion", ""))
        match = re.match(r"(?:1\.)?(\d+)", version)
        return int(match[1]) if match else None

    @property
    def java_options(self) -> list[str]:
        """The options that its JVM was started with."""
        return [str(option) for option in self.bean("java.lang:type=Runtime").get("InputArguments", [])]

    @property
    def heap_bytes(self) -> int:
        """Largest size of its heap; 0 if it is not told."""
        usage = self.bean("java.lang:type=Memory").get("HeapMemoryUsage", {})
        return max(0, int(usage.get("max", 0)))


def meet(network: Network, kind: str, host: str, port: int) -> Daemon:
    """Look at a daemon's pages; what cannot be had is in `trouble`."""
    base = f"http://{host}:{port}"
    clocks: list[Clock] = []
    try:
        beans = _beans(network, base, _MAIN_BEAN.get(kind), clocks)
        settings = settings_in(_get(network, f"{base}/conf?format=json", clocks))
    except (StoreUnavailableError, ValueError, KeyError, TypeError) as error:
        return Daemon(kind, host, port, trouble=str(error))
    return Daemon(kind, host, port, beans, settings, narrowest(clocks))


def _get(network: Network, url: str, clocks: list[Clock]) -> bytes:
    answer = network.get(url)
    if answer.clock is not None:
        clocks.append(answer.clock)
    return answer.body


def _beans(network: Network, base: str, wanted: str | None, clocks: list[Clock]) -> dict[str, Mapping[str, Any]]:
    for _ in range(_TRIES):
        found: dict[str, Mapping[str, Any]] = {}
        for query in ("Hadoop:*", "java.lang:*"):
            for bean in json_of(_get(network, f"{base}/jmx?qry={query}", clocks)).get("beans", []):
                found[str(bean.get("name", "")).removeprefix("Hadoop:")] = bean
        if wanted is None or wanted in found:
            return found
        time.sleep(_PAUSE_S)
    raise StoreUnavailableError(f"is starting: it has no bean {wanted} yet")


def json_of(body: bytes) -> dict[str, Any]:
    """Read a JSON object.

    Raises
    ------
    StoreUnavailableError
        If it is none: another program answers at this port, or a page to log in.
    """
    try:
        data = json.loads(body)
    except ValueError as error:
        raise StoreUnavailableError(f"the answer is no JSON but {body[:40]!r}") from error
    if not isinstance(data, dict):
        raise StoreUnavailableError(f"the answer is no JSON object but {body[:40]!r}")
    return data


def narrowest(clocks: list[Clock]) -> Clock | None:
    """Give what all readings of one clock say together."""
    if not clocks:
        return None
    lowest, highest = max(c.lowest_s for c in clocks), min(c.highest_s for c in clocks)
    return Clock(lowest, max(lowest, highest))
