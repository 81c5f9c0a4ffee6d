"""The studies of a storage."""

from __future__ import annotations

from search.connection import open_storage
from search.settings import Settings, load
from search.study.status import StudyView
from search.study.status_types import Status
from storage.records import studies


def list_studies(*, storage: str | None = None) -> tuple[Status, ...]:
    """Return the state of every study in a storage, the oldest first.

    Args:
        storage: Postgres URL. Default: SEARCH_STORAGE, OPTUNA_STORAGE, or the embedded server.

    Raises:
        StorageError: the storage cannot be reached.
    """
    return read_studies(load(storage=storage))


def read_studies(settings: Settings) -> tuple[Status, ...]:
    """Return the state of every study in the storage that the settings name, the oldest first."""
    with open_storage(settings) as database:
        return tuple(StudyView(database, name).status() for name in studies.list_names(database.engine))
