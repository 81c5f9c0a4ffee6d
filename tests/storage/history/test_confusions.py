"""A trial's confusion matrix is stored with the trial's end, or not at all."""

from __future__ import annotations

import json

import optuna
import pytest
from optuna.trial import Trial, TrialState
from sqlalchemy import text

from storage.database import Database
from storage.errors import LeaseLost, UnreadableTrials
from storage.history.confusions import Confusion, find, list_trials
from storage.leasing.fencing import LeaseFence
from storage.leasing.leases import Lease
from storage.optuna_adapter import get_stored, get_trial_id
from storage.records import study_changes
from storage.records.studies import StudyRecord

MATRIX = Confusion(epoch=3, classes=("T-shirt", 'a "dress"\x1b[31m'), counts=((7, 1), (0, 2**40)))


def claim(database: Database) -> tuple[Trial, Lease]:
    fence = LeaseFence(database.history, "a", 60.0)
    with fence.claiming():
        trial = optuna.load_study(study_name="s", storage=database.history).ask()
    assert fence.lease is not None
    return trial, fence.lease


def end(database: Database, trial: Trial, lease: Lease, matrix: Confusion | None) -> None:
    with database.history.ending(lease, get_stored(trial), lambda: None, matrix):
        trial.study.tell(trial, state=TrialState.PRUNED, skip_if_finished=True)


def change(database: Database, statement: str) -> None:
    with database.engine.begin() as connection:
        connection.execute(text(statement))


def test_it_comes_back_as_it_was(database: Database, record: StudyRecord) -> None:
    with_one, without = claim(database), claim(database)
    end(database, *with_one, MATRIX)
    end(database, *without, None)
    ids = [get_trial_id(trial) for trial, _ in (with_one, without)]
    assert [find(database.engine, trial_id) for trial_id in ids] == [MATRIX, None]
    assert list_trials(database.engine, record.study_id) == {ids[0]}
    assert list_trials(database.engine, record.study_id + 1) == frozenset()
    study_changes.remove(database, "s")
    assert find(database.engine, ids[0]) is None


def test_of_a_trial_that_somebody_else_has_or_has_ended_nothing_is_stored(
    database: Database, record: StudyRecord
) -> None:
    (trial, lease), (other, lost) = claim(database), claim(database)
    end(database, trial, lease, None)
    end(database, trial, lease, MATRIX)
    change(database, "UPDATE depthsearch.leases SET token = token + 1")
    with pytest.raises(LeaseLost):
        end(database, other, lost, MATRIX)
    assert list_trials(database.engine, record.study_id) == frozenset()


@pytest.mark.parametrize(
    "changed",
    [
        *(f"counts = '{counts}'" for counts in ("[[1, 2]]", "[[1, 2], [3, -1]]", "[[1, 2], [3, 1e99]]", "[]", "[3]")),
        *(f"classes = '{classes}'" for classes in ("3", "[]")),
        f"classes = '{json.dumps(['x'] * 101)}', counts = '{json.dumps([[0] * 101] * 101)}'",
    ],
    ids=lambda changed: changed[:40],
)
def test_a_row_that_was_changed_is_refused(changed: str, database: Database, record: StudyRecord) -> None:
    trial, lease = claim(database)
    end(database, trial, lease, MATRIX)
    change(database, f"UPDATE depthsearch.confusions SET {changed}")
    with pytest.raises(UnreadableTrials, match="a trial's confusion matrix were changed"):
        find(database.engine, get_trial_id(trial))
