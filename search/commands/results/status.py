"""`search status`."""

from __future__ import annotations

from typing import Annotated

import typer

from search.commands import options
from search.commands.command import Command

Watch = Annotated[
    bool,
    typer.Option(
        "--watch", help="Show the study live until it has ended, or `q` or Ctrl-C is pressed; change nothing."
    ),
]


def status(
    study: options.Study, watch: Watch = False, storage: options.Storage = None, json: options.Json = False
) -> None:
    """Show a study's trials, budget, workers and best configuration."""
    from contextlib import closing

    from search.api.session import open_session
    from search.commands.settings import load_settings
    from search.display.output import present
    from search.display.status_report import show_status

    if watch:
        from search.display.live.watch_report import watch_study

        watch_study(study, load_settings(storage=storage), as_json=json)
        return
    with closing(open_session(study, load_settings(storage=storage))) as session:
        found = session.view.status()
    present(found, show_status, as_json=json)


COMMAND = Command(name="status", order=110, run=status)
