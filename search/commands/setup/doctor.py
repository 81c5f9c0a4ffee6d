"""`search doctor`."""

from __future__ import annotations

from typing import Annotated

import typer

from search.commands import options
from search.commands.command import Command


def doctor(
    repair: Annotated[
        bool, typer.Option("--repair", help="Release trials that dead workers hold; anything in use stays.")
    ] = False,
    data: options.Data = None,
    storage: options.Storage = None,
    json: options.Json = False,
) -> None:
    """Check the installation, storage, data and devices; say what to do."""
    from search.api.doctor import examine
    from search.settings import load

    examine(load(storage=storage, data=data), as_json=json, url_in_flag=storage, mend=repair)


COMMAND = Command(name="doctor", order=240, run=doctor)
