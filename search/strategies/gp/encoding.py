"""A space's parameters as numbers: units in [0, 1] to draw and compare by, features for the model.

Shapes: N trials or candidates, P parameters, C columns of features. A parameter that a trial does not have is NaN
among the units.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from spaces import Space

Array = NDArray[np.float64]

# A parameter that is absent is where neither end pulls; two choices are about as far apart as two ends.
ABSENT = 0.5
CHOICE = 0.7


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """One parameter, and the choices under which it exists: (place of the parameter, index of the choice)."""

    name: str
    distribution: BaseDistribution
    under: tuple[tuple[int, int], ...]

    @property
    def choices(self) -> int:
        """How many choices there are; 0 for a number."""
        return len(self.distribution.choices) if isinstance(self.distribution, CategoricalDistribution) else 0

    def index(self, units_N: Array) -> NDArray[np.int64]:
        """Which choice a unit stands for; -1 where the parameter is absent."""
        indices = np.minimum(np.nan_to_num(units_N) * self.choices, self.choices - 1).astype(np.int64)
        return np.where(np.isnan(units_N), -1, indices)

    def draw(self, uniform_N: Array) -> Array:
        """The units of values drawn by numbers from 0 to 1: every whole number is as likely as the others."""
        if self.choices:
            return self.snap(uniform_N)
        low, high, step, log = _range(self.distribution)
        first = max(low - step / 2, 0.75 * low) if log else low - step / 2
        return self._units(self._rounded(_between(first, high + step / 2, log, uniform_N)))

    def snap(self, units_N: Array) -> Array:
        """The units of the nearest values."""
        if self.choices:
            return (self.index(units_N) + 0.5) / self.choices
        return self._units(self._numbers(units_N))

    def value(self, unit: float) -> Any:
        """The value at a unit, as Optuna gives it to an objective."""
        if isinstance(self.distribution, CategoricalDistribution):
            return self.distribution.choices[int(self.index(np.array([unit]))[0])]
        number = float(self._numbers(np.array([unit]))[0])
        return round(number) if isinstance(self.distribution, IntDistribution) else number

    def unit(self, value: Any) -> float:
        """Where a value lies, for a choice the middle of its part; NaN for one that is not this parameter's."""
        if not self.contains(value):
            return math.nan
        if isinstance(self.distribution, CategoricalDistribution):
            return (self.distribution.choices.index(value) + 0.5) / self.choices
        return float(self._units(np.array([float(value)]))[0])

    def contains(self, value: Any) -> bool:
        """Whether a value, of this or of another space's parameter, is in range."""
        if isinstance(self.distribution, CategoricalDistribution):
            return value in self.distribution.choices
        low, high, _, _ = _range(self.distribution)
        return isinstance(value, int | float) and low <= value <= high

    def _numbers(self, units_N: Array) -> Array:
        low, high, _, log = _range(self.distribution)
        return self._rounded(_between(low, high, log, units_N))

    def _rounded(self, numbers_N: Array) -> Array:
        low, high, step, _ = _range(self.distribution)
        if step:
            numbers_N = low + np.round((numbers_N - low) / step) * step
        return np.asarray(np.clip(numbers_N, low, high), dtype=np.float64)

    def _units(self, numbers_N: Array) -> Array:
        low, high, _, log = _range(self.distribution)
        if low == high:
            return np.full(len(numbers_N), ABSENT)
        units = np.log(numbers_N / low) / np.log(high / low) if log else (numbers_N - low) / (high - low)
        return np.asarray(units, dtype=np.float64)


class Encoding:
    """All parameters of a space that vary, in the space's order."""

    def __init__(self, space: Space) -> None:
        varying = space.distributions()
        places = {name: place for place, name in enumerate(varying)}
        self.parameters = tuple(
            Parameter(
                name=entry.name,
                distribution=varying[entry.name],
                # A parent with a single choice is no parameter: what depends on it alone always exists.
                under=tuple(
                    (places[parent], _choices(varying[parent]).index(choice))
                    for parent, choice in entry.under
                    if parent in places
                ),
            )
            for entry in space.entries()
            if entry.name in varying
        )
        widths = [max(1, parameter.choices) for parameter in self.parameters]
        # Shape (C,): the parameter that a column of features belongs to.
        self.owner = np.repeat(np.arange(len(widths)), widths)

    def __len__(self) -> int:
        return len(self.parameters)

    def units(self, values: Mapping[str, Any]) -> Array:
        """Shape (P,): where a trial's parameters lie; NaN for those that it lacks or that lie outside."""
        units = np.full(len(self), np.nan)
        for place, parameter in enumerate(self.parameters):
            if parameter.name in values:
                units[place] = parameter.unit(values[parameter.name])
        return units

    def values(self, units_P: Array) -> dict[str, Any]:
        """The parameters that exist at these units, with their values."""
        exists = self.existing(units_P[None])[0]
        return {
            parameter.name: parameter.value(float(unit))
            for parameter, unit, there in zip(self.parameters, units_P, exists, strict=True)
            if there
        }

    def existing(self, units_NP: Array) -> NDArray[np.bool_]:
        """Shape (N, P): whether the choices under which a parameter exists are made."""
        exists = np.ones(units_NP.shape, dtype=np.bool_)
        for place, parameter in enumerate(self.parameters):
            for parent, choice in parameter.under:
                exists[:, place] &= self.parameters[parent].index(units_NP[:, parent]) == choice
        return exists

    def draw(self, uniform_NP: Array) -> Array:
        """The units of configurations drawn by numbers from 0 to 1."""
        columns = [parameter.draw(uniform_NP[:, place]) for place, parameter in enumerate(self.parameters)]
        return np.stack(columns, axis=1)

    def snap(self, units_NP: Array) -> Array:
        """The units of the nearest configurations."""
        columns = [parameter.snap(units_NP[:, place]) for place, parameter in enumerate(self.parameters)]
        return np.stack(columns, axis=1)

    def features(self, units_NP: Array) -> Array:
        """Shape (N, C): a number as its unit, a choice as one column each; what does not exist is the same."""
        units_NP = np.where(self.existing(units_NP), units_NP, np.nan)
        return np.concatenate([self._columns(place, units_NP[:, place]) for place in range(len(self))], axis=1)

    def _columns(self, place: int, units_N: Array) -> Array:
        parameter = self.parameters[place]
        if not parameter.choices:
            return np.where(np.isnan(units_N), ABSENT, units_N)[:, None]
        chosen = parameter.index(units_N)[:, None] == np.arange(parameter.choices)
        return np.asarray(CHOICE * chosen, dtype=np.float64)


def _choices(distribution: BaseDistribution) -> tuple[Any, ...]:
    assert isinstance(distribution, CategoricalDistribution)
    return distribution.choices


def _range(distribution: BaseDistribution) -> tuple[float, float, float, bool]:
    """Low, high, step (0 for none) and whether it is logarithmic."""
    assert isinstance(distribution, IntDistribution | FloatDistribution)
    return distribution.low, distribution.high, distribution.step or 0.0, distribution.log


def _between(low: float, high: float, log: bool, shares_N: Array) -> Array:
    """The numbers at these shares of the way from low to high."""
    numbers = low * (high / low) ** shares_N if log else low + shares_N * (high - low)
    return np.asarray(numbers, dtype=np.float64)
