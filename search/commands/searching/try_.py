"""`search try`."""

from __future__ import annotations

from typing import Annotated

import typer

from search.commands import options
from search.commands.command import Command


def try_(
    study: options.Study,
    set_: Annotated[
        list[str],
        typer.Option(
            "--set",
            help="A parameter's value: depth=3, optimizer=nesterov, momentum=0.9; depth=3,5 makes two configurations. "
            "Repeatable.",
            metavar="NAME=VALUE",
        ),
    ],
    storage: options.Storage = None,
    json: options.Json = False,
) -> None:
    """Let a study train configurations of your own next, within its budget; the sampler chooses what you leave open."""
    from contextlib import closing

    from search.api.session import open_session
    from search.api.studies import enqueue
    from search.commands.settings import load_settings
    from search.display.enqueued_report import show_enqueued
    from search.display.output import note, present
    from search.strategies.given import split_assignments

    wanted = list(split_assignments(set_))
    with closing(open_session(study, load_settings(storage=storage))) as session:
        found = enqueue(session, wanted)
    present(found, show_enqueued, as_json=json)
    for text in found.notes:
        note(f"note: {text}")


COMMAND = Command(name="try", order=50, run=try_)
