"""A cancelled trial has ended, a voided one counts no more, and a worker that was asked to leave begins nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import optuna
import pytest
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import TrialState

from search.workers.claims import TrialClaimer
from storage import url
from storage.database import Database, open_database
from storage.errors import LeaseLost
from storage.leasing import beats, leases, withdrawal, workers
from storage.leasing.beats import Beat, Orders
from storage.leasing.fencing import LeaseFence
from storage.leasing.repeats import VOID
from storage.leasing.withdrawal import Withdrawal, is_void, is_withdrawn
from storage.records import epochs, studies
from storage.records.studies import StudyRecord

SECONDS = 60.0


class Worker:
    """A worker with connections and a memory of its own."""

    def __init__(self, database: Database, name: str, record: StudyRecord) -> None:
        self.database = database
        self.name = name
        self.study_id = record.study_id
        self.fence = LeaseFence(database.history, name, SECONDS)
        self.study = optuna.load_study(study_name=record.name, storage=database.history)
        self.claims = TrialClaimer(database, self.study, self.fence, worker=name, lease_seconds=SECONDS)
        self.number = -1

    def claim(self) -> int | None:
        """Claim a trial and return its number."""
        claimed = self.claims.claim()
        if claimed is None:
            return None
        self.number, self._trial = claimed.trial.number, claimed.trial
        return self.number

    def store(self, epoch: int, accuracy: float = 0.5) -> Orders:
        """Store an epoch of the trial."""
        lease = self.fence.lease
        assert lease is not None
        told = {epoch: {"accuracy": accuracy}}
        return epochs.record(self.database.engine, self.beat, lease, told, lease_seconds=SECONDS).orders

    def complete(self, value: float) -> None:
        """End the trial."""
        self.study.tell(self._trial, value, skip_if_finished=True)

    @property
    def beat(self) -> Beat:
        """How it shows itself."""
        return Beat(worker=self.name, study_id=self.study_id, device="cpu", trial=self.number)

    def ask(self) -> Orders:
        """Beat once."""
        return beats.send(self.database.engine, self.beat, self.fence.lease, SECONDS).orders

    def states(self) -> list[str]:
        """Return the states of the trials as it knows them."""
        return [trial.state.name for trial in self.study.get_trials(deepcopy=False)]


Start = Callable[[str], Worker]


@pytest.fixture
def start(database_url: str, record: StudyRecord) -> Iterator[Start]:
    """Start one of two workers, which end with the test."""
    address = url.parse(database_url)
    with open_database(address) as first, open_database(address) as second:
        databases = iter((first, second))
        yield lambda name: Worker(next(databases), name, record)


def test_a_cancelled_trial_takes_nothing_more_from_its_worker_and_spends_its_slot(
    database: Database, record: StudyRecord, start: Start
) -> None:
    worker = start("a")
    worker.claim()
    worker.store(0)
    assert withdrawal.cancel(database.engine, record.study_id, 0) == Withdrawal(before=TrialState.RUNNING, done=True)
    with pytest.raises(UpdateFinishedTrialError):
        worker.store(1)
    worker.complete(0.9)  # as a worker whose trial had ended in this moment: it is not changed
    [trial] = worker.study.get_trials()
    assert (trial.state, trial.user_attrs["reason"], trial.intermediate_values) == (
        TrialState.PRUNED,
        withdrawal.CANCELLED,
        {0: 0.5},
    )
    assert trial.datetime_complete is not None
    assert withdrawal.cancel(database.engine, record.study_id, 0).done is False
    worker.fence.lease = None
    assert [worker.claim(), worker.fence.lease is None] == [1, False]
    studies.raise_budget(database.engine, record.study_id, 3)
    assert leases.take_over(database.engine, record.study_id, "b", SECONDS) is None


def test_a_trial_that_waits_is_removed_from_the_queue(database: Database, record: StudyRecord, start: Start) -> None:
    study = optuna.load_study(study_name="s", storage=database.optuna)
    for x in (0.1, 0.2):
        study.enqueue_trial({"x": x})
    assert withdrawal.cancel(database.engine, record.study_id, 0).before == TrialState.WAITING
    worker = start("a")
    assert worker.claim() == 1
    [removed, _] = worker.study.get_trials()
    assert is_withdrawn(removed)
    assert not is_void(removed)


def test_a_voided_trial_gives_its_slot_back_and_every_process_learns_of_it(
    database: Database, record: StudyRecord, start: Start
) -> None:
    a, b = start("a"), start("b")
    for value in (0.9, 0.5, 0.6):
        a.claim()
        a.store(0, value)
        a.complete(value)
    assert a.study.best_trial.number == b.study.best_trial.number == 0
    assert b.claim() is None
    done = withdrawal.void(database.engine, record.study_id, 0, "GPU 3 is broken")
    assert (done.before, done.done) == (TrialState.COMPLETE, True)
    assert a.states() == b.states() == ["FAIL", "COMPLETE", "COMPLETE"]
    assert a.study.best_trial.number == b.study.best_trial.number == 2
    assert b.claim() == 3, "the slot is free again"
    voided = optuna.load_study(study_name="s", storage=database.optuna).trials[0]
    assert voided.value is None, "Optuna's own tools count it"
    assert voided.intermediate_values == {0: 0.9}, "it is kept"
    assert (voided.user_attrs[VOID], voided.user_attrs["voided_from"]) == ("GPU 3 is broken", "complete")
    assert withdrawal.void(database.engine, record.study_id, 0, "again").told == "GPU 3 is broken"


def test_a_running_trial_that_is_voided_is_no_longer_its_workers(
    database: Database, record: StudyRecord, start: Start
) -> None:
    worker = start("a")
    worker.claim()
    lease = worker.fence.lease
    assert lease is not None
    withdrawal.void(database.engine, record.study_id, 0, "wrong data")
    assert not beats.send(database.engine, worker.beat, lease, SECONDS).held
    with pytest.raises((LeaseLost, UpdateFinishedTrialError)):
        worker.store(0)
    assert epochs.count_epochs(database.engine, record.study_id) == 0


@pytest.mark.parametrize("enqueued", [False, True])
def test_the_epochs_of_a_voided_trial_are_given_back(database: Database, start: Start, enqueued: bool) -> None:
    studies.raise_budget(database.engine, 1, None, epoch_budget=2)
    worker = start("a")
    worker.claim()
    for epoch in (0, 1):
        worker.store(epoch)
    worker.complete(0.5)
    if enqueued:
        optuna.load_study(study_name="s", storage=database.optuna).enqueue_trial({"x": 0.5})
    assert worker.claim() is None
    withdrawal.void(database.engine, 1, 0, "wrong data")
    assert worker.claim() == 1


def test_a_worker_that_was_asked_to_leave_begins_nothing(database: Database, record: StudyRecord, start: Start) -> None:
    a, b = start("a"), start("b")
    a.claim()
    assert a.store(0) == Orders()
    assert workers.ask_to_leave(database.engine, ["a"], at_once=False) == ["a"]
    assert a.ask() == a.store(1) == Orders(leaves=True), "it finishes its trial"
    a.complete(0.5)
    assert a.claim() is None
    b.claim()
    b.claims.release()
    assert a.claim() is None, "it took over a trial"
    optuna.load_study(study_name="s", storage=database.optuna).enqueue_trial({"x": 0.5})
    assert a.claim() is None, "it began an enqueued trial"
    assert b.claim() == 1, "others go on"
    workers.ask_to_leave(database.engine, ["a"], at_once=True)
    assert a.ask() == Orders(leaves=True, ends=True)
    workers.leave(database.engine, "a")
    assert workers.ask_to_leave(database.engine, ["a"], at_once=False) == []


def test_a_beat_tells_a_pause_from_an_end(database: Database, record: StudyRecord, start: Start) -> None:
    worker = start("a")
    for control, orders in (
        ("pause", Orders(pauses=True)),
        ("run", Orders()),
        ("stop", Orders(ends=True)),
        ("failed", Orders(ends=True)),
    ):
        studies.set_control(database.engine, record.study_id, control)  # type: ignore[arg-type]
        assert worker.ask() == orders
        assert (worker.claim() is None) == (control != "run")
        worker.claims.release()
    studies.set_control(database.engine, record.study_id, "pause")
    studies.set_deadline(database.engine, record.study_id, -1)
    assert worker.ask().ends
