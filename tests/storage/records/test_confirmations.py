"""Confirmations: one row for a trial and a seed, which goes when the trial goes and moves when its study moves."""

from __future__ import annotations

from collections.abc import Iterator

import optuna
import pytest

from storage import url
from storage.copying.study import copy_study
from storage.database import Database, open_database
from storage.leasing.fencing import LeaseFence
from storage.records import confirmations
from storage.records.confirmations import SeedTraining
from storage.records.studies import StudyRecord

GOOD = SeedTraining(accuracy=0.1 + 0.2, best_epoch=4)
BAD = SeedTraining(failure="diverged: train_loss became nan in epoch 0")
SEED = 2**63 - 1  # the largest there is


@pytest.fixture
def target(empty_database_url: str) -> Iterator[Database]:
    with open_database(url.parse(empty_database_url)) as database:
        yield database


@pytest.fixture
def trial_id(database: Database, record: StudyRecord) -> int:
    fence = LeaseFence(database.history, "w", 60.0)
    study = optuna.load_study(study_name=record.name, storage=database.optuna)
    with fence.claiming():
        trial = study.ask()
    study.tell(trial, 0.5)
    return trial._trial_id


def test_what_is_stored_stays_as_it_is(database: Database, trial_id: int) -> None:
    engine = database.engine
    assert confirmations.find(engine, trial_id, SEED) is None
    confirmations.record(engine, trial_id, SEED, GOOD)
    confirmations.record(engine, trial_id, SEED, BAD)
    confirmations.record(engine, trial_id, 0, BAD)
    assert confirmations.find(engine, trial_id, SEED) == GOOD
    assert confirmations.find(engine, trial_id, 0) == BAD
    assert confirmations.find(engine, trial_id, 1) is None


def test_they_go_with_their_trial(database: Database, record: StudyRecord, trial_id: int) -> None:
    confirmations.record(database.engine, trial_id, SEED, GOOD)
    optuna.delete_study(study_name=record.name, storage=database.optuna)
    assert confirmations.find(database.engine, trial_id, SEED) is None


def test_they_move_with_their_study(database: Database, record: StudyRecord, trial_id: int, target: Database) -> None:
    confirmations.record(database.engine, trial_id, SEED, GOOD)
    copy_study(database, target, record.name)
    [trial] = optuna.load_study(study_name=record.name, storage=target.optuna).get_trials(deepcopy=False)
    assert confirmations.find(target.engine, trial._trial_id, SEED) == GOOD
