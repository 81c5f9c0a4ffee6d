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
    from search.api.setup.catalogue import list_techniques
    from search.api.setup.space import describe_space, list_objectives
    from search.commands.settings import load_settings
    from search.display.output import present, present_all
    from search.display.space_report import show_catalogue, show_objectives, show_space

    if catalogue:
        present_all(list_techniques(), show_catalogue, as_json=json)
    elif study is None and objective is None:
        present_all(list_objectives(), show_objectives, as_json=json)
    else:
        found = describe_space(study, objective, tuple(set_ or ()), lambda: load_settings(storage=storage))
        present(found, show_space, as_json=json)


COMMAND = Command(name="space", order=220, run=space)
