"""`search list`."""

from __future__ import annotations

from search.commands import options
from search.commands.command import Command


def list_(storage: options.Storage = None, json: options.Json = False) -> None:
    """List the studies in the storage."""
    from search.display.status_report import list_studies
    from search.settings import load

    list_studies(load(storage=storage), as_json=json)


COMMAND = Command(name="list", order=120, run=list_)
