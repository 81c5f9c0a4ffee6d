"""The studies of a storage."""

from __future__ import annotations

from search.connection import open_storage
from search.settings import Settings
from search.study.status import StudyView
from search.study.status_types import Status
from storage.records import studies


def list_studies(settings: Settings) -> tuple[Status, ...]:
    """Return the state of every study in the storage, the oldest first.

    Raises:
        StorageError: the storage cannot be reached.
    """
    with open_storage(settings) as database:
        return tuple(StudyView(database, name).status() for name in studies.names(database.engine))
