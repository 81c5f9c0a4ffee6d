"""Typed domains: the values that one hyperparameter may take.

A domain has a range that a study searches (`low` to `high`) and, wider, the limits of what makes sense at all
(`at_least` to `at_most`): an override may move the range, but only within the limits.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, TypeAlias

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from spaces.errors import SpaceError
from spaces.unless import Unless

Scalar: TypeAlias = bool | int | float | str | None

# Optuna stores every number as a float, which cannot tell whole numbers apart beyond this.
LARGEST = 2**53
LARGEST_FLOAT = sys.float_info.max


def _check_range(domain: Int | Float) -> None:
    low, high = domain.low, domain.high
    if not math.isfinite(high - low):
        raise SpaceError(f"low, high and high - low must be finite, but got low={low}, high={high}")
    if low > high:
        raise SpaceError(f"low <= high must hold, but got low={low}, high={high}")
    if domain.log and low <= 0:
        raise SpaceError(f"a log range must start above 0, but got low={low}")
    if domain.log and not math.isfinite(high / low):
        raise SpaceError(f"high / low of a log range must be finite, but got low={low}, high={high}")
    if domain.at_least is not None and low < domain.at_least:
        raise SpaceError(f"low must be at least {domain.at_least}, but got low={low}")
    if domain.at_most is not None and high > domain.at_most:
        raise SpaceError(f"high must be at most {domain.at_most}, but got high={high}")


def _check_steps(domain: Int | Float) -> None:
    """Raise `SpaceError` unless `high` lies on the grid: Optuna would lower it, with a warning at every trial."""
    low, high, step = (Fraction(str(value)) for value in (domain.low, domain.high, domain.step))
    steps = (high - low) / step
    if steps.denominator != 1 or steps > LARGEST:
        raise SpaceError(
            f"a whole number of steps, {LARGEST} at most, must lead from low to high, "
            f"but got low={domain.low}, high={domain.high}, step={domain.step}"
        )


def _is_scalar(value: object) -> bool:
    return isinstance(value, bool | int | str | None) or (isinstance(value, float) and math.isfinite(value))


@dataclass(frozen=True)
class Int:
    """A whole number from `low` to `high`, both inclusive."""

    low: int
    high: int
    log: bool = field(default=False, kw_only=True)
    step: int = field(default=1, kw_only=True)
    at_least: int | None = field(default=None, kw_only=True)
    at_most: int | None = field(default=None, kw_only=True)
    unless: Unless | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        for name, value in (("low", self.low), ("high", self.high), ("step", self.step)):
            if isinstance(value, bool) or not isinstance(value, int):
                raise SpaceError(f"{name} of an Int must be a whole number, but got {name}={value!r}")
            if abs(value) > LARGEST:
                raise SpaceError(f"{name} of an Int must be within {LARGEST} of 0, but got {name}={value}")
        _check_range(self)
        if self.step < 1 or (self.log and self.step != 1):
            raise SpaceError(f"step must be at least 1, and 1 on a log range, but got step={self.step}, log={self.log}")
        _check_steps(self)

    @property
    def distribution(self) -> BaseDistribution:
        """The same range as an Optuna distribution."""
        return IntDistribution(self.low, self.high, log=self.log, step=self.step)

    def to_json(self) -> dict[str, Any]:
        """Return what identifies this domain, which excludes the limits for overrides."""
        return {"int": [self.low, self.high], "log": self.log, "step": self.step, **_describe_unless(self)}

    def __str__(self) -> str:
        step = self.step if self.step != 1 else None
        return f"{self.low}:{self.high}" + _format_suffix(self.log, step, self.unless)


@dataclass(frozen=True)
class Float:
    """A real number from `low` to `high`, both inclusive; on a grid if `step` is given."""

    low: float
    high: float
    log: bool = field(default=False, kw_only=True)
    step: float | None = field(default=None, kw_only=True)
    at_least: float | None = field(default=None, kw_only=True)
    at_most: float | None = field(default=None, kw_only=True)
    unless: Unless | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        for name, value in (("low", self.low), ("high", self.high), ("step", self.step)):
            if value is None and name == "step":
                continue
            if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= LARGEST_FLOAT:
                raise SpaceError(f"{name} of a Float must be a finite number, but got {name}={value!r}")
            object.__setattr__(self, name, float(value))
        _check_range(self)
        if self.step is not None:
            if self.step <= 0 or self.log:
                raise SpaceError(
                    f"step must be above 0, and absent on a log range, but got step={self.step}, log={self.log}"
                )
            _check_steps(self)

    @property
    def distribution(self) -> BaseDistribution:
        """The same range as an Optuna distribution."""
        return FloatDistribution(self.low, self.high, log=self.log, step=self.step)

    def to_json(self) -> dict[str, Any]:
        """Return what identifies this domain, which excludes the limits for overrides."""
        return {"float": [self.low, self.high], "log": self.log, "step": self.step, **_describe_unless(self)}

    def __str__(self) -> str:
        return f"{self.low}:{self.high}" + _format_suffix(self.log, self.step, self.unless)


@dataclass(frozen=True)
class Fixed:
    """One value that does not vary: part of the configuration, but not a parameter of the study.

    `domain` is what it was before it was fixed, so that its limits (or choices) still apply. An `implied` value is what
    a configuration without it means: an option that a technique got later. It is no part of a space's description and
    digest, so that studies that were stored before continue.
    """

    value: Scalar
    domain: Int | Float | Categorical | None = field(default=None, kw_only=True, compare=False)
    implied: bool = field(default=False, kw_only=True, compare=False)

    def __post_init__(self) -> None:
        if not _is_scalar(self.value):
            raise SpaceError(f"a fixed value must be None, a bool, a finite number or a string, but got {self.value!r}")

    def to_json(self) -> dict[str, Any]:
        """Return what identifies this domain."""
        return {"fixed": self.value}

    def __str__(self) -> str:
        return f"= {_format_value(self.value)}"


@dataclass(frozen=True, init=False)
class Categorical:
    """One of several choices; each choice may have a sub-space.

    Built from plain values, `Categorical("relu", "gelu")`, or from a mapping of names to sub-spaces,
    `Categorical({"sgd": Space(), "momentum": Space(momentum=Float(0.5, 0.99))})`. The first gives plain values in
    the configuration, the second a `Choice` with options from the chosen sub-space.

    With `inline=True` the choices are recipes: the options of the chosen one become values of the configuration
    itself, next to the recipe's name. A space can thus compare sets of values that belong together without mixing
    them, such as SELU with LeCun's initialization and ReLU with He's.
    """

    choices: tuple[Scalar, ...]
    spaces: Mapping[str, Any] = field(hash=False)
    inline: bool
    unless: Unless | None

    def __init__(
        self, *choices: Scalar | Mapping[str, Any], inline: bool = False, unless: Unless | None = None
    ) -> None:
        spaces: Mapping[str, Any] = {}
        if len(choices) == 1 and isinstance(choices[0], Mapping):
            spaces = dict(choices[0])
            names: tuple[Any, ...] = tuple(spaces)
        else:
            names = choices
        object.__setattr__(self, "choices", names)
        object.__setattr__(self, "spaces", spaces)
        object.__setattr__(self, "inline", inline)
        object.__setattr__(self, "unless", unless)
        self._check()

    def _check(self) -> None:
        if not self.choices:
            raise SpaceError("a Categorical needs at least one choice, but got none")
        if self.inline and not self.spaces:
            raise SpaceError(f"inline choices need sub-spaces, but got {list(self.choices)}")
        for choice in self.choices:
            if not _is_scalar(choice):
                raise SpaceError(f"a choice must be None, a bool, a finite number or a string, but got {choice!r}")
            if self.spaces and not isinstance(choice, str):
                raise SpaceError(f"a choice with a sub-space must be named by a string, but got {choice!r}")
        # Compared as Optuna does, which cannot tell 1 from 1.0 or True.
        if len(set(self.choices)) != len(self.choices):
            raise SpaceError(f"choices must differ, but got {list(self.choices)}")

    @property
    def distribution(self) -> BaseDistribution:
        """The same choices as an Optuna distribution."""
        return CategoricalDistribution(self.choices)

    def to_json(self) -> dict[str, Any]:
        """Return what identifies this domain, which includes the order of the choices."""
        return {
            "choices": list(self.choices),
            "spaces": {name: space.to_json() for name, space in self.spaces.items()},
            **({"inline": True} if self.inline else {}),
            **_describe_unless(self),
        }

    def __str__(self) -> str:
        return ",".join(_format_value(choice) for choice in self.choices) + str(self.unless or "")


Domain: TypeAlias = Int | Float | Categorical | Fixed


def is_implied(domain: Domain) -> bool:
    """Return whether a space means the same without this domain."""
    return isinstance(domain, Fixed) and domain.implied


def _format_suffix(log: bool, step: float | None, unless: Unless | None) -> str:
    return (" log" if log else "") + (f" step {step}" if step is not None else "") + str(unless or "")


def _describe_unless(domain: Int | Float | Categorical) -> dict[str, Any]:
    return {} if domain.unless is None else {"unless": domain.unless.to_json()}


def _format_value(value: Scalar) -> str:
    """Return the value as text, quoted if it could be mistaken for another: different values never look the same."""
    plain = not isinstance(value, str) or (value.isidentifier() and value not in ("None", "True", "False"))
    return str(value) if plain else repr(value)
