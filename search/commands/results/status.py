"""`search status`."""

from __future__ import annotations

from search.commands import options
from search.commands.command import Command


def status(study: options.Study, storage: options.Storage = None, json: options.Json = False) -> None:
    """Show a study's trials, budget, workers and best configuration."""
    from contextlib import closing

    from search.api.session import open_session
    from search.commands.settings import load_settings
    from search.display.output import present
    from search.display.status_report import show_status

    with closing(open_session(study, load_settings(storage=storage))) as session:
        found = session.view.status()
    present(found, show_status, as_json=json)


COMMAND = Command(name="status", order=110, run=status)
