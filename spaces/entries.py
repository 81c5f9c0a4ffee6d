"""The domains of a space as a list, each with the choices under which it exists."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from spaces.domains import Domain, Scalar
from spaces.limits import ends
from spaces.unless import Unless

# Choices that are made: pairs of a choosing parameter's full name and its value, outermost first.
Choices: TypeAlias = tuple[tuple[str, Scalar], ...]


@dataclass(frozen=True)
class Entry:
    """One domain of a space with its full name and the choices under which it exists, outermost first."""

    name: str
    domain: Domain
    under: Choices
    """Pairs of a choosing parameter's full name and the value that it must have."""
    unless: tuple[Choices, ...] = ()
    """The same for choices beside which it does not exist: if all of one group are made."""

    @property
    def condition(self) -> str:
        """The innermost choice, for people to read; empty if the domain always exists."""
        return f"{self.under[-1][0]} = {self.under[-1][1]}" if self.under else ""


def find_choices(entries: Sequence[Entry], unless: Unless) -> Iterator[Choices]:
    """Yield each group of choices by which the condition's field, wherever it stands, has one of its values."""
    for entry in entries:
        if entry.name.rpartition(".")[2] == unless.field:
            for choice in unless.choices:
                if choice in ends(entry.domain):
                    yield (*entry.under, (entry.name, choice))
