"""`search list`."""

from __future__ import annotations

from search.commands import options
from search.commands.command import Command


def list_(storage: options.Storage = None, json: options.Json = False) -> None:
    """List the studies in the storage."""
    from search.commands.settings import load_settings
    from search.connection import open_for_status
    from search.display.output import present_all
    from search.display.status_report import show_studies
    from search.study.status import read_all_statuses

    with open_for_status(load_settings(storage=storage)) as engine:
        found = read_all_statuses(engine)
    present_all(found, show_studies, as_json=json)


COMMAND = Command(name="list", order=120, run=list_)
