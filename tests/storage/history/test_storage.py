"""Our storage for Optuna passes Optuna's own tests of storages, on a real Postgres."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import optuna
import pytest
from optuna.testing.pytest_storages import StorageTestCase

from storage import url
from storage.database import Database, open_database
from storage.history.storage import HistoryStorage
from storage.optuna_adapter import attach_trial, get_trial_id


class TestHistoryStorage(StorageTestCase):
    """Every test of Optuna's, each with a database of its own."""

    @pytest.fixture
    def storage(self, database_url: str) -> Iterator[HistoryStorage]:
        with open_database(url.parse(database_url)) as database:
            yield database.history


def test_what_is_told_of_an_attached_trial_does_not_change_the_known_one(database: Database) -> None:
    study = optuna.create_study(storage=database.history)
    study.enqueue_trial({"x": 0.25}, user_attrs={"note": "kept"})
    study.ask()
    [known] = study.get_trials(deepcopy=False)
    before = copy.deepcopy(known)
    with database.history.knowing(known):
        trial = attach_trial(study, get_trial_id(known))
    trial.set_user_attr("seed", 3)
    trial.suggest_float("x", 0, 1)
    trial.report(0.5, 0)
    assert known == before
    assert trial.user_attrs == {"note": "kept", "seed": 3}
