"""`search list`."""

from __future__ import annotations

from search.commands import options
from search.commands.command import Command


def list_(storage: options.Storage = None, json: options.Json = False) -> None:
    """List the studies in the storage."""
    from search.api.studies import read_studies
    from search.commands.settings import load_settings
    from search.display.output import present_all
    from search.display.status_report import show_studies

    present_all(read_studies(load_settings(storage=storage)), show_studies, as_json=json)


COMMAND = Command(name="list", order=120, run=list_)
