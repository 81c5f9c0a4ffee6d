"""`search stop`."""

from __future__ import annotations

from search.commands import options
from search.commands.command import Command


def stop(study: options.Study, storage: options.Storage = None) -> None:
    """End a study's workers everywhere after their present step; `run` or `resume` continues."""
    from search.connection import open_storage
    from search.display.output import say
    from search.settings import load
    from storage.records import studies

    with open_storage(load(storage=storage)) as database:
        record = studies.get(database.engine, study)
        studies.set_control(database.engine, record.study_id, "stop")
    say(f"study {study}: workers end after their present step; continue with: search resume --study {study}")


COMMAND = Command(name="stop", order=40, run=stop)
