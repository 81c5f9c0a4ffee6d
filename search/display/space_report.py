"""How `space` shows spaces, objectives and techniques."""

from __future__ import annotations

from collections.abc import Sequence

from search.api.setup.catalogue import TechniqueRow
from search.api.setup.space import ObjectiveRow, SpaceDescription
from search.display.output import print_table, say


def show_space(found: SpaceDescription) -> None:
    """Print a space's parameters and its digest."""
    print_table(
        ("parameter", "range", "only if"),
        [(parameter.name, parameter.range, parameter.condition) for parameter in found.space],
    )
    say(f"digest {found.digest[:12]}")


def show_objectives(found: Sequence[ObjectiveRow]) -> None:
    """Print one line for each objective."""
    print_table(
        ("objective", "data", "epochs", "trials", "what is searched"),
        [(row.objective, row.data, row.epochs, row.trials, row.description) for row in found],
    )


def show_catalogue(found: Sequence[TechniqueRow]) -> None:
    """Print the techniques, one table for each group."""
    for group in dict.fromkeys(row.group for row in found):
        say(group)
        rows = [(row.name, row.options, row.conditions, row.description) for row in found if row.group == group]
        print_table(("name", "options", "conditions", "description"), rows)
