"""What --budget says, and what a study's record makes of it: created, raised, replaced, forked, used up."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from optuna.trial import FrozenTrial, TrialState, create_trial

from search.errors import UsageError
from search.settings import load
from search.study import prior_studies
from search.study.create import create_or_continue
from search.study.fork import fork_study
from search.study.options import Effort, parse_budget
from search.study.outline import measure_budget
from search.study.plan import StudyRequest
from search.study.status_types import Budget
from storage.database import Database
from storage.records.studies import StudyRecord
from tests.search.earlier import EPOCHS, OBJECTIVE, make, planned, random_trials

DEFAULT_TRIALS = 30


def continued(database: Database, **flags: Any) -> tuple[int | None, int | None]:
    """The trials and the epochs of the study's budget after this request."""
    request = StudyRequest(study="s", objective=OBJECTIVE, epochs=EPOCHS, experience="none", **flags)
    record, _ = create_or_continue(database, request, load())
    return record.trials, record.epoch_budget


@pytest.mark.parametrize(
    ("text", "effort"),
    [
        ("20R", Effort(full_trainings=Fraction(20))),
        ("0.5R", Effort(full_trainings=Fraction(1, 2))),
        (" 1r ", Effort(full_trainings=Fraction(1))),
        ("2h", Effort(seconds=7200)),
        ("90m", Effort(seconds=5400)),
        ("30s", Effort(seconds=30)),
        ("1.5d", Effort(seconds=129600)),
    ],
)
def test_a_budget_is_full_trainings_or_a_time(text: str, effort: Effort) -> None:
    assert parse_budget(text) == effort


@pytest.mark.parametrize("text", ["20", "", "R", "-1R", "1e3R", "20 epochs", "2h30m", ".5R", "1,5R", "nanR", "٢R", 20])
def test_anything_else_is_refused_with_both_forms(text: str) -> None:
    with pytest.raises(UsageError, match=r"such as 20R, or a time, such as 2h .*, but got "):
        StudyRequest(study="s", budget=text)


@pytest.mark.parametrize("text", ["0R", "0.0h", "99999999999R", "99999999d"])
def test_a_budget_has_bounds(text: str) -> None:
    with pytest.raises(UsageError, match="must be above 0"):
        StudyRequest(study="s", budget=text)


def test_a_time_is_given_once() -> None:
    assert StudyRequest(study="s", budget="2h").seconds == StudyRequest(study="s", timeout=7200).seconds
    assert StudyRequest(study="s", budget="2R", timeout=60).seconds == 60
    with pytest.raises(UsageError, match="give one of them"):
        StudyRequest(study="s", budget="2h", timeout=60)


def test_a_part_of_a_training_is_rounded_up_to_epochs() -> None:
    counts = {
        text: StudyRequest(study="s", budget=text).count_epoch_budget(30) for text in ("0.1R", "0.01R", "2R", "2h")
    }
    assert counts == {"0.1R": 3, "0.01R": 1, "2R": 60, "2h": None}
    with pytest.raises(UsageError, match="epochs of --budget"):
        StudyRequest(study="s", budget="2000000000R").count_epoch_budget(30)


@pytest.mark.parametrize(
    ("flags", "budget"),
    [
        ({}, (DEFAULT_TRIALS, None)),
        ({"budget": "2h"}, (DEFAULT_TRIALS, None)),
        ({"budget": "20R"}, (None, 20 * EPOCHS)),
        ({"budget": "20R", "trials": 7}, (7, 20 * EPOCHS)),
    ],
)
def test_a_new_study_has_the_budget_that_is_asked_for(
    database: Database, flags: dict[str, Any], budget: tuple[int | None, int | None]
) -> None:
    assert continued(database, **flags) == budget
    assert continued(database) == budget


