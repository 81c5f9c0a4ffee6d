"""Which trial a worker claims: one that it holds, one that was interrupted, an enqueued one, a new one, or none."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import optuna
import pytest
from sqlalchemy import event, text

from search.workers.claims import ClaimedTrial, TrialClaimer
from storage import url
from storage.database import Database, open_database
from storage.leasing import leases
from storage.leasing.fencing import LeaseFence
from storage.leasing.leases import Lease
from storage.optuna_adapter import get_engine, get_stored, get_study_id, get_trial_id
from storage.records import studies
from storage.records.studies import StudyRecord

LEASE_SECONDS = 60.0


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    with open_database(url.parse(database_url)) as database:
        yield database


@pytest.fixture
def record(database: Database) -> StudyRecord:
    """A study with a budget of two trials."""
    return studies.create(database, "s", {}, 2)


@contextmanager
def claimer(address: str, name: str) -> Iterator[tuple[TrialClaimer, LeaseFence]]:
    """A worker with connections of its own."""
    with open_database(url.parse(address)) as database:
        fence = LeaseFence(database.history, name, LEASE_SECONDS)
        study = optuna.load_study(study_name="s", storage=database.history)
        yield TrialClaimer(database, study, fence, worker=name, lease_seconds=LEASE_SECONDS), fence


def number_of(claimed: ClaimedTrial | None) -> int:
    assert claimed is not None
    return claimed.trial.number


def test_a_new_trial_comes_with_its_lease(database_url: str, record: StudyRecord) -> None:
    with claimer(database_url, "a") as (a, fence):
        claimed = a.claim()
        assert claimed is not None
        assert claimed.lease == Lease(get_trial_id(claimed.trial), 1) == fence.lease


def test_there_is_nothing_to_claim_without_a_slot(database_url: str, record: StudyRecord) -> None:
    with (
        claimer(database_url, "a") as (a, _),
        claimer(database_url, "b") as (b, _),
        claimer(database_url, "c") as (c, _),
    ):
        assert (number_of(a.claim()), number_of(b.claim()), c.claim()) == (0, 1, None)


def test_a_stopped_study_gives_nothing(database: Database, database_url: str, record: StudyRecord) -> None:
    with claimer(database_url, "a") as (a, _):
        a.claim()
        a.release()
        studies.set_control(database.engine, record.study_id, "stop")
        assert a.claim() is None


def test_an_interrupted_trial_comes_before_a_new_one(database_url: str, record: StudyRecord) -> None:
    with claimer(database_url, "a") as (a, _), claimer(database_url, "b") as (b, fence):
        first = a.claim()
        assert first is not None
        x = first.trial.suggest_float("x", 0, 1)
        a.release()
        second = b.claim()
        assert second is not None
        assert (second.trial.number, second.lease, fence.lease) == (0, Lease(first.lease.trial_id, 2), second.lease)
        assert second.trial.suggest_float("x", 0, 1) == x


def test_an_enqueued_trial_comes_before_a_new_one(database: Database, database_url: str, record: StudyRecord) -> None:
    plain = optuna.load_study(study_name="s", storage=database.optuna)
    plain.enqueue_trial({"x": 0.25})
    with claimer(database_url, "a") as (a, _):
        claimed = a.claim()
        assert claimed is not None
        assert claimed.trial.suggest_float("x", 0, 1) == 0.25
    assert len(plain.trials) == 1


def test_a_repeated_claim_gives_the_trial_that_is_held(
    database: Database, database_url: str, record: StudyRecord
) -> None:
    """As after an outage between the commit of the first claim and its answer."""
    with claimer(database_url, "a") as (a, fence):
        assert number_of(a.claim()) == number_of(a.claim()) == 0
        assert fence.lease is not None
        assert fence.lease.token == 1
    with database.engine.begin() as connection:
        assert connection.scalar(text("SELECT count(*) FROM trials")) == 1


def test_a_claim_whose_answer_was_lost_is_not_made_again(database_url: str, record: StudyRecord) -> None:
    with claimer(database_url, "a") as (a, fence), claimer(database_url, "b") as (b, _):
        assert number_of(a.claim()) == 0
        fence.lease = None  # as if the connection had broken after the commit
        assert (number_of(b.claim()), number_of(a.claim())) == (1, 0)
        a.release()
        assert number_of(b.claim()) == 1


def test_a_trial_is_claimed_begun_and_ended_in_a_round_trip_each(
    database: Database, database_url: str, record: StudyRecord
) -> None:
    studies.raise_budget(database.engine, record.study_id, 3)
    with claimer(database_url, "a") as (a, fence):
        sent: list[str] = []
        for number in range(3):
            if number == 2:  # statements are prepared by then, and the parameters' distributions known
                engine = get_engine(a._history.backend)
                event.listen(engine, "before_cursor_execute", lambda _, __, sql, *___: sent.append(sql))
            claimed = a.claim()
            assert claimed is not None
            study = claimed.trial.study
            with a._history.holding(get_study_id(study), news=not claimed.news), a._history.gathering(claimed.lease):
                claimed.trial.suggest_float("x", 0, 1)
            with a._history.ending(claimed.lease, get_stored(claimed.trial), lambda: None):
                study.tell(claimed.trial, 0.5)
            fence.lease = None
        assert len(sent) == 3
    stored = optuna.load_study(study_name="s", storage=database.optuna).trials
    assert [(trial.state.name, trial.value, list(trial.params)) for trial in stored] == [("COMPLETE", 0.5, ["x"])] * 3


def test_a_release_is_for_the_next_worker(database: Database, database_url: str, record: StudyRecord) -> None:
    with claimer(database_url, "a") as (a, fence):
        claimed = a.claim()
        assert claimed is not None
        assert leases.take_over(database.engine, record.study_id, "b", LEASE_SECONDS) is None
        a.release()
        assert fence.lease is None
        a.release()  # there is nothing left to release
        taken = leases.take_over(database.engine, record.study_id, "b", LEASE_SECONDS)
        assert taken == Lease(claimed.lease.trial_id, 2)
