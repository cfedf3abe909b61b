"""A quantity that is one number or varies from job to job: constant, uniform, log-normal, mixture, or measured values.

The closed forms use a distribution's mean; the simulator draws from it. Values are in the quantity's base unit (bytes
or seconds), never negative.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

import numpy as np

from hbimg.errors import ParameterError
from hbimg.perfmodel.units import require_not_negative, require_positive

if TYPE_CHECKING:
    from numpy.typing import NDArray

Kind = Literal["constant", "uniform", "lognormal", "mixture", "sample"]


@dataclass(frozen=True)
class Distribution:
    """How a quantity varies over jobs.

    `parameters` by kind: constant (value,); uniform (low, high); lognormal (mean, coefficient of variation); mixture
    (share, value, share, value, ...), the shares summing to 1; sample (value, value, ...), used in order and in turn,
    so that two samples of one length stay paired. ParameterError when a value is negative or not finite.
    """

    kind: Kind
    parameters: tuple[float, ...]
    _mean: float = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for value in self.parameters:
            require_not_negative(f"a value of the {self.kind} distribution", value)
        _CHECKS[self.kind](self.parameters)
        # Kept, because a sample may hold a million values and every equation asks for the mean.
        object.__setattr__(self, "_mean", self._expected())

    def mean(self) -> float:
        """Expected value."""
        return self._mean

    def _expected(self) -> float:
        first = self.parameters[0]
        match self.kind:
            case "uniform":
                return (first + self.parameters[1]) / 2
            case "mixture":
                return sum(share * value for share, value in self._pairs())
            case "sample":
                return math.fsum(self.parameters) / len(self.parameters)
            case _:
                return first

    def draw(self, count: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """`count` values, shape (count,), float64."""
        match self.kind:
            case "uniform":
                return rng.uniform(self.parameters[0], self.parameters[1], count)
            case "lognormal":
                mean, variation = self.parameters
                variance = math.log1p(variation**2)
                return mean * rng.lognormal(-variance / 2, math.sqrt(variance), count)
            case "mixture":
                shares, values = zip(*self._pairs(), strict=True)
                return rng.choice(np.array(values), size=count, p=np.array(shares) / sum(shares))
            case _:
                return np.resize(np.array(self.parameters, dtype=np.float64), count)

    def scaled(self, factor: float) -> Distribution:
        """The distribution of the quantity times `factor`."""
        if self.kind == "lognormal":
            return Distribution("lognormal", (self.parameters[0] * factor, self.parameters[1]))
        if self.kind == "mixture":
            return Distribution("mixture", tuple(v for share, value in self._pairs() for v in (share, value * factor)))
        return Distribution(self.kind, tuple(value * factor for value in self.parameters))

    def _pairs(self) -> list[tuple[float, float]]:
        return list(zip(self.parameters[::2], self.parameters[1::2], strict=True))


def constant(value: float) -> Distribution:
    """The same value for every job."""
    return Distribution("constant", (float(value),))


def _check_count(kind: str, count: int) -> None:
    wanted = {"constant": 1, "uniform": 2, "lognormal": 2}[kind]
    if count != wanted:
        raise ParameterError(f"a {kind} distribution has {wanted} value(s), not {count}: see docs/model.md")


def _check_constant(parameters: tuple[float, ...]) -> None:
    _check_count("constant", len(parameters))


def _check_uniform(parameters: tuple[float, ...]) -> None:
    _check_count("uniform", len(parameters))
    if any(low > high for low, high in pairwise(parameters)):
        raise ParameterError(f"a uniform distribution from {parameters[0]} to {parameters[1]}: write the smaller first")


def _check_lognormal(parameters: tuple[float, ...]) -> None:
    _check_count("lognormal", len(parameters))
    require_positive("the mean of a lognormal distribution", parameters[0])
    if parameters[1] > _MOST_VARIATION:
        raise ParameterError(f"a coefficient of variation of {parameters[1]:g}: at most {_MOST_VARIATION:g}")


#: Beyond this no number of jobs that anyone runs has the mean that was asked for.
_MOST_VARIATION = 100.0


def _check_mixture(parameters: tuple[float, ...]) -> None:
    if not parameters or len(parameters) % 2:
        raise ParameterError("a mixture is a list of [share, value] pairs, as [[0.8, '30 s'], [0.2, '10 min']]")
    if not math.isclose(sum(parameters[::2]), 1.0, abs_tol=1e-6):
        raise ParameterError(f"the shares of a mixture add up to {sum(parameters[::2]):g}: they must add up to 1")


def _check_sample(parameters: tuple[float, ...]) -> None:
    if not parameters:
        raise ParameterError("a sample has no values: give at least one")


_CHECKS = {
    "constant": _check_constant,
    "uniform": _check_uniform,
    "lognormal": _check_lognormal,
    "mixture": _check_mixture,
    "sample": _check_sample,
}
