"""`search cancel`."""

from __future__ import annotations

from search.commands import options
from search.commands.command import Command


def cancel(study: options.Study, trial: options.Trial, storage: options.Storage = None) -> None:
    """End a trial that runs, as pruned and with its slot spent, or remove one that waits."""
    from contextlib import closing

    from search.api.control import cancel_trial
    from search.api.session import open_session
    from search.commands.settings import load_settings
    from search.display.output import say

    with closing(open_session(study, load_settings(storage=storage))) as session:
        for text in cancel_trial(session, trial).sentences:
            say(text)


COMMAND = Command(name="cancel", order=42, run=cancel)
