"""The commands for what studies live in; each imports what it needs when it is called."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from search.cli import options


def storage(
    action: Annotated[
        str, typer.Argument(help="show, start, stop, backup, restore, copy or upgrade.", metavar="[ACTION]")
    ] = "show",
    file: Annotated[
        Path | None, typer.Option(help="File to back up to (also before an upgrade) or restore from.")
    ] = None,
    study: options.AnyStudy = None,
    to: Annotated[str | None, typer.Option(help="URL to copy the study to.", metavar="URL")] = None,
    check: Annotated[bool, typer.Option("--check", help="Only say what an upgrade would do.")] = False,
    storage: options.Storage = None,
    json: options.Json = False,
) -> None:
    """Where studies are kept: show it, start or stop the embedded server, back up, copy a study, upgrade."""
    from search.commands.storage import storage_action
    from search.settings import load

    storage_action(action, load(storage=storage), file=file, study=study, to=to, check=check, as_json=json)


def space(
    study: options.AnyStudy = None,
    objective: options.Objective = None,
    set_: options.Set = None,
    catalogue: Annotated[bool, typer.Option(help="Everything that a study can search over.")] = False,
    storage: options.Storage = None,
    json: options.Json = False,
) -> None:
    """Show what a study, or an objective, searches over, or could."""
    if catalogue:
        from search.commands.catalogue import show_catalogue

        show_catalogue(as_json=json)
        return
    from search.commands.space import show_space
    from search.settings import load

    show_space(study, objective, tuple(set_ or ()), lambda: load(storage=storage), as_json=json)


def data(
    name: Annotated[str | None, typer.Argument(help="Data set to prepare; without one, list all.")] = None,
    data: options.Data = None,
    json: options.Json = False,
) -> None:
    """List the data sets, or download and decode one."""
    from search.commands.data import show_data
    from search.settings import load

    show_data(name, load(data=data), as_json=json)


def doctor(
    repair: Annotated[
        bool, typer.Option("--repair", help="Let go of what dead workers hold; what is in use stays.")
    ] = False,
    data: options.Data = None,
    storage: options.Storage = None,
    json: options.Json = False,
) -> None:
    """Check the installation, storage, data and devices; say what to do."""
    from search.commands.doctor import examine
    from search.settings import load

    examine(load(storage=storage, data=data), as_json=json, url_in_flag=storage, mend=repair)
