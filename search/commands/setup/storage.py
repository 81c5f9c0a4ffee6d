"""`search storage`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from search.commands import options
from search.commands.command import Command


def storage(
    action: Annotated[
        str, typer.Argument(help="show, start, stop, backup, restore, copy, prune or upgrade.", metavar="[ACTION]")
    ] = "show",
    file: Annotated[Path | None, typer.Option(help="File to back up to, or to restore from.")] = None,
    study: options.AnyStudy = None,
    to: Annotated[str | None, typer.Option(help="URL to copy the study to.", metavar="URL")] = None,
    check: Annotated[bool, typer.Option("--check", help="Only say what an upgrade or prune would do.")] = False,
    older_than: Annotated[
        int | None,
        typer.Option(metavar="DAYS", help="Prune studies that ended more than this many days ago; 90 by default."),
    ] = None,
    storage: options.Storage = None,
    json: options.Json = False,
) -> None:
    """Where studies are kept: show it, start or stop the embedded server, back up, copy a study, prune, upgrade."""
    from search.api.setup.storage import carry_out
    from search.commands.settings import load_settings, warn_of_password
    from search.display.output import present
    from search.display.storage_report import show_outcome

    warn_of_password(to)
    given = load_settings(storage=storage)
    outcome = carry_out(action, given, file=file, study=study, to=to, check=check, older_than=older_than)
    present(outcome, show_outcome, as_json=json)


COMMAND = Command(name="storage", order=210, run=storage)
