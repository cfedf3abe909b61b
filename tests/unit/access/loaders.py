"""What a loader's worker does with a volume; a module of its own, so that spawned workers can import it."""

from __future__ import annotations


def mean_of(volume) -> float:
    return float(volume.open().get_fdata().mean())
