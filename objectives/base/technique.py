"""What every entry of every registry has: a description with its source, its options, its conditions."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from spaces import Choice, Scalar, Space


@dataclass(frozen=True, kw_only=True)
class Condition:
    """A demand of a technique on another field of the same configuration.

    field: a field of the network's or the training's configuration; or `model`, the network's name; or
    `validation`, whether there are examples that are not trained on.
    values: the values that the field must have one of or, if `forbids`, must not have.
    """

    field: str
    values: tuple[Scalar, ...]
    forbids: bool = False

    def is_broken_by(self, value: object) -> bool:
        """Return whether the field must not have this value; for a choice, the name counts."""
        return (name_of(value) in self.values) == self.forbids

    def __str__(self) -> str:
        verb = "forbids" if self.forbids else "needs"
        return f"{verb} {self.field} {' or '.join(map(str, self.values))}"


def name_of(value: object) -> object:
    """Return the name of a choice without its options; any other value as it is."""
    return value.name if isinstance(value, Choice) else value


def needs(field: str, *values: Scalar) -> Condition:
    """Return the condition that another field must have one of these values."""
    return Condition(field=field, values=values)


def forbids(field: str, *values: Scalar) -> Condition:
    """Return the condition that another field must have none of these values."""
    return Condition(field=field, values=values, forbids=True)


@dataclass(frozen=True, kw_only=True)
class Technique:
    """An entry of a registry: one line of description with its source, its options, its conditions.

    space: every option that the technique has, with the range that a study searches by default. An option that is
    not searched by default is Fixed at its default value, and keeps the limits of its domain.
    """

    kind: ClassVar[str] = "technique"
    """How messages name an entry of its registry, such as `optimizer`."""
    description: str
    space: Space = field(default_factory=Space)
    conditions: tuple[Condition, ...] = ()
