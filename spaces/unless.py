"""When a domain does not exist although the choice that it belongs to is made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from spaces.configuration import Choice


@dataclass(frozen=True)
class Unless:
    """A condition of a domain: it does not exist beside certain choices of another value of the configuration.

    field: the other value's name in the configuration. choices: those beside which there is no such parameter.
    """

    field: str
    choices: tuple[str, ...]

    def holds(self, values: Mapping[str, Any]) -> bool:
        """Return whether these values of a configuration make such a choice."""
        value = values.get(self.field)
        return (value.name if isinstance(value, Choice) else value) in self.choices

    @classmethod
    def from_json(cls, described: Mapping[str, Any] | None) -> Unless | None:
        """Return the condition that `to_json` described; None for None."""
        return None if described is None else cls(described["field"], tuple(described["choices"]))

    def to_json(self) -> dict[str, Any]:
        """Return what identifies this condition."""
        return {"field": self.field, "choices": list(self.choices)}

    def __str__(self) -> str:
        return f" unless {self.field} is {' or '.join(self.choices)}"
