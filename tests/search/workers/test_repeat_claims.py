"""Which repeat of which configuration a worker claims: each once, and within the budget, in any order of asking."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState

from search.strategies.repeated.configurations import get_configuration, get_repeat
from search.workers.claims import ClaimedTrial, TrialClaimer
from storage import url
from storage.database import Database, open_database
from storage.leasing.fencing import LeaseFence
from storage.leasing.repeats import REPEATS, SharedSlots, describe_repeat
from storage.optuna_adapter import get_stored
from storage.records import studies

LEASE_SECONDS = 60.0
REPEATS_OF_EACH = 3


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A storage with a study of two configurations, each of three trials."""
    with open_database(url.parse(database_url)) as database:
        studies.create(database, "s", {}, 2 * REPEATS_OF_EACH)
        yield database


class Member:
    """A worker with connections of its own."""

    def __init__(self, database: Database, name: str, shared: SharedSlots) -> None:
        fence = LeaseFence(database.history, name, LEASE_SECONDS, shared)
        self.study = optuna.load_study(study_name="s", storage=database.history)
        self._claims = TrialClaimer(
            database, self.study, fence, worker=name, lease_seconds=LEASE_SECONDS, shared=shared
        )

    def claim(self) -> ClaimedTrial | None:
        return self._claims.claim()

    def begin(self, x: float = 0.5) -> optuna.Trial:
        """Claim a trial, and store its parameters and what it is, as a worker does."""
        claimed = self.claim()
        assert claimed is not None
        stored = get_stored(claimed.trial)
        for name, value in describe_repeat(claimed.trial.number, 0, REPEATS_OF_EACH).items():
            if name not in stored.user_attrs:
                claimed.trial.set_user_attr(name, value)
        claimed.trial.suggest_float("x", 0, 1) if "x" in stored.params else self._draw(claimed.trial, x)
        return claimed.trial

    def _draw(self, trial: optuna.Trial, x: float) -> None:
        distribution = optuna.distributions.FloatDistribution(0, 1)
        trial.storage.set_trial_param(trial._trial_id, "x", x, distribution)

    def end(self, trial: optuna.Trial, state: TrialState, value: float | None = None) -> None:
        self.study.tell(trial, value, state=state)


@contextmanager
def members(address: str, count: int, *, keeps_failed: bool = False) -> Iterator[list[Member]]:
    with ExitStack() as stack:
        shared = SharedSlots(repeats=REPEATS_OF_EACH, keeps_failed=keeps_failed)
        databases = [stack.enter_context(open_database(url.parse(address))) for _ in range(count)]
        yield [Member(database, f"w{number}", shared) for number, database in enumerate(databases)]


def read(database: Database) -> list[FrozenTrial]:
    return optuna.load_study(study_name="s", storage=database.optuna).trials


def described(trials: list[FrozenTrial]) -> list[tuple[int, int, str]]:
    return [(get_configuration(trial), get_repeat(trial), trial.state.name) for trial in trials]


def test_the_repeats_of_a_configuration_come_before_another_one(database: Database, database_url: str) -> None:
    with members(database_url, 7) as workers:
        trials = [worker.begin(x=number / 10) for number, worker in enumerate(workers[:6])]
        # Nobody begins a third configuration, and a trial that has begun has all the slots of its configuration.
        assert workers[6].claim() is None
        assert [get_stored(trial).user_attrs[REPEATS] for trial in trials[1:3]] == [3, 3]
    found = read(database)
    assert described(found) == [(first, repeat, "RUNNING") for first in (0, 3) for repeat in range(3)]
    assert [trial.params["x"] for trial in found] == [0.0, 0.0, 0.0, 0.3, 0.3, 0.3]


def test_before_its_parameters_are_known_a_configuration_has_its_slots_but_no_other_trial(
    database: Database, database_url: str
) -> None:
    with members(database_url, 4) as workers:
        claimed = [worker.claim() for worker in workers]
    assert [one is not None for one in claimed] == [True, True, False, False]
    assert described(read(database)) == [(0, 0, "RUNNING"), (1, 0, "RUNNING")]


