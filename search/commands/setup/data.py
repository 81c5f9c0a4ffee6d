"""`search data`."""

from __future__ import annotations

from typing import Annotated

import typer

from search.commands import options
from search.commands.command import Command


def data(
    name: Annotated[str | None, typer.Argument(help="Data set to prepare; without one, list all.")] = None,
    data: options.Data = None,
    json: options.Json = False,
) -> None:
    """List the data sets, or download and decode one."""
    from search.api.datasets import show_data
    from search.settings import load

    show_data(name, load(data=data), as_json=json)


COMMAND = Command(name="data", order=230, run=data)
