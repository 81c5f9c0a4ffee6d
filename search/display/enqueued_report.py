"""How `try` shows what a study will train next."""

from __future__ import annotations

from search.api.studies import Enqueued
from search.display.formats import format_parameters
from search.display.output import say


def show_enqueued(found: Enqueued) -> None:
    """Print the trials that wait, and what they cost."""
    for one in found.trials:
        say(f"study {found.study}: trial {one.trial} waits: {format_parameters(one.params)}")
    each = "a trial" if found.repeats == 1 else f"{found.repeats} trials"
    say(f"they begin before any that the sampler proposes, and each is {each} of the study's budget")
