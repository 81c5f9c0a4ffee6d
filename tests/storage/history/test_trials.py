"""What a process knows of a study is what is stored, no matter which process wrote it, and when."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import optuna
import pytest
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import RDBStorage
from optuna.trial import Trial, TrialState
from sqlalchemy import text

from storage import url
from storage.database import Database, open_database
from storage.errors import LeaseLost
from storage.history import rows
from storage.leasing import leases
from storage.leasing.beats import Beat
from storage.leasing.fencing import LeaseFence
from storage.optuna_adapter import get_stored, get_study_id, get_trial_id, note_report
from storage.records import epochs, studies
from storage.records.studies import StudyRecord

SECONDS = 60.0


class Worker:
    """A process with a trial, and with a history of its own."""

    def __init__(self, database: Database, name: str) -> None:
        self.database = database
        self.name = name
        self.fence = LeaseFence(database.history, name, SECONDS)
        self.study = optuna.load_study(study_name="s", storage=database.history)
        self.trial: Trial | None = None
        self.epoch = 0

    def step(self, chance: random.Random) -> None:
        """Do one of the things that a worker does."""
        if self.trial is None:
            with self.fence.claiming():
                self.trial = self.study.ask()
            self.epoch = 0
            return
        lease = self.fence.lease
        assert lease is not None
        match chance.choice(("parameters", "epoch", "epoch", "epoch", "note", "end")):
            case "parameters":
                with self.database.history.gathering(lease):
                    self.trial.suggest_float("x", 0, 1)
                    self.trial.suggest_int("n", 1, 64, log=True)
                    self.trial.suggest_categorical("kind", ["a", None, 2.5, True])
                    self.trial.set_user_attr("seed", chance.randrange(100))
            case "epoch":
                beat = Beat(worker=self.name, study_id=get_study_id(self.study), device="cpu")
                metrics = {self.epoch: {"accuracy": chance.random()}}
                epochs.record(self.database.engine, beat, lease, metrics, lease_seconds=SECONDS)
                note_report(self.trial, self.epoch, metrics[self.epoch]["accuracy"])
                self.epoch += 1
            case "note":
                self.trial.set_user_attr("note", chance.randrange(100))
            case "end":
                with self.database.history.ending(lease, get_stored(self.trial), no_epochs_are_missing):
                    self.trial.set_user_attr("reason", "pruner")
                    self.study.tell(self.trial, state=TrialState.PRUNED, skip_if_finished=True)
                self.trial = self.fence.lease = None


def no_epochs_are_missing() -> None:
    raise AssertionError("every epoch is stored")


@contextmanager
def opened(address: str) -> Iterator[Database]:
    with open_database(url.parse(address)) as database:
        yield database


def show(trials: list[optuna.trial.FrozenTrial]) -> list[str]:
    """All that the trials have, as texts: NaN is not equal to itself. The order of attributes has no meaning."""
    return [
        repr({name: sorted(value.items()) if "attrs" in name else value for name, value in vars(trial).items()})
        for trial in trials
    ]


def read_stored(address: str) -> list[str]:
    """What Optuna's own storage reads."""
    return show(optuna.load_study(study_name="s", storage=RDBStorage(address)).get_trials())


def test_a_history_is_what_is_stored(database: Database, database_url: str, record: StudyRecord) -> None:
    """Two workers and a program of somebody else's act in any order, and both workers look now and then."""
    studies.raise_budget(database.engine, record.study_id, 1000)
    foreign = optuna.load_study(study_name="s", storage=RDBStorage(database_url))
    chance = random.Random(0)
    with opened(database_url) as first, opened(database_url) as second:
        workers, theirs = (Worker(first, "a"), Worker(second, "b")), foreign.ask()
        for moment in range(150):
            chance.choice(workers).step(chance)
            match chance.randrange(30):
                case 0:
                    foreign.enqueue_trial({"x": chance.random()})
                case 1:
                    theirs.report(chance.choice((0.5, math.inf, -math.inf, math.nan)), moment)
                case 2:
                    theirs.set_user_attr("word", {"of": [moment]})
                case 3:
                    foreign.tell(theirs, chance.choice((0.5, math.inf)))
                    theirs = foreign.ask()
            if chance.random() < 0.3:
                assert show(workers[0].study.get_trials(deepcopy=False)) == read_stored(database_url)
        for worker in workers:
            assert show(worker.study.get_trials()) == read_stored(database_url)


def test_what_has_changed_is_listed_once(database: Database, database_url: str, record: StudyRecord) -> None:
    studies.raise_budget(database.engine, record.study_id, 1000)
    with opened(database_url) as other:
        worker = Worker(other, "a")
        chance = random.Random(0)
        seen = 0
        for _ in range(30):
            worker.step(chance)
            with database.history.holding(record.study_id) as history:
                changed = {trial.number: trial for trial in history.list_changed(seen)}
                trials, seen = history.list_trials(), history.revision
            assert all(trials[number] == trial for number, trial in changed.items())
            with database.history.holding(record.study_id) as history:
                assert list(history.list_changed(seen)) == []


