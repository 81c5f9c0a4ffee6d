"""How `storage` shows what it found or did."""

from __future__ import annotations

from search.api.setup.storage import Outcome
from search.display.output import say


def show_outcome(outcome: Outcome) -> None:
    """Print the outcome's sentence or, without one, its facts line by line."""
    if outcome.sentence is not None:
        say(outcome.sentence)
        return
    for name, value in outcome.facts.items():
        say(f"{name:11} {value}")
