"""Quantities with units: text to numbers in bytes, bytes per second and seconds, and back.

Owns the rule that no size, speed or time of a description enters the model without its unit. `MB` is 10^6 bytes and
`MiB` is 2^20; `Mb` is refused, because it is read as megabit by some and as megabyte by others (the paper among them).
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from hbimg.errors import ParameterError

if TYPE_CHECKING:
    from collections.abc import Mapping

MIB = 2.0**20
GIB = 2.0**30

_SIZE_UNITS: Mapping[str, float] = {
    "B": 1.0,
    "kB": 1e3,
    "MB": 1e6,
    "GB": 1e9,
    "TB": 1e12,
    "KiB": 2.0**10,
    "MiB": MIB,
    "GiB": GIB,
    "TiB": 2.0**40,
}
_SPEED_UNITS: Mapping[str, float] = {
    **{f"{unit}/s": factor for unit, factor in _SIZE_UNITS.items()},
    "kbit/s": 125.0,
    "Mbit/s": 125e3,
    "Gbit/s": 125e6,
}
_TIME_UNITS: Mapping[str, float] = {"s": 1.0, "ms": 1e-3, "min": 60.0, "h": 3600.0, "d": 86400.0}
#: Beyond these a number is a slip of the pen: 1 EB, 1 EB/s, and three hundred years.
_MOST_BYTES, _MOST_BYTES_PER_S, _MOST_S = 1e18, 1e18, 1e10
_NUMBER = re.compile(r"\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*(\S*)\s*")


def parse_size(value: object, what: str) -> float:
    """Bytes of a text such as `"21.9 MiB"`; `what` names the field in the error (ParameterError)."""
    return _at_most(_MOST_BYTES, "B", _parse(value, what, _SIZE_UNITS, "20 MB"), what)


def parse_speed(value: object, what: str) -> float:
    """Bytes per second of a text such as `"70 MiB/s"` or `"1 Gbit/s"`; ParameterError names `what`."""
    speed = _at_most(_MOST_BYTES_PER_S, "B/s", _parse(value, what, _SPEED_UNITS, "70 MB/s"), what)
    if 0 < speed < 1:
        raise ParameterError(f"{what} = {value!r} is less than a byte per second: check the number and its unit")
    return speed


def parse_time(value: object, what: str, *, bare_seconds: bool = False) -> float:
    """Seconds of a text such as `"30 s"`, `"5min"` or `"2 h"`; a bare number only where `bare_seconds` is set."""
    return _at_most(_MOST_S, "s", _parse(value, what, _TIME_UNITS, "30 s", bare=bare_seconds), what)


def _at_most(most: float, unit: str, number: float, what: str) -> float:
    if number > most:
        raise ParameterError(f"{what} = {number:g} {unit} is too large: at most {most:g} {unit}")
    return number


def _parse(value: object, what: str, units: Mapping[str, float], example: str, *, bare: bool = False) -> float:
    match = _NUMBER.fullmatch(value) if isinstance(value, str) else None
    plain_number = isinstance(value, int | float) and not isinstance(value, bool)
    if plain_number or (match and not match[2] and not bare):
        raise ParameterError(f'{what} = {value} has no unit: write it as "{example}"')
    if match is None:
        raise ParameterError(f'{what} = {value!r} is no quantity: write a number and a unit, as "{example}"')
    unit = match[2] or next(iter(units))
    if unit not in units:
        raise ParameterError(f"{what} = {value!r}: unknown unit {unit!r}; known are {', '.join(units)}")
    return float(match[1]) * units[unit]


def format_size(size_bytes: float) -> str:
    """Text that `parse_size` reads back to exactly `size_bytes`, in the largest unit that allows it."""
    return _format(size_bytes, _SIZE_UNITS)


def format_speed(speed_bytes_per_s: float) -> str:
    """Text that `parse_speed` reads back to exactly `speed_bytes_per_s`."""
    return _format(speed_bytes_per_s, {u: f for u, f in _SPEED_UNITS.items() if "bit" not in u})


def format_time(time_s: float) -> str:
    """Text that `parse_time` reads back to exactly `time_s`."""
    return _format(time_s, {"s": 1.0})


def _format(value: float, units: Mapping[str, float]) -> str:
    for unit, factor in sorted(units.items(), key=lambda item: -item[1]):
        short = f"{value / factor:.6g}"
        if value >= factor and float(short) * factor == value and "e" not in short:
            return f"{short} {unit}"
    return f"{value!r} {next(iter(units))}"


def human_size(size_bytes: float) -> str:
    """`size_bytes` for people, three digits, binary units: `21.9 MiB`."""
    for unit, factor in (("TiB", 2.0**40), ("GiB", GIB), ("MiB", MIB), ("KiB", 2.0**10)):
        if size_bytes >= factor:
            return (
                f"{size_bytes / factor:.3g} {unit}"
                if size_bytes < 1000 * factor
                else f"{size_bytes / factor:.0f} {unit}"
            )
    return f"{size_bytes:.0f} B"


def human_time(time_s: float) -> str:
    """`time_s` for people: `0.41 s`, `85.2 s`, `22.7 min`, `78.3 h`, `12.0 d`."""
    if math.isinf(time_s):
        return "never"
    for unit, factor, least in (("d", 86400.0, 4 * 86400.0), ("h", 3600.0, 7200.0), ("min", 60.0, 300.0)):
        if abs(time_s) >= least:
            return f"{time_s / factor:.1f} {unit}"
    return f"{time_s:.3g} s"


def require_positive(what: str, value: float) -> None:
    """Raise ParameterError unless `value` is a finite number above zero."""
    if not (math.isfinite(value) and value > 0):
        raise ParameterError(f"{what} = {value}: must be a finite number above 0")


def require_not_negative(what: str, value: float) -> None:
    """Raise ParameterError unless `value` is a finite number of at least zero."""
    if not (math.isfinite(value) and value >= 0):
        raise ParameterError(f"{what} = {value}: must be a finite number, 0 or more")


def require_share(what: str, value: float) -> None:
    """Raise ParameterError unless `value` lies between 0 and 1."""
    if not (math.isfinite(value) and 0 <= value <= 1):
        raise ParameterError(f"{what} = {value}: is a share and must lie between 0 and 1")