def test_a_held_history_does_not_change(database: Database, database_url: str, record: StudyRecord) -> None:
    with opened(database_url) as other:
        worker = Worker(other, "a")
        study = optuna.load_study(study_name="s", storage=database.history)
        with database.history.holding(record.study_id):
            worker.step(random.Random(0))
            assert study.get_trials() == []
        assert len(study.get_trials()) == 1


def test_a_server_that_was_started_again_is_read_again(
    database: Database, record: StudyRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may have lost the last epochs that it had told others of."""
    worker = Worker(database, "a")
    worker.step(random.Random(0))
    assert worker.trial is not None
    worker.trial.report(0.5, 0)
    assert worker.study.get_trials()[0].intermediate_values == {0: 0.5}
    with database.engine.begin() as connection:
        connection.execute(text("DELETE FROM trial_intermediate_values"))
    assert worker.study.get_trials()[0].intermediate_values == {0: 0.5}, "the test does not need the restart"
    monkeypatch.setattr(
        rows, "_NEWS", replace(rows._NEWS, sql=rows._NEWS.sql.replace("pg_postmaster_start_time()::text", "'later'"))
    )
    assert worker.study.get_trials()[0].intermediate_values == {}


def test_gathered_writes_are_one_commit_or_none(database: Database, record: StudyRecord) -> None:
    worker = Worker(database, "a")
    with worker.fence.claiming():
        trial = worker.study.ask()
    trial_id, lease = get_trial_id(trial), worker.fence.lease
    assert lease is not None
    with pytest.raises(ZeroDivisionError), database.history.gathering(lease):
        1 / trial.suggest_int("x", 0, 0)
    assert database.optuna.get_trial(trial_id).params == {}
    with database.engine.begin() as connection:
        connection.execute(text("UPDATE depthsearch.leases SET token = token + 1"))
    with pytest.raises(LeaseLost), database.history.gathering(lease):
        trial.set_user_attr("late", 1)
    assert database.optuna.get_trial(trial_id).user_attrs == {}


@pytest.mark.parametrize("ends", [False, True])
def test_nothing_is_added_to_a_trial_that_has_ended(database: Database, record: StudyRecord, ends: bool) -> None:
    worker = Worker(database, "a")
    with worker.fence.claiming():
        trial = worker.study.ask()
    lease = worker.fence.lease
    assert lease is not None
    worker.study.tell(trial, 0.5)
    if ends:
        with database.history.ending(lease, get_stored(trial), no_epochs_are_missing):
            trial.set_user_attr("reason", "late")
            worker.study.tell(trial, 0.7, skip_if_finished=True)
    else:
        with pytest.raises(UpdateFinishedTrialError), database.history.gathering(lease):
            trial.set_user_attr("reason", "late")
    kept = database.optuna.get_trial(get_trial_id(trial))
    assert (kept.value, kept.user_attrs) == (0.5, {})


def test_a_trial_ends_with_the_epochs_that_a_server_has_lost(database: Database, record: StudyRecord) -> None:
    """A server that breaks down may lose the last ones, for whose commits nobody waited."""
    worker = Worker(database, "a")
    with worker.fence.claiming():
        trial = worker.study.ask()
    lease = worker.fence.lease
    assert lease is not None
    beat = Beat(worker="a", study_id=record.study_id, device="cpu")
    metrics = {0: {"accuracy": 0.5}, 1: {"accuracy": 0.75}}

    def store() -> None:
        epochs.record(database.engine, beat, lease, metrics, lease_seconds=SECONDS)

    store()
    note_report(trial, 0, 0.5)
    note_report(trial, 1, 0.75)
    with database.engine.begin() as connection:
        connection.execute(text("DELETE FROM trial_intermediate_values WHERE step = 1"))
        connection.execute(text("DELETE FROM depthsearch.epochs WHERE epoch = 1"))
    with database.history.ending(lease, get_stored(trial), store):
        worker.study.tell(trial, state=TrialState.PRUNED)
    kept = database.optuna.get_trial(get_trial_id(trial))
    assert (kept.state, kept.value, kept.intermediate_values) == (TrialState.PRUNED, 0.75, {0: 0.5, 1: 0.75})


def test_a_lease_that_passes_on_keeps_its_count(database: Database, record: StudyRecord) -> None:
    worker = Worker(database, "a")
    with worker.fence.claiming():
        trial = worker.study.ask()
    trial.set_user_attr("a", 1)
    leases.release(database.engine, leases.Lease(get_trial_id(trial), 1))
    assert leases.take_over(database.engine, record.study_id, "b", SECONDS) is not None
    with database.engine.begin() as connection:
        assert connection.scalar(text("SELECT writes FROM depthsearch.leases")) == 1