def test_a_budget_is_raised_and_not_lowered(database: Database) -> None:
    assert continued(database, budget="2R") == (None, 2 * EPOCHS)
    assert continued(database, budget="2h") == (None, 2 * EPOCHS)
    assert continued(database, budget="4R") == (None, 4 * EPOCHS)
    with pytest.raises(UsageError, match="has a budget of 12 epochs, which may be raised but not lowered to 6"):
        continued(database, budget="2R")
    assert continued(database, trials=9, budget="4R") == (9, 4 * EPOCHS)
    assert continued(database, budget="5R") == (9, 5 * EPOCHS)
    assert continued(database, trials=10) == (10, 5 * EPOCHS)
    with pytest.raises(UsageError, match="has a budget of 10 trials, which may be raised but not lowered to 9"):
        continued(database, trials=9, budget="6R")
    assert continued(database) == (10, 5 * EPOCHS)


def test_the_other_kind_of_budget_takes_the_place_of_the_first(database: Database) -> None:
    assert continued(database, trials=4) == (4, None)
    assert continued(database, budget="2R") == (None, 2 * EPOCHS)
    assert continued(database, trials=4) == (4, None)


def test_strategies_know_that_a_plan_has_no_number_of_trials(database: Database) -> None:
    request = StudyRequest(study="s", objective=OBJECTIVE, budget="2R", experience="none")
    record, plan = create_or_continue(database, request, load())
    assert prior_studies.build_setting(database.engine, plan, record.trials).trials is None


def test_warnings_are_about_the_trials_that_the_epochs_are_expected_to_be(database: Database) -> None:
    request = StudyRequest(study="s", objective=OBJECTIVE, budget="2R", pruner="none", experience="none")
    _, plan = create_or_continue(database, request, load())
    assert [note for note in plan.notes if "the budget is 2;" in note]


def test_a_new_study_is_told_that_its_plan_exhausts_its_space(database: Database) -> None:
    overrides = ("depth=1:4", "width=32", "dropout=0", "schedule=constant,cosine", "optimizer=adamw")
    fixed = ("adamw.learning_rate=0.001", "adamw.weight_decay=0.001")
    request = StudyRequest(study="s", objective=OBJECTIVE, trials=30, experience="none", overrides=overrides + fixed)
    _, plan = create_or_continue(database, request, load())
    assert [note for note in plan.notes if "the space has 8 configurations, fewer than the 30 trials of" in note]


def test_the_budget_of_a_fork_is_for_further_trials(database: Database) -> None:
    past = random_trials(planned("any").found.objective.space, 6)
    make(database, planned("old"), "old", past)
    request = StudyRequest(study="old", fork="new", budget="2R")
    record, _ = fork_study(database, request, load())
    assert (record.trials, record.epoch_budget) == (None, sum(len(trial.curve) for trial in past) + 2 * EPOCHS)


def trial(state: TrialState, epochs: int) -> FrozenTrial:
    value = 0.5 if state == TrialState.COMPLETE else None
    return create_trial(state=state, value=value, intermediate_values=dict.fromkeys(range(epochs), 0.5))


COMPLETE, PRUNED, RUNNING, FAIL = TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING, TrialState.FAIL


@pytest.mark.parametrize(
    ("trials", "epochs", "trained", "left"),
    [
        (3, None, [(COMPLETE, 3), (RUNNING, 2)], 2),
        (3, None, [(COMPLETE, 3), (PRUNED, 1), (FAIL, 3), (PRUNED, 1)], 0),
        (None, 5, [(COMPLETE, 3), (RUNNING, 1)], None),
        (None, 5, [(COMPLETE, 3), (RUNNING, 2)], 1),  # it is resumed if its worker died
        (None, 5, [(COMPLETE, 3), (FAIL, 2)], 0),
        (None, 2, [(PRUNED, 0), (PRUNED, 0)], 0),
        (3, 5, [(COMPLETE, 3), (RUNNING, 1)], 2),
        (3, 5, [(COMPLETE, 3), (RUNNING, 2)], 1),
        (2, 9, [(COMPLETE, 3), (COMPLETE, 2)], 0),
    ],
)
def test_what_is_left_of_a_budget(
    trials: int | None, epochs: int | None, trained: list[tuple[TrialState, int]], left: int | None
) -> None:
    record = StudyRecord(
        study_id=1,
        uuid="",
        name="s",
        spec={},
        trials=trials,
        epoch_budget=epochs,
        control="run",
        reason=None,
        overdue=False,
    )
    assert measure_budget(record, [trial(*one) for one in trained]) == Budget(trials=trials, left=left, epochs=epochs)
