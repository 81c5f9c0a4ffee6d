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
    from search.commands.settings import load_settings

    settings = load_settings(storage=storage)
    if watch:
        from search.display.live.watch_report import watch_study

        watch_study(study, settings, as_json=json)
        return

    from search.connection import open_for_status
    from search.display.output import present
    from search.display.status_report import show_status
    from search.study.status import read_status
    from storage.records import studies

    with open_for_status(settings) as engine:
        found = read_status(engine, studies.get(engine, study))
    present(found, show_status, as_json=json)


COMMAND = Command(name="status", order=110, run=status)
