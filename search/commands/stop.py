"""`stop`: end a study's workers everywhere."""

from __future__ import annotations

from search.connection import open_storage
from search.display.output import say
from search.settings import Settings
from storage.records import studies


def stop_study(name: str, settings: Settings) -> None:
    """Tell every worker to let go of its trial after the present step and to leave."""
    with open_storage(settings) as database:
        record = studies.get(database.engine, name)
        studies.set_control(database.engine, record.study_id, "stop")
    say(f"study {name}: workers end after their present step; continue with: search resume --study {name}")
