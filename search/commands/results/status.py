"""`search status`."""

from __future__ import annotations

from search.commands import options
from search.commands.command import Command


def status(study: options.Study, storage: options.Storage = None, json: options.Json = False) -> None:
    """Show a study's trials, budget, workers and best configuration."""
    from search.display.status_report import show_status
    from search.settings import load

    show_status(study, load(storage=storage), as_json=json)


COMMAND = Command(name="status", order=110, run=status)
