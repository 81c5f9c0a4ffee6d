"""A space's parameters as numbers: units in [0, 1] for drawing and comparing, features for the model.

Shapes: N trials or candidates, P parameters, C columns of features. The unit of a parameter that a trial does not
have is NaN.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
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
from spaces.entries import Choices

Array = NDArray[np.float64]

# The feature of an absent parameter: the middle, equally far from both ends of the range.
ABSENT = 0.5
# The feature of a choice that is made. Two choices are then 0.7 sqrt(2), about 1, apart: as far as the ends of a range.
CHOICE = 0.7
MISSING = object()
"""The value of an absent parameter: it equals no other, not even None, which may be a choice."""


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """A parameter that varies.

    under: the choices under which it exists, each as (index of the choosing parameter, index of the choice).
    unless: groups of such choices; it does not exist where all of one group are made.
    """

    name: str
    distribution: BaseDistribution
    under: tuple[tuple[int, int], ...]
    unless: tuple[tuple[tuple[int, int], ...], ...]

    @cached_property
    def choices(self) -> int:
        """Number of choices; 0 for a number."""
        return len(self.distribution.choices) if isinstance(self.distribution, CategoricalDistribution) else 0

    def index(self, units_N: Array) -> NDArray[np.int64]:
        """Return the index of the choice at each unit; -1 if the parameter is absent."""
        indices = np.minimum(units_N * self.choices, self.choices - 1)
        return np.where(np.isnan(units_N), -1, indices).astype(np.int64)

    def draw(self, uniform_N: Array) -> Array:
        """Return the units of values drawn from uniform numbers in [0, 1); all whole numbers are equally likely."""
        if self.choices:
            return self.snap(uniform_N)
        low, high, step, log = _range(self.distribution)
        first = max(low - step / 2, 0.75 * low) if log else low - step / 2
        return self._units(self._rounded(_between(first, high + step / 2, log, uniform_N)))

    def snap(self, units_N: Array) -> Array:
        """Return the units of the nearest values of the parameter."""
        if self.choices:
            return (self.index(units_N) + 0.5) / self.choices
        return self._units(self._numbers(units_N))

    def every(self, most: int) -> Array | None:
        """Return the units of all values; None if there are more than `most`."""
        if self.choices:
            return None if self.choices > most else (np.arange(self.choices) + 0.5) / self.choices
        low, high, step, _ = _range(self.distribution)
        steps = 0 if low == high else round((high - low) / step) if step else most
        numbers = low + step * np.arange(min(steps, most) + 1, dtype=np.float64)
        return None if steps >= most else self._units(self._rounded(numbers))

    def value(self, unit: float) -> Any:
        """Return the value at a unit, as Optuna passes it to an objective."""
        if isinstance(self.distribution, CategoricalDistribution):
            return self.distribution.choices[int(self.index(np.array([unit]))[0])]
        number = float(self._numbers(np.array([unit]))[0])
        return round(number) if isinstance(self.distribution, IntDistribution) else number

    def units(self, values: Sequence[Any]) -> Array:
        """Return the units of N values, possibly of another space's parameter; NaN for each that is not in range.

        Choices divide [0, 1] into equal intervals; the unit of a choice is the middle of its interval.
        """
        if isinstance(self.distribution, CategoricalDistribution):
            choices = self.distribution.choices
            places = [choices.index(value) if value in choices else math.nan for value in values]
            return (np.array(places) + 0.5) / len(choices)
        low, high, _, _ = _range(self.distribution)
        known = [isinstance(value, int | float) and low <= value <= high for value in values]
        numbers = np.array([float(value) if there else low for value, there in zip(values, known, strict=True)])
        return np.where(known, self._units(numbers), math.nan)

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

        def locate(choices: Choices) -> tuple[tuple[int, int], ...]:
            # A parent with a single choice is not a parameter: what depends on it alone always exists.
            found = [(parent, choice) for parent, choice in choices if parent in places]
            return tuple((places[parent], _choices(varying[parent]).index(choice)) for parent, choice in found)

        self.parameters = tuple(
            Parameter(
                name=entry.name,
                distribution=varying[entry.name],
                under=locate(entry.under),
                unless=tuple(map(locate, entry.unless)),
            )
            for entry in space.entries()
            if entry.name in varying
        )
        widths = [max(1, parameter.choices) for parameter in self.parameters]
        parents = [choices for each in self.parameters for choices in (each.under, *each.unless)]
        self._parents = {parent for choices in parents for parent, _ in choices}
        # Shape (C,): the index of the parameter that each column of features belongs to.
        self.owner = np.repeat(np.arange(len(widths)), widths)

    def __len__(self) -> int:
        return len(self.parameters)

    def units(self, values: Mapping[str, Any]) -> Array:
        """Return the units of a trial's parameters, shape (P,); NaN for each that is absent or out of range."""
        return np.asarray(self.units_of([values])[0], dtype=np.float64)

    def units_of(self, trials: Sequence[Mapping[str, Any]]) -> Array:
        """Return the units of the parameters of N trials, shape (N, P)."""
        columns = [each.units([values.get(each.name, MISSING) for values in trials]) for each in self.parameters]
        return np.stack(columns, axis=1) if columns else np.zeros((len(trials), 0))

    def values(self, units_P: Array) -> dict[str, Any]:
        """Return the values of the parameters that exist at these units, by name."""
        exists = self.exists(units_P[None])[0]
        return {
            parameter.name: parameter.value(float(unit))
            for parameter, unit, there in zip(self.parameters, units_P, exists, strict=True)
            if there
        }

    def exists(self, units_NP: Array) -> NDArray[np.bool_]:
        """Return for each parameter whether all choices under which it exists are made, shape (N, P)."""
        exists = np.ones(units_NP.shape, dtype=np.bool_)
        made = {parent: self.parameters[parent].index(units_NP[:, parent]) for parent in self._parents}
        for place, parameter in enumerate(self.parameters):
            for parent, choice in parameter.under:
                exists[:, place] &= made[parent] == choice
            for choices in parameter.unless:
                exists[:, place] &= ~np.all([made[parent] == choice for parent, choice in choices], axis=0)
        return exists

    def are_whole(self, units_NP: Array) -> NDArray[np.bool_]:
        """Return for each configuration whether all parameters that exist have a value, shape (N,)."""
        return np.asarray(~(np.isnan(units_NP) & self.exists(units_NP)).any(axis=1))

    def count(self, most: int) -> int | None:
        """Return the number of configurations; None if there are more than `most`."""
        every = self.list_all(np.full(len(self), np.nan), most)
        return None if every is None or len(every) > most else len(every)

    def list_all(self, held_P: Array, most: int) -> Array | None:
        """Return the units of all configurations, shape (N, P); None if there are more than `most`.

        held_P: the units of parameters that are decided, NaN for each that may have any of its values.
        """
        units_NP = np.full((1, len(self)), np.nan)
        for place, parameter in enumerate(self.parameters):
            values = parameter.every(most) if np.isnan(held_P[place]) else held_P[place : place + 1]
            exists = self.exists(units_NP)[:, place]
            if exists.any() and (values is None or len(units_NP) + exists.sum() * (len(values) - 1) > most):
                return None
            if exists.any() and values is not None:
                varied = np.repeat(units_NP[exists], len(values), axis=0)
                varied[:, place] = np.tile(values, exists.sum())
                units_NP = np.concatenate([units_NP[~exists], varied])
        return units_NP

    def draw(self, uniform_NP: Array) -> Array:
        """Return the units of configurations drawn from uniform numbers in [0, 1), shape (N, P)."""
        columns = [parameter.draw(uniform_NP[:, place]) for place, parameter in enumerate(self.parameters)]
        return np.stack(columns, axis=1)

    def snap(self, units_NP: Array) -> Array:
        """Return the units of the nearest configurations of the space, shape (N, P)."""
        columns = [parameter.snap(units_NP[:, place]) for place, parameter in enumerate(self.parameters)]
        return np.stack(columns, axis=1)

    def features(self, units_NP: Array) -> Array:
        """Return the model's inputs, shape (N, C): one column for a number, one for each choice of a categorical.

        Configurations that differ only in parameters that do not exist have equal features.
        """
        units_NP = np.where(self.exists(units_NP), units_NP, np.nan)
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
    """Return low, high, step (0 if there is none) and whether the scale is logarithmic."""
    assert isinstance(distribution, IntDistribution | FloatDistribution)
    return distribution.low, distribution.high, distribution.step or 0.0, distribution.log


def _between(low: float, high: float, log: bool, shares_N: Array) -> Array:
    """Return the numbers at these fractions of the way from low to high."""
    numbers = low * (high / low) ** shares_N if log else low + shares_N * (high - low)
    return np.asarray(numbers, dtype=np.float64)
