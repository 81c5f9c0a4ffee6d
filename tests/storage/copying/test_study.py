"""Copying a study to another database, where it continues."""

from __future__ import annotations

from collections.abc import Iterator

import optuna
import pytest
from optuna.storages import RDBStorage
from optuna.trial import TrialState

from storage import schema, url
from storage.copying.study import copy_study
from storage.database import Database, open_database
from storage.errors import StudyExists, UnknownStudy
from storage.history import confusions
from storage.history.confusions import Confusion
from storage.leasing import leases
from storage.leasing.beats import Beat
from storage.leasing.fencing import LeaseFence
from storage.leasing.turns import hold_turn
from storage.optuna_adapter import get_stored, get_study_id
from storage.records import epochs, ledger, results, studies
from storage.records.studies import StudyRecord

PART = ledger.HeldOutPart(sha256="t", view="8x8 digits")


@pytest.fixture
def target(empty_database_url: str) -> Iterator[Database]:
    with open_database(url.parse(empty_database_url)) as database:
        yield database


def fill(address: str) -> None:
    """One complete trial, one pruned, one failed, one running, one enqueued."""
    with open_database(url.parse(address)) as database:
        _fill(database)
    optuna.load_study(study_name="s", storage=RDBStorage(address)).enqueue_trial({"x": 0.25})


def _fill(database: Database) -> None:
    fence = LeaseFence(database.history, "w", 60.0)
    study = optuna.load_study(study_name="s", storage=database.history)
    for number, state in enumerate((TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)):
        with fence.claiming():
            trial = study.ask()
        trial.suggest_float("x", 0, 1)
        assert fence.lease is not None
        beat = Beat(worker="w", study_id=get_study_id(study), device="cpu")
        metrics = {epoch: {"accuracy": 0.1 * number, "loss": 1.0} for epoch in range(2)}
        layers = {1: {"classes": 10, "loss": 2.3, "layers": []}}  # the other epoch has none
        epochs.record(database.engine, beat, fence.lease, metrics, lease_seconds=60.0, layers=layers)
        trial.set_user_attr("seed", number)
        matrix = None if state == TrialState.FAIL else Confusion(epoch=number, classes=("a",), counts=((3,),))
        with database.history.ending(fence.lease, get_stored(trial), lambda: None, matrix):
            study.tell(trial, 0.5 if state == TrialState.COMPLETE else None, state=state)
        fence.lease = None
    with fence.claiming():
        trial = study.ask()
    trial.suggest_float("x", 0, 1)


def test_everything_arrives_and_continues(
    database: Database, database_url: str, record: StudyRecord, target: Database
) -> None:
    fill(database_url)
    studies.raise_budget(database.engine, record.study_id, 9, 40)
    record = studies.get(database.engine, "s")
    with hold_turn(database.engine, record.uuid, "digits") as turn:
        wanted = ledger.Claim(weights_sha256="w" * 64, winner={"trial": 0})
        ledger.claim(turn, "s", wanted)
        ledger.complete(turn, {"a": 1}, test=PART, predictions=b"p")
        ledger.claim(turn, "s", wanted, opening=2, reason="to see")
        ledger.complete(turn, {"a": 2}, test=PART, predictions=b"q")
        ledger.claim(turn, "s", wanted, opening=3, reason="to be sure")
    assert copy_study(database, target, "s") == 5
    copied = studies.get(target.engine, "s")
    assert (copied.uuid, copied.spec) == (record.uuid, record.spec)
    assert (copied.trials, copied.epoch_budget) == (record.trials, record.epoch_budget) == (9, 40)
    here = optuna.load_study(study_name="s", storage=database.optuna).get_trials()
    there = optuna.load_study(study_name="s", storage=target.optuna).get_trials()
    for one, other in zip(here, there, strict=True):
        assert (one.number, one.state, one.values) == (other.number, other.state, other.values)
        assert (one.params, one.intermediate_values) == (other.params, other.intermediate_values)
        assert one.user_attrs == other.user_attrs
        assert epochs.read_curve(database.engine, one._trial_id) == epochs.read_curve(target.engine, other._trial_id)
        matrix = confusions.find(target.engine, other._trial_id)
        assert matrix == confusions.find(database.engine, one._trial_id)
        assert (matrix is not None) == (one.state in (TrialState.COMPLETE, TrialState.PRUNED))
        layers = epochs.read_layers(target.engine, other._trial_id)
        assert layers == epochs.read_layers(database.engine, one._trial_id)
        assert sorted(layers) == ([1] if one.intermediate_values else [])
    assert [row["result"] and row["result"]["a"] for row in ledger.read_rows(target.engine, record.uuid)] == [
        1,
        2,
        None,
    ]
    assert ledger.read_rows(target.engine, record.uuid) == ledger.read_rows(database.engine, record.uuid)
    assert results.find_result(target.engine, record.uuid, "digits") == results.find_result(
        database.engine, record.uuid, "digits"
    )
    assert studies.get(database.engine, "s").control == "moved"
    # The running one has nobody there: it is taken over at once.
    assert leases.take_over(target.engine, copied.study_id, "w", 60.0) == leases.Lease(there[3]._trial_id, 1)


def test_a_study_that_comes_back_has_the_score_that_it_got_elsewhere(
    database: Database, record: StudyRecord, target: Database
) -> None:
    wanted = ledger.Claim(weights_sha256="w" * 64, winner={"trial": 0})
    with hold_turn(database.engine, record.uuid, "digits") as turn:
        ledger.claim(turn, "s", wanted)
    copy_study(database, target, "s")
    with hold_turn(target.engine, record.uuid, "digits") as turn:
        ledger.complete(turn, {"a": 1}, test=PART, predictions=b"p")
    optuna.delete_study(study_name="s", storage=database.optuna)
    copy_study(target, database, "s")
    assert ledger.read_rows(database.engine, record.uuid) == ledger.read_rows(target.engine, record.uuid)
    # And what is scored here stays, whatever an older copy says.
    with target.engine.begin() as connection:
        connection.execute(schema.scores.update().values(look=None, result=None))
    optuna.delete_study(study_name="s", storage=database.optuna)
    copy_study(target, database, "s")
    assert (results.find_result(database.engine, record.uuid, "digits") or {})["a"] == 1


def test_a_name_that_is_taken_is_left_alone(database: Database, record: StudyRecord, target: Database) -> None:
    studies.create(target, "s", {"other": 1}, 1)
    with pytest.raises(StudyExists):
        copy_study(database, target, "s")
    assert studies.get(target.engine, "s").spec == {"other": 1}


def test_an_unknown_study_makes_nothing(database: Database, target: Database) -> None:
    with pytest.raises(UnknownStudy):
        copy_study(database, target, "s")
    assert studies.list_names(target.engine) == []
