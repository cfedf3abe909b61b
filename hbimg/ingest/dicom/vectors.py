"""The little vector arithmetic that placing planes needs."""

from __future__ import annotations

from collections.abc import Sequence

Vector = tuple[float, float, float]


def vector(numbers: Sequence[float]) -> Vector:
    """Give three numbers as a vector."""
    x, y, z = numbers
    return (x, y, z)


def dot(a: Sequence[float], b: Sequence[float]) -> float:
    """Give the scalar product."""
    return sum(x * y for x, y in zip(a, b, strict=True))


def cross(a: Vector, b: Vector) -> Vector:
    """Give the vector product."""
    return (a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0])
