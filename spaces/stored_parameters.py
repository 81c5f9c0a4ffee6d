"""A trial's stored parameters, checked against the domains that they were drawn from."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Real
from typing import Any

from spaces.domains import Categorical, Float, Int, Scalar
from spaces.errors import SpaceError

# How far a value may be off the grid, as a fraction of a step; the same as in Optuna.
_TOLERANCE = 1e-8


class StoredParameters:
    """The parameters of a finished trial, which are taken one by one.

    Stricter than Optuna's `FixedTrial`, which accepts values out of range with a warning and numbers of another
    type without one.
    """

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        self._parameters = dict(parameters)
        self._taken: set[str] = set()

    def take(self, name: str, domain: Int | Float | Categorical) -> Scalar:
        """Return the value of the parameter `name`, converted to its domain's type.

        Raises:
            SpaceError: there is no such parameter, or its value is not in the domain.
        """
        if isinstance(domain, Categorical) and len(domain.choices) == 1:
            return domain.choices[0]
        if name not in self._parameters:
            raise SpaceError(f"the space has {name!r} ({domain}), but the parameters have {self._list_names()}")
        self._taken.add(name)
        value = self._parameters[name]
        return (
            _check_choice(name, domain, value)
            if isinstance(domain, Categorical)
            else _check_number(name, domain, value)
        )

    def check_all_taken(self) -> None:
        """Raise `SpaceError` if the space did not ask for a parameter; the message has the first such parameter."""
        for name, value in self._parameters.items():
            if name not in self._taken:
                raise SpaceError(
                    f"the space has no {name!r} for these choices, but the parameters have {name}={value!r}"
                )

    def _list_names(self) -> str:
        return ", ".join(self._parameters) or "nothing"


def _check_choice(name: str, domain: Categorical, value: object) -> Scalar:
    for choice in domain.choices:
        if choice == value and isinstance(choice, bool) == isinstance(value, bool):
            return choice
    raise SpaceError(f"{name} must be one of {domain}, but got {value!r}")


def _check_number(name: str, domain: Int | Float, value: Any) -> int | float:
    is_number = isinstance(value, Real) and not isinstance(value, bool)
    if not (is_number and domain.low <= value <= domain.high):
        raise SpaceError(f"{name} must be a number in {domain}, but got {value!r}")
    steps = (float(value) - domain.low) / domain.step if domain.step else 0.0
    if abs(steps - round(steps)) > _TOLERANCE:
        raise SpaceError(f"{name} must be on the grid of {domain}, but got {value!r}")
    return int(value) if isinstance(domain, Int) else float(value)
