"""The guard: slots, leases and fencing inside Optuna's own transactions, on a real Postgres."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from contextlib import contextmanager

import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.storages import RDBStorage
from optuna.trial import TrialState
from sqlalchemy import text

from storage import url
from storage.database import Database, open_database
from storage.errors import LeaseLost, NoSlot
from storage.leasing import leases
from storage.leasing.fencing import LeaseFence
from storage.records import epochs, studies
from storage.records.studies import StudyRecord

LONG = 60.0


@contextmanager
def worker(address: str, name: str, seconds: float = LONG) -> Iterator[tuple[Database, LeaseFence, optuna.Study]]:
    """A second connection with a guard of its own, as another process would have."""
    with open_database(url.parse(address)) as database:
        fence = LeaseFence(database.optuna, name, seconds)
        study = optuna.load_study(
            study_name="s", storage=database.optuna, sampler=optuna.samplers.RandomSampler(seed=1)
        )
        yield database, fence, study


def expire(database: Database) -> None:
    """As after a lease's time without a sign of life; the server has been up all the while."""
    with database.engine.begin() as connection:
        connection.execute(text("UPDATE depthsearch.leases SET expires_at = now() - interval '1 second'"))


def test_a_new_trial_has_a_lease_in_the_same_commit(database_url: str, record: StudyRecord) -> None:
    with worker(database_url, "a") as (database, fence, study):
        trial = study.ask()
        assert fence.lease == leases.Lease(trial._trial_id, 1)
        with database.engine.begin() as connection:
            row = connection.execute(text("SELECT trial_id, worker FROM depthsearch.leases")).one()
        assert tuple(row) == (trial._trial_id, "a")


def test_a_finished_trial_has_none(database_url: str, record: StudyRecord) -> None:
    with worker(database_url, "a") as (database, fence, study):
        study.tell(study.ask(), 0.5)
        assert fence.lease is None
        with database.engine.begin() as connection:
            assert connection.scalar(text("SELECT count(*) FROM depthsearch.leases")) == 0


def test_enqueued_trials_take_a_slot_and_a_lease(database: Database, database_url: str, record: StudyRecord) -> None:
    plain = optuna.load_study(study_name="s", storage=RDBStorage(database_url))
    for _ in range(5):
        plain.enqueue_trial({"x": 0.5})
    with worker(database_url, "a") as (_, fence, study):
        for _ in range(3):
            trial = study.ask()
            assert fence.lease is not None
            assert trial.suggest_float("x", 0, 1) == 0.5
            study.tell(trial, 1.0)
        with pytest.raises(NoSlot):
            study.ask()
        counts = [trial.state for trial in study.get_trials()]
        assert counts.count(TrialState.COMPLETE) == 3
        assert counts.count(TrialState.WAITING) == 2


def test_the_budget_counts_running_trials(database_url: str, record: StudyRecord) -> None:
    with (
        worker(database_url, "a") as (_, _, a),
        worker(database_url, "b") as (_, _, b),
        worker(database_url, "c") as (_, _, c),
        worker(database_url, "d") as (_, d_guard, d),
    ):
        trials = [a.ask(), b.ask(), c.ask()]
        with pytest.raises(NoSlot, match="3 trials"):
            d.ask()
        assert d_guard.lease is None
        # A failure of ours gives the slot back.
        a.tell(trials[0], state=TrialState.FAIL)
        assert d.ask().number == 3


def test_raising_the_budget_opens_slots(database: Database, database_url: str, record: StudyRecord) -> None:
    with worker(database_url, "a") as (_, _, study):
        for _ in range(3):
            study.tell(study.ask(), 1.0)
        with pytest.raises(NoSlot):
            study.ask()
        studies.raise_budget(database.engine, record.study_id, 4)
        study.tell(study.ask(), 1.0)
        studies.raise_budget(database.engine, record.study_id, 2)  # never lowers
        with pytest.raises(NoSlot, match="4 trials"):
            study.ask()


@pytest.mark.parametrize("how", ["stop", "deadline"])
def test_a_stopped_study_takes_no_trial(database: Database, database_url: str, record: StudyRecord, how: str) -> None:
    if how == "stop":
        studies.set_control(database.engine, record.study_id, "stop")
    else:
        studies.set_deadline(database.engine, record.study_id, -1.0)
    with worker(database_url, "a") as (_, _, study), pytest.raises(NoSlot, match="stopped"):
        study.ask()


