"""What the doctor says: a finding, with what was seen, how bad it is, and the fix."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """How bad a finding is; only problems make `hbimg doctor` end with 1."""

    OK = "ok"
    ADVICE = "advice"
    UNKNOWN = "unknown"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was seen.

    Attributes
    ----------
    name : str
        Stable name, e.g. ``clock-skew``: docs/doctor.md has a line on each.
    severity : Severity
    where : str
        The servers, files or tables it was seen at.
    seen : str
        What was seen, with its value.
    fix : str
        What to do, naming the server's setting; empty if there is nothing to do.
    """

    name: str
    severity: Severity
    where: str
    seen: str
    fix: str = ""


def ok(name: str, where: str, seen: str) -> Finding:
    """Give the finding that something is as it should be."""
    return Finding(name, Severity.OK, where, seen)


def problem(name: str, where: str, seen: str, fix: str) -> Finding:
    """Give the finding that something will fail, lose data or lose locality."""
    return Finding(name, Severity.PROBLEM, where, seen, fix)


def advice(name: str, where: str, seen: str, fix: str) -> Finding:
    """Give the finding that something works, and would work better otherwise."""
    return Finding(name, Severity.ADVICE, where, seen, fix)


def unknown(name: str, where: str, seen: str, fix: str) -> Finding:
    """Give the finding that something could not be looked at."""
    return Finding(name, Severity.UNKNOWN, where, seen, fix)
