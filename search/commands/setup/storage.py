"""`search storage`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from search.commands import options
from search.commands.command import Command


def storage(
    action: Annotated[
        str, typer.Argument(help="show, start, stop, backup, restore or copy.", metavar="[ACTION]")
    ] = "show",
    file: Annotated[Path | None, typer.Option(help="File to back up to or restore from.")] = None,
    study: options.AnyStudy = None,
    to: Annotated[str | None, typer.Option(help="URL to copy the study to.", metavar="URL")] = None,
    storage: options.Storage = None,
    json: options.Json = False,
) -> None:
    """Where studies are kept: show it, start or stop the embedded server, back up, copy a study."""
    from search.api.storage import storage_action
    from search.settings import load

    storage_action(action, load(storage=storage), file=file, study=study, to=to, as_json=json)


COMMAND = Command(name="storage", order=210, run=storage)