def _train_all(address: str, budget_errors: int) -> None:
    """A process that takes trials until none is left, failing now and then as infrastructure does."""
    with worker(address, f"w{budget_errors}") as (_, _, study):
        failures = 0
        while True:
            try:
                trial = study.ask()
            except NoSlot:
                return
            trial.suggest_float("x", 0, 1)
            if failures < budget_errors:
                failures += 1
                study.tell(trial, state=TrialState.FAIL)
            else:
                study.tell(trial, trial.number)


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


def test_take_over_needs_an_expired_lease(database: Database, database_url: str, record: StudyRecord) -> None:
    with worker(database_url, "a") as (_, _, study):
        trial = study.ask()
        assert leases.take_over(database.engine, record.study_id, "b", LONG) is None
        expire(database)
        assert leases.take_over(database.engine, record.study_id, "b", LONG) == leases.Lease(trial._trial_id, 2)
        assert leases.take_over(database.engine, record.study_id, "c", LONG) is None


def test_a_running_trial_without_a_lease_is_taken_over(
    database: Database, database_url: str, record: StudyRecord
) -> None:
    stray = optuna.load_study(study_name="s", storage=RDBStorage(database_url)).ask()
    assert leases.take_over(database.engine, record.study_id, "b", LONG) == leases.Lease(stray._trial_id, 1)


def test_a_worker_that_lost_its_lease_writes_nothing(
    database: Database, database_url: str, record: StudyRecord
) -> None:
    with worker(database_url, "a") as (slow, fence, study):
        trial = study.ask()
        trial.suggest_float("x", 0, 1)
        trial.report(0.1, 0)
        old = fence.lease
        assert old is not None
        expire(database)
        assert leases.take_over(database.engine, record.study_id, "b", LONG) is not None
        with pytest.raises(LeaseLost):
            trial.report(0.2, 1)
        with pytest.raises(LeaseLost):
            trial.suggest_float("y", 0, 1)
        with pytest.raises(LeaseLost):
            trial.set_user_attr("late", 1)
        with pytest.raises(LeaseLost):
            trial.set_constraint("late", 1.0)
        with slow.engine.begin() as connection, pytest.raises(LeaseLost):
            epochs.record(connection, old, 1, {"accuracy": 0.2}, lease_seconds=LONG)
        with pytest.raises(LeaseLost):
            study.tell(trial, 0.9)
    stored = optuna.load_study(study_name="s", storage=database.optuna).get_trials()[0]
    assert stored.state == TrialState.RUNNING
    assert stored.intermediate_values == {0: 0.1}
    assert set(stored.params) == {"x"}
    assert stored.user_attrs == {}


def test_the_next_holder_goes_on_with_the_same_trial(
    database: Database, database_url: str, record: StudyRecord
) -> None:
    with worker(database_url, "a") as (_, _, study):
        first = study.ask()
        x = first.suggest_float("x", 0, 1)
        first.report(0.1, 0)
    expire(database)
    with worker(database_url, "b") as (_, fence, study):
        fence.lease = leases.take_over(database.engine, record.study_id, "b", LONG)
        study.get_trials(deepcopy=False)
        second = optuna.trial.Trial(study, first._trial_id)
        assert second.suggest_float("x", 0, 1) == x
        assert 0 <= second.suggest_float("never suggested before", 0, 1) <= 1
        second.report(0.3, 1)
        study.tell(second, 0.3)
    [stored] = optuna.load_study(study_name="s", storage=database.optuna).get_trials()
    assert stored.number == first.number
    assert stored.intermediate_values == {0: 0.1, 1: 0.3}


def test_an_unguarded_tool_still_works(database_url: str, record: StudyRecord) -> None:
    study = optuna.load_study(study_name="s", storage=RDBStorage(database_url))
    study.add_trial(
        optuna.trial.create_trial(params={"x": 1.0}, distributions={"x": FloatDistribution(0, 1)}, value=1.0)
    )
    assert study.best_value == 1.0


def test_renewing_a_lost_lease_is_an_error(database: Database, database_url: str, record: StudyRecord) -> None:
    with worker(database_url, "a") as (_, fence, study):
        study.ask()
        lease = fence.lease
        assert lease is not None
        with database.engine.begin() as connection:
            leases.renew(connection, lease, LONG)
        leases.release(database.engine, lease)
        assert leases.take_over(database.engine, record.study_id, "b", LONG) is not None
        with database.engine.begin() as connection, pytest.raises(LeaseLost):
            leases.renew(connection, lease, LONG)
