"""`search drain`."""

from __future__ import annotations

from typing import Annotated

import typer

from search.commands import options
from search.commands.command import Command


def drain(
    worker: Annotated[
        str,
        typer.Option(help="Its name in `search status`, or a host for all workers there.", metavar="NAME|HOST"),
    ],
    now: Annotated[
        bool, typer.Option("--now", help="Do not finish the trial: store its state, for another worker.")
    ] = False,
    storage: options.Storage = None,
) -> None:
    """Let one worker finish its trial and leave; the others continue."""
    from search.api.control import drain_workers
    from search.commands.settings import load_settings
    from search.connection import open_storage
    from search.display.output import say
    from storage.leasing.workers import abbreviate, get_host

    with open_storage(load_settings(storage=storage)) as database:
        names = drain_workers(database, worker, at_once=now)
    when = "stores its trial's state and leaves" if now else "leaves after its trial"
    for name in names:
        say(f"worker {abbreviate(name)} on {get_host(name)} {when}; the others continue")


COMMAND = Command(name="drain", order=44, run=drain)
