"""The fence: slots, leases and added writes inside Optuna's own transactions, on a real Postgres."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import RDBStorage
from optuna.trial import Trial, TrialState
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from storage import url
from storage.database import Database, open_database
from storage.errors import LeaseLost, NoSlot
from storage.leasing import beats, leases
from storage.leasing.beats import Answer, Beat, Orders
from storage.leasing.fencing import LeaseFence
from storage.optuna_adapter import attach_trial, get_study_id, get_trial_id, note_report
from storage.records import epochs, studies
from storage.records.studies import StudyRecord

LONG_SECONDS = 60.0


@dataclass(frozen=True)
class Worker:
    """A connection with a fence of its own, as another process would have."""

    name: str
    database: Database
    fence: LeaseFence
    study: optuna.Study

    def claim(self) -> Trial:
        with self.fence.claiming():
            return self.study.ask()

    def report(self, trial: Trial, epoch: int, accuracy: float) -> None:
        """Store an epoch as a worker does."""
        assert self.fence.lease is not None
        beat = Beat(worker=self.name, study_id=get_study_id(self.study), device="cpu", trial=trial.number, epoch=epoch)
        metrics = {epoch: {"accuracy": accuracy}}
        epochs.record(self.database.engine, beat, self.fence.lease, metrics, lease_seconds=LONG_SECONDS)
        note_report(trial, epoch, accuracy)


@contextmanager
def worker(address: str, name: str) -> Iterator[Worker]:
    with open_database(url.parse(address)) as database:
        fence = LeaseFence(database.history, name, LONG_SECONDS)
        study = optuna.load_study(
            study_name="s", storage=database.history, sampler=optuna.samplers.RandomSampler(seed=1)
        )
        yield Worker(name, database, fence, study)


def rows(database: Database, statement: str) -> list[Any]:
    with database.engine.begin() as connection:
        return [tuple(row) for row in connection.execute(text(statement))]


def execute(database: Database, statement: str) -> None:
    with database.engine.begin() as connection:
        connection.execute(text(statement))


def expire(database: Database) -> None:
    """Let every lease expire; the server has been up all the while."""
    execute(database, "UPDATE depthsearch.leases SET expires_at = now() - interval '1 second'")


def test_a_new_trial_has_a_lease_in_the_same_commit(database_url: str, record: StudyRecord) -> None:
    with worker(database_url, "a") as a:
        trial = a.claim()
        assert a.fence.lease == leases.Lease(get_trial_id(trial), 1)
        assert rows(a.database, "SELECT trial_id, worker FROM depthsearch.leases") == [(get_trial_id(trial), "a")]


def test_a_worker_starts_no_trial_unless_it_claims(database: Database, database_url: str, record: StudyRecord) -> None:
    with worker(database_url, "a") as a:
        with pytest.raises(AssertionError, match="only within"):
            a.study.ask()
        a.claim()
        with pytest.raises(AssertionError, match="one trial at a time"):
            a.claim()
    assert rows(database, "SELECT number FROM trials") == [(0,)]


def test_a_finished_trial_has_no_lease(database_url: str, record: StudyRecord) -> None:
    with worker(database_url, "a") as a:
        a.study.tell(a.claim(), 0.5)
        assert a.fence.lease is None
        assert rows(a.database, "SELECT * FROM depthsearch.leases") == []


def test_enqueued_trials_take_a_slot_and_a_lease(database_url: str, record: StudyRecord) -> None:
    plain = optuna.load_study(study_name="s", storage=RDBStorage(database_url))
    for _ in range(5):
        plain.enqueue_trial({"x": 0.5})
    with worker(database_url, "a") as a:
        for _ in range(3):
            trial = a.claim()
            assert a.fence.lease is not None
            assert trial.suggest_float("x", 0, 1) == 0.5
            a.study.tell(trial, 1.0)
        with pytest.raises(NoSlot):
            a.claim()
        counts = [trial.state for trial in a.study.get_trials()]
        assert counts.count(TrialState.COMPLETE) == 3
        assert counts.count(TrialState.WAITING) == 2


def test_the_budget_counts_running_trials(database_url: str, record: StudyRecord) -> None:
    with (
        worker(database_url, "a") as a,
        worker(database_url, "b") as b,
        worker(database_url, "c") as c,
        worker(database_url, "d") as d,
    ):
        first, _, _ = a.claim(), b.claim(), c.claim()
        with pytest.raises(NoSlot, match="3 trials"):
            d.claim()
        assert d.fence.lease is None
        # A failed trial gives its slot back.
        a.study.tell(first, state=TrialState.FAIL)
        assert d.claim().number == 3


def test_raising_the_budget_opens_slots(database: Database, database_url: str, record: StudyRecord) -> None:
    with worker(database_url, "a") as a:
        for _ in range(3):
            a.study.tell(a.claim(), 1.0)
        with pytest.raises(NoSlot):
            a.claim()
        studies.raise_budget(database.engine, record.study_id, 4)
        a.study.tell(a.claim(), 1.0)
        studies.raise_budget(database.engine, record.study_id, 2)  # never lowers
        with pytest.raises(NoSlot, match="4 trials"):
            a.claim()


def test_no_trial_begins_once_the_epochs_of_the_budget_are_stored(
    database: Database, database_url: str, record: StudyRecord
) -> None:
    studies.raise_budget(database.engine, record.study_id, None, 4)
    with worker(database_url, "a") as a, worker(database_url, "b") as b:
        first, second = a.claim(), b.claim()
        for epoch in range(2):
            a.report(first, epoch, 0.5)
        b.report(second, 0, 0.5)
        a.study.tell(first, 0.5)
        third = a.claim()  # three of four epochs are stored
        b.report(second, 1, 0.5)
        a.study.tell(third, state=TrialState.FAIL)
        with pytest.raises(NoSlot, match="4 epochs"):
            a.claim()
        optuna.load_study(study_name="s", storage=RDBStorage(database_url)).enqueue_trial({"x": 0.5})
        with pytest.raises(NoSlot, match="4 epochs"):
            a.claim()
        # What runs goes on: with its own worker, and with the one that takes it over.
        b.report(second, 2, 0.5)
        b.database.optuna.remove_session()
        expire(database)
        assert leases.take_over(database.engine, record.study_id, "a", LONG_SECONDS) is not None
        studies.raise_budget(database.engine, record.study_id, None, 6)
        studies.raise_budget(database.engine, record.study_id, None, 2)  # never lowers
        assert a.claim().number == 3  # five of six


def test_the_budget_that_is_reached_first_counts(database: Database, database_url: str, record: StudyRecord) -> None:
    studies.raise_budget(database.engine, record.study_id, 3, 2)
    with worker(database_url, "a") as a:
        trial = a.claim()
        for epoch in range(2):
            a.report(trial, epoch, 0.5)
        a.study.tell(trial, 0.5)
        with pytest.raises(NoSlot, match="2 epochs"):
            a.claim()
        studies.raise_budget(database.engine, record.study_id, None, 9)
        a.study.tell(a.claim(), 0.5)
        a.study.tell(a.claim(), 0.5)
        with pytest.raises(NoSlot, match="3 trials"):
            a.claim()


def test_trials_without_an_epoch_do_not_go_on_for_ever(
    database: Database, database_url: str, record: StudyRecord
) -> None:
    studies.raise_budget(database.engine, record.study_id, None, 4)
    with worker(database_url, "a") as a:
        for _ in range(4):  # as diverged trials end
            a.study.tell(a.claim(), state=TrialState.PRUNED)
        with pytest.raises(NoSlot, match="all 4 trials"):
            a.claim()


@pytest.mark.parametrize("how", ["stop", "deadline"])
def test_a_stopped_study_takes_no_trial(database: Database, database_url: str, record: StudyRecord, how: str) -> None:
    if how == "stop":
        studies.set_control(database.engine, record.study_id, "stop")
    else:
        studies.set_deadline(database.engine, record.study_id, -1.0)
    with worker(database_url, "a") as a, pytest.raises(NoSlot, match="stopped"):
        a.claim()


def _train_all(address: str, failures: int) -> None:
    """Claim trials until none is left; the first few fail, as infrastructure does."""
    with worker(address, f"w{failures}") as own:
        failed = 0
        while True:
            try:
                trial = own.claim()
            except NoSlot:
                return
            trial.suggest_float("x", 0, 1)
            if failed < failures:
                failed += 1
                own.study.tell(trial, state=TrialState.FAIL)
            else:
                own.study.tell(trial, trial.number)


def test_the_budget_is_exact_over_processes(database: Database, database_url: str, record: StudyRecord) -> None:
    studies.raise_budget(database.engine, record.study_id, 25)
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_train_all, args=(database_url, n)) for n in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
        assert process.exitcode == 0
    trials = optuna.load_study(study_name="s", storage=database.optuna).get_trials()
    states = [trial.state for trial in trials]
    assert states.count(TrialState.COMPLETE) == 25
    # A process that started late may have found no slot to fail in.
    assert len(states) == 25 + states.count(TrialState.FAIL) <= 25 + 0 + 1 + 2 + 3
    assert sorted(trial.number for trial in trials) == list(range(len(trials)))


def test_taking_over_needs_an_expired_lease(database: Database, database_url: str, record: StudyRecord) -> None:
    with worker(database_url, "a") as a:
        trial = a.claim()
        assert leases.take_over(database.engine, record.study_id, "b", LONG_SECONDS) is None
        expire(database)
        taken = leases.take_over(database.engine, record.study_id, "b", LONG_SECONDS)
        assert taken == leases.Lease(get_trial_id(trial), 2)
        assert leases.take_over(database.engine, record.study_id, "c", LONG_SECONDS) is None


def test_a_running_trial_without_a_lease_is_taken_over(
    database: Database, database_url: str, record: StudyRecord
) -> None:
    stray = optuna.load_study(study_name="s", storage=RDBStorage(database_url)).ask()
    taken = leases.take_over(database.engine, record.study_id, "b", LONG_SECONDS)
    assert taken == leases.Lease(get_trial_id(stray), 1)


def test_a_worker_that_lost_its_lease_writes_nothing(
    database: Database, database_url: str, record: StudyRecord
) -> None:
    with worker(database_url, "a") as a:
        trial = a.claim()
        trial.suggest_float("x", 0, 1)
        a.report(trial, 0, 0.1)
        expire(database)
        assert leases.take_over(database.engine, record.study_id, "b", LONG_SECONDS) is not None
        late: list[Callable[[], object]] = [
            lambda: a.report(trial, 1, 0.2),
            lambda: trial.report(0.2, 1),
            lambda: trial.suggest_float("y", 0, 1),
            lambda: trial.set_user_attr("late", 1),
            lambda: trial.set_constraint("late", 1.0),
            lambda: a.study.tell(trial, 0.9),
        ]
        for write in late:
            with pytest.raises(LeaseLost):
                write()
    stored = optuna.load_study(study_name="s", storage=database.optuna).get_trials()[0]
    assert stored.state == TrialState.RUNNING
    assert stored.intermediate_values == {0: 0.1}
    assert set(stored.params) == {"x"}
    assert stored.user_attrs == {}
    assert rows(database, "SELECT epoch FROM depthsearch.epochs") == [(0,)]


def test_the_next_holder_resumes_the_same_trial(database: Database, database_url: str, record: StudyRecord) -> None:
    with worker(database_url, "a") as a:
        first = a.claim()
        x = first.suggest_float("x", 0, 1)
        first.report(0.1, 0)
    expire(database)
    with worker(database_url, "b") as b:
        b.fence.lease = leases.take_over(database.engine, record.study_id, "b", LONG_SECONDS)
        second = attach_trial(b.study, get_trial_id(first))
        assert second.suggest_float("x", 0, 1) == x
        assert 0 <= second.suggest_float("never suggested before", 0, 1) <= 1
        second.report(0.3, 1)
        b.study.tell(second, 0.3)
    [stored] = optuna.load_study(study_name="s", storage=database.optuna).get_trials()
    assert stored.number == first.number
    assert stored.intermediate_values == {0: 0.1, 1: 0.3}


def count_commits(database: Database) -> int:
    [(count,)] = rows(database, "SELECT pg_current_xact_id()::text::bigint")
    return int(count)


def test_an_epoch_is_one_transaction(database: Database, database_url: str, record: StudyRecord) -> None:
    with worker(database_url, "a") as a:
        trial = a.claim()
        expire(database)
        before = count_commits(database)
        a.report(trial, 0, 0.25)
        assert count_commits(database) - before == 2  # that of the epoch, and the count's own
        [(value, epoch, accuracy)] = rows(
            database,
            "SELECT intermediate_value, epoch, (metrics->>'accuracy')::float8 FROM trial_intermediate_values "
            "JOIN depthsearch.epochs USING (trial_id)",
        )
        assert (value, epoch, accuracy) == (0.25, 0, 0.25)
        assert rows(database, "SELECT expires_at > now() FROM depthsearch.leases") == [(True,)], "it was not renewed"


def check_nothing_stored(database: Database) -> None:
    assert rows(database, "SELECT * FROM trial_intermediate_values") == []
    assert rows(database, "SELECT * FROM depthsearch.epochs") == []


def test_an_epoch_is_stored_whole_or_not_at_all(database: Database, database_url: str, record: StudyRecord) -> None:
    with worker(database_url, "a") as a:
        trial = a.claim()
        execute(database, "ALTER TABLE depthsearch.epochs ADD CONSTRAINT broken CHECK (epoch < 0)")
        with pytest.raises(IntegrityError):
            a.report(trial, 0, 0.5)
        check_nothing_stored(database)
        execute(database, "ALTER TABLE depthsearch.epochs DROP CONSTRAINT broken")
        a.report(trial, 0, 0.5)  # the repeated call stores it
        assert trial.should_prune() is False
        assert rows(database, "SELECT epoch FROM depthsearch.epochs") == [(0,)]


def test_an_epoch_of_a_trial_that_somebody_ended_is_not_stored(
    database: Database, database_url: str, record: StudyRecord
) -> None:
    with worker(database_url, "a") as a:
        trial = a.claim()
        RDBStorage(database_url).set_trial_state_values(get_trial_id(trial), TrialState.FAIL)
        with pytest.raises(UpdateFinishedTrialError):
            a.report(trial, 0, 0.5)
    check_nothing_stored(database)


def test_an_epoch_that_is_stored_already_renews_the_lease(
    database: Database, database_url: str, record: StudyRecord
) -> None:
    """As after an outage in which the answer to a successful commit was lost."""
    with worker(database_url, "a") as a:
        trial = a.claim()
        unaware = attach_trial(a.study, get_trial_id(trial))
        a.report(trial, 0, 0.5)
        expire(database)
        a.report(unaware, 0, 0.5)
        assert rows(database, "SELECT expires_at > now() FROM depthsearch.leases") == [(True,)]
        assert leases.take_over(database.engine, record.study_id, "b", LONG_SECONDS) is None
        leases.release(database.engine, leases.Lease(get_trial_id(trial), 1))
        assert leases.take_over(database.engine, record.study_id, "b", LONG_SECONDS) is not None
        with pytest.raises(LeaseLost):
            a.report(trial, 0, 0.5)


def test_epochs_that_a_broken_server_has_lost_are_missed(
    database: Database, database_url: str, record: StudyRecord
) -> None:
    """The commit of an epoch does not wait for the server's disk: the next one tells that it is gone."""
    with worker(database_url, "a") as a:
        trial = a.claim()
        assert a.fence.lease is not None
        beat = Beat(worker="a", study_id=record.study_id, device="cpu")
        metrics = {epoch: {"accuracy": epoch / 10} for epoch in range(3)}

        def store(*which: int) -> epochs.Recorded:
            assert a.fence.lease is not None
            chosen = {epoch: metrics[epoch] for epoch in which}
            return epochs.record(database.engine, beat, a.fence.lease, chosen, lease_seconds=LONG_SECONDS)

        assert [store(0).before, store(1).before] == [0, 1]
        execute(database, "DELETE FROM depthsearch.epochs WHERE epoch = 1")
        execute(database, "DELETE FROM trial_intermediate_values WHERE step = 1")
        assert store(2).before == 1
        assert store(0, 1, 2).before == 0
        assert RDBStorage(database_url).get_trial(get_trial_id(trial)).intermediate_values == {0: 0.0, 1: 0.1, 2: 0.2}
        assert rows(database, "SELECT epoch FROM depthsearch.epochs ORDER BY epoch") == [(0,), (1,), (2,)]


def test_a_tool_without_a_fence_still_works(database_url: str, record: StudyRecord) -> None:
    study = optuna.load_study(study_name="s", storage=RDBStorage(database_url))
    study.add_trial(
        optuna.trial.create_trial(params={"x": 1.0}, distributions={"x": FloatDistribution(0, 1)}, value=1.0)
    )
    assert study.best_value == 1.0


def test_a_beat_tells_that_the_lease_is_lost(database: Database, database_url: str, record: StudyRecord) -> None:
    with worker(database_url, "a") as a:
        a.claim()
        lease = a.fence.lease
        assert lease is not None
        beat = Beat(worker="a", study_id=record.study_id, device="cpu")
        assert beats.send(database.engine, beat, lease, LONG_SECONDS) == Answer(held=True, orders=Orders())
        leases.release(database.engine, lease)
        assert leases.take_over(database.engine, record.study_id, "b", LONG_SECONDS) is not None
        assert beats.send(database.engine, beat, lease, LONG_SECONDS) == Answer(held=False, orders=Orders())
