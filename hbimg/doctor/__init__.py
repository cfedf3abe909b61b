"""The doctor: meets a store as a newcomer does and tells what is wrong with it, each finding with its fix.

`examine` is the way in. A check is a function from what was seen (`hbimg.doctor.cluster.Cluster`) to findings; the list
of them is `hbimg.doctor.checks.CHECKS`. All that asks anybody anything is `hbimg.doctor.network.Network`.
"""

from __future__ import annotations

from hbimg.doctor.examine import HowToLook, diagnose, examine
from hbimg.doctor.findings import Finding, Severity
from hbimg.doctor.places import Places, server_of

__all__ = ["Finding", "HowToLook", "Places", "Severity", "diagnose", "examine", "server_of"]
