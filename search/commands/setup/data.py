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
    from search.api.setup.datasets import list_datasets, prepare_dataset
    from search.commands.settings import load_settings
    from search.display.dataset_report import show_dataset, show_folder
    from search.display.output import Decoding, present

    settings = load_settings(data=data)
    if name is None:
        present(list_datasets(settings), show_folder, as_json=json)
        return
    with Decoding(f"decoding {name}") as decoding:
        found = prepare_dataset(name, settings, decoding)
    present(found, show_dataset, as_json=json)


COMMAND = Command(name="data", order=230, run=data)
