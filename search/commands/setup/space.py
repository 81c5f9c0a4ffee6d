"""`search space`."""

from __future__ import annotations

from typing import Annotated

import typer

from search.commands import options
from search.commands.command import Command


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
        from search.api.catalogue import show_catalogue

        show_catalogue(as_json=json)
        return
    from search.api.space import show_space
    from search.settings import load

    show_space(study, objective, tuple(set_ or ()), lambda: load(storage=storage), as_json=json)


COMMAND = Command(name="space", order=220, run=space)
