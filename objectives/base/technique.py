"""What every entry of every registry has: its options, what it asks of others, where it comes from."""

from __future__ import annotations

from dataclasses import dataclass, field

from spaces import Choice, Scalar, Space


@dataclass(frozen=True, kw_only=True)
class Condition:
    """What a technique asks of another field of the same configuration.

    field: a field of the network's or the training's configuration; or `model`, the network's name, or
    `validation`, whether there are examples that are not trained on.
    values: what that field must be one of or, where `forbids`, must not be.
    """

    field: str
    values: tuple[Scalar, ...]
    forbids: bool = False

    def is_broken_by(self, value: object) -> bool:
        """Whether the field must not have this value; of a choice the name counts."""
        return (name_of(value) in self.values) == self.forbids

    def __str__(self) -> str:
        verb = "forbids" if self.forbids else "needs"
        return f"{verb} {self.field} {' or '.join(map(str, self.values))}"


def name_of(value: object) -> object:
    """The name of a choice, whatever its options; any other value as it is."""
    return value.name if isinstance(value, Choice) else value


def needs(field: str, *values: Scalar) -> Condition:
    """The other field must be one of these values."""
    return Condition(field=field, values=values)


def forbids(field: str, *values: Scalar) -> Condition:
    """The other field must be none of these values."""
    return Condition(field=field, values=values, forbids=True)


@dataclass(frozen=True, kw_only=True)
class Technique:
    """An entry of a registry: one line of description with its source, its options, its conditions.

    space: every option it has, with the range that a study searches by default; one that is not searched unless
    asked for is Fixed at its default, and its domain keeps the limits.
    """

    description: str
    space: Space = field(default_factory=Space)
    conditions: tuple[Condition, ...] = ()
