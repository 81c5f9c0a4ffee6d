"""The studies of a storage."""

from __future__ import annotations

import logging

from search.connection import open_storage
from search.errors import StoredValueRefused
from search.settings import Settings, load
from search.strategies.policy import describe_policy
from search.study.create import check_not_moved
from search.study.plan import check_name
from search.study.spec import PolicyPeriod, StudySpec, change_policy
from search.study.status import StudyView
from search.study.status_types import Status
from storage.database import Database
from storage.records import checkpoints, studies, study_changes
from storage.records.blob_stores import open_store

_log = logging.getLogger(__name__)


def list_studies(*, storage: str | None = None) -> tuple[Status, ...]:
    """Return the state of every study in a storage, the oldest first.

    Args:
        storage: Postgres URL. Default: SEARCH_STORAGE, OPTUNA_STORAGE, or the embedded server.

    Raises:
        StorageError: the storage cannot be reached.
    """
    return read_studies(load(storage=storage))


def read_studies(settings: Settings) -> tuple[Status, ...]:
    """Return the state of every study in the storage that the settings name, the oldest first.

    A study whose record was changed in the storage is left out, with a warning: the others can be listed.
    """
    with open_storage(settings) as database:
        found = [_read_status(database, name) for name in studies.list_names(database.engine)]
    return tuple(status for status in found if status is not None)


def _read_status(database: Database, name: str) -> Status | None:
    try:
        return StudyView(database, name).status()
    except StoredValueRefused as error:
        _log.warning("study %r is left out: %s", name, error)
        return None


def rename_study(database: Database, name: str, new_name: str) -> None:
    """Give a study another name; its trials, budget, curves and score stay.

    Raises:
        UsageError: no study can have the new name.
        StorageError: there is no such study, it is in use, or the new name is taken.
    """
    check_name(new_name)
    study_changes.rename(database, name, new_name)


def upgrade_study(database: Database, name: str) -> tuple[PolicyPeriod, ...] | None:
    """Let this program's search policy choose and stop a study's trials from here on; those that it has stay.

    Returns:
        All policies that it has had, the present one last; None if it has this program's already.

    Raises:
        UsageError: it was moved to another storage.
        StorageError: there is no such study, or it is in use.
    """
    record = studies.get(database.engine, name)
    check_not_moved(record)
    spec = StudySpec.from_json(record.spec)
    current = describe_policy(spec.sampler, spec.pruner)
    if spec.policy == current:
        return None
    study_changes.change_spec(database, name, lambda stored, trials: change_policy(stored, current, trials))
    return StudySpec.from_json(studies.get(database.engine, name).spec).policy_periods


def delete_study(database: Database, name: str, settings: Settings) -> int:
    """Delete a study with its trials and checkpoints; return how many rows of the ledger stay.

    Raises:
        StorageError: there is no such study, it is in use, or a checkpoint could not be removed.
    """
    record, keys, kept = study_changes.remove(database, name)
    store = open_store(settings.checkpoint_place)
    for key in keys:
        checkpoints.remove(store, key)
    store.tidy(record.uuid, ())
    return kept
