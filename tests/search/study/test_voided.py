"""Nothing counts a voided trial or learns from it: status, samplers, pruners, earlier studies, forks and copies."""

from __future__ import annotations

import random
from collections.abc import Mapping
from functools import cache
from typing import Any

import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState, create_trial

from objectives.discovery import find_objective
from search.strategies import policy
from search.strategies.gp.encoding import Encoding
from search.strategies.gp.learning_curves import CurveReader
from search.strategies.registry import PRUNERS, SAMPLERS, StrategySetting
from search.study import prior_studies
from search.study.status import StudyView
from search.workers.attributes.trial_record import BUGS_THAT_STOP, find_repeated_bug
from spaces import Float, Space
from storage import url
from storage.copying.study import copy_study
from storage.database import Database, open_database
from storage.leasing import withdrawal
from storage.optuna_adapter import add_trial
from storage.records import finished_trials, studies
from tests.conftest import copied
from tests.search.earlier import OBJECTIVE, make, planned, random_trials

SPACE = Space(x=Float(0, 1), y=Float(0, 1))
EPOCHS, TRIALS = 4, 12
VOIDED = (5, 8)
MARKS = dict.fromkeys(("qmc", "random", "median", "hyperband"), pytest.mark.long)
"""Strategies that learn from nothing, or from what the others learn from."""


@cache
def some_spec() -> dict[str, object]:
    """What a study was created with."""
    return planned("any").spec.to_json()


def add_study(database: Database, given: Mapping[int, float]) -> optuna.Study:
    """Add a study with the same trials each time, but with `given` values of those that are voided then."""
    record = studies.create(database, "a", some_spec(), TRIALS)
    study = optuna.load_study(study_name="a", storage=database.history)
    chance = random.Random(0)
    for number in range(TRIALS):
        x, y = chance.random(), chance.random()
        value = given.get(number, (x + y) / 2)
        x = given.get(number, x)
        curve = {epoch: value * (epoch + 1) / EPOCHS for epoch in range(EPOCHS)}
        state = TrialState.PRUNED if number % 3 == 2 else TrialState.COMPLETE
        drawn: dict[str, Any] = {"params": {"x": x, "y": y}, "distributions": SPACE.distributions()}
        add_trial(
            study,
            create_trial(
                state=state,
                value=None if state == TrialState.PRUNED else value,
                intermediate_values=curve,
                system_attrs={"completed_rung_0": value},
                **drawn,
            ),
        )
    study.get_trials()  # what a worker knows from now on
    for number in given:
        withdrawal.void(database.engine, record.study_id, number, "wrong data")
    return study


def decide(study: optuna.Study, sampler: str, pruner: str) -> list[tuple[Mapping[str, Any], list[bool]]]:
    """Return what the strategies propose for further trials, and whether they stop each of them at its epochs."""
    setting = StrategySetting(space=SPACE, epochs=EPOCHS, seed=3, trials=TRIALS, points=5)
    study.sampler, study.pruner = policy.build_strategies(sampler, pruner, setting, audit=0.0)
    decided = []
    for level in (0.3, 0.5, 0.6, 0.7, 0.8, 0.9):
        trial = study.ask(SPACE.distributions())
        stopped = []
        for epoch in range(EPOCHS - 1):
            trial.report(level, epoch)
            stopped.append(trial.should_prune())
        study.tell(trial, state=TrialState.FAIL)
        decided.append((trial.params, stopped))
    return decided


@pytest.mark.parametrize(
    ("sampler", "pruner"),
    [
        *(pytest.param(name, "none", marks=MARKS.get(name, ())) for name in SAMPLERS if name != "grid"),
        *(pytest.param("random", name, marks=MARKS.get(name, ())) for name in PRUNERS if name != "none"),
    ],
)
def test_no_strategy_learns_from_a_voided_trial(database: Database, sampler: str, pruner: str) -> None:
    found = []
    for value in (0.0, 1.0):
        found.append(decide(add_study(database, dict.fromkeys(VOIDED, value)), sampler, pruner))
        optuna.delete_study(study_name="a", storage=database.optuna)  # brackets go by the study's name
    assert found[0] == found[1]


def test_a_configuration_whose_trial_was_voided_may_be_proposed_again(database: Database) -> None:
    study = add_study(database, {4: 0.99})
    curves = CurveReader(Encoding(SPACE), EPOCHS, 0).read(study)
    assert curves.failed_FP is not None
    assert (len(curves.failed_FP), 4 in curves.numbers_N, len(curves)) == (0, False, TRIALS - 1)


def test_a_voided_best_trial_is_best_no_more_and_the_status_says_why(database: Database) -> None:
    add_study(database, {4: 0.99})
    status = StudyView(database, "a").status()
    assert status.best is not None
    assert status.best.trial != 4
    assert (status.states.fail, status.budget.left, status.errors) == (1, 1, ())
    assert [(one.trial, one.reason, one.was) for one in status.voided] == [(4, "wrong data", "complete")]
    assert status.reasons == {"void": 1}
    assert status.epochs_trained == (TRIALS - 1) * EPOCHS
    assert status.progress == f"{TRIALS - 1} of {TRIALS} trials"


def test_another_study_learns_nothing_from_a_voided_trial(database: Database) -> None:
    space = find_objective(OBJECTIVE).objective.space
    record = make(database, planned("any"), "old", random_trials(space, 12))
    before = finished_trials.read_trials(database.engine, record.study_id, 12)
    withdrawal.void(database.engine, record.study_id, 0, "wrong data")
    assert prior_studies.choose_prior_studies(database.engine, space, None) == {record.uuid: 11}
    assert finished_trials.read_trials(database.engine, record.study_id, 12) == before[1:]


def test_a_copy_has_voided_trials_as_they_are(database: Database, server: str, template: str) -> None:
    add_study(database, {4: 0.99})
    studies.set_priority(database.engine, studies.get(database.engine, "a").study_id, 7)
    before = StudyView(database, "a").status()
    with copied(server, template) as address, open_database(url.parse(address)) as target:
        copy_study(database, target, "a")
        view = StudyView(target, "a")
        assert (view.status().voided, view.status().best, view.record.priority) == (before.voided, before.best, 7)


def test_trials_that_people_took_out_are_no_bugs_that_stop_a_study() -> None:
    def failed(reason: str, kind: str | None) -> FrozenTrial:
        notes = {"reason": reason, **({} if kind is None else {"kind": kind})}
        return create_trial(state=TrialState.FAIL, user_attrs=notes)

    bugs = [failed("error", "KeyError")] * (BUGS_THAT_STOP - 1)
    taken = [failed("cancelled", None), failed("void", "KeyError"), failed("void", None)] * BUGS_THAT_STOP
    assert find_repeated_bug([*bugs, *taken]) is None
    assert find_repeated_bug([*bugs, *taken, failed("error", "KeyError")]) is not None


def test_what_was_stopped_because_of_a_voided_repeat_is_voided_with_it(database: Database) -> None:
    record = studies.create(database, "a", {}, 6)
    study = optuna.load_study(study_name="a", storage=database.history)
    for number, (configuration, reason) in enumerate([(0, "diverged"), (0, "configuration stopped"), (2, "pruner")]):
        notes = {"configuration": configuration, "repeat": number % 2, "repeats": 2, "reason": reason}
        add_trial(study, create_trial(state=TrialState.PRUNED, user_attrs=notes))
    assert withdrawal.void(database.engine, record.study_id, 0, "wrong data").others == (1,)
    assert [trial.state.name for trial in study.get_trials()] == ["FAIL", "FAIL", "PRUNED"]
