"""`search void`."""

from __future__ import annotations

from typing import Annotated

import typer

from search.commands import options
from search.commands.command import Command


def void(
    study: options.Study,
    trial: options.Trial,
    reason: Annotated[
        str, typer.Option(help="Why: a broken machine, wrong data. It is shown with the trial.", metavar="REASON")
    ],
    storage: options.Storage = None,
) -> None:
    """Keep a trial, but let nothing count it or learn from it; its slot of the budget is free again."""
    from contextlib import closing

    from search.api.control import void_trial
    from search.api.session import open_session
    from search.commands.settings import load_settings
    from search.display.output import say

    with closing(open_session(study, load_settings(storage=storage))) as session:
        for text in void_trial(session, trial, reason).sentences:
            say(text)


COMMAND = Command(name="void", order=46, run=void)