def test_when_one_is_stopped_those_that_have_not_begun_are_stored_as_pruned_and_spend_their_slots(
    database: Database, database_url: str
) -> None:
    with members(database_url, 2) as workers:
        first, second = (worker.begin() for worker in workers)
        workers[0].end(first, TrialState.PRUNED)
        trial = workers[0].begin(x=0.7)
        assert trial.number == 3
        workers[0].end(trial, TrialState.COMPLETE, 0.9)
        workers[1].end(second, TrialState.PRUNED)
        for _ in range(2):
            workers[0].end(workers[0].begin(), TrialState.COMPLETE, 0.9)
        assert workers[0].claim() is None
    found = read(database)
    assert described(found) == [
        (0, 0, "PRUNED"),
        (0, 1, "PRUNED"),
        (0, 2, "PRUNED"),
        (3, 0, "COMPLETE"),
        (3, 1, "COMPLETE"),
        (3, 2, "COMPLETE"),
    ]
    assert found[2].user_attrs["reason"] == "configuration stopped"
    assert (found[2].params, found[2].intermediate_values) == (found[0].params, {})


def test_a_failed_trial_costs_nothing_and_its_repeat_is_trained_by_another(
    database: Database, database_url: str
) -> None:
    with members(database_url, 2) as workers:
        first, second = (worker.begin() for worker in workers)
        workers[1].end(second, TrialState.FAIL)
        again = workers[1].begin()
        assert (again.number, get_repeat(get_stored(again))) == (2, 1)
        workers[0].end(first, TrialState.COMPLETE, 0.5)
    assert described(read(database)) == [(0, 0, "COMPLETE"), (0, 1, "FAIL"), (0, 1, "RUNNING")]


@pytest.mark.parametrize("keeps_failed", [False, True])
def test_a_configuration_of_which_all_failed_is_trained_again_in_a_grid_only(
    database: Database, database_url: str, keeps_failed: bool
) -> None:
    with members(database_url, 1, keeps_failed=keeps_failed) as [worker]:
        worker.end(worker.begin(), TrialState.FAIL)
        trial = worker.begin()
        assert get_configuration(get_stored(trial)) == (0 if keeps_failed else 1)


def test_enqueued_trials_are_first_repeats_within_the_budget(database: Database, database_url: str) -> None:
    plain = optuna.load_study(study_name="s", storage=database.optuna)
    for x in (0.1, 0.2, 0.3):
        plain.enqueue_trial({"x": x})
    with members(database_url, 7) as workers:
        for worker in workers[:6]:
            worker.begin(x=0.1 if worker in workers[:3] else 0.2)
        assert workers[6].claim() is None
    states = described(read(database))
    assert sorted(states) == sorted(
        [*((first, repeat, "RUNNING") for first in (0, 1) for repeat in range(3)), (2, 0, "WAITING")]
    )


def test_of_many_that_ask_at_once_one_gets_each_repeat(database: Database, database_url: str) -> None:
    with members(database_url, 6) as workers:
        workers[0].begin()
        barrier, claimed = threading.Barrier(5), []

        def ask(worker: Member) -> None:
            barrier.wait()
            claimed.append(worker.claim())

        threads = [threading.Thread(target=ask, args=(worker,)) for worker in workers[1:]]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sum(one is not None for one in claimed) == 3
    begun = sorted(described(read(database)))
    assert begun[:3] == [(0, repeat, "RUNNING") for repeat in range(3)]
    assert [one[1:] for one in begun[3:]] == [(0, "RUNNING")]


def test_a_stopped_study_begins_no_repeat(database: Database, database_url: str) -> None:
    record = studies.get(database.engine, "s")
    with members(database_url, 2) as workers:
        workers[0].begin()
        studies.set_control(database.engine, record.study_id, "stop")
        assert workers[1].claim() is None
    assert len(read(database)) == 1
