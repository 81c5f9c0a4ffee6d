"""A fork: a study in a changed space that takes over what still fits, and leaves the old one as it is."""

from __future__ import annotations

import textwrap
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, IntDistribution
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState

from objectives.discovery import find_objective
from search.errors import UsageError
from search.settings import load
from search.study.compatibility import Compatibility
from search.study.fork import fork_study
from search.study.plan import ResolvedStudy, StudyRequest
from spaces import Categorical, Fixed, Float, Int, Space, Unless, override
from storage.database import Database
from storage.errors import StudyExists, UnknownStudy
from storage.history import confusions
from storage.optuna_adapter import ENQUEUED_PARAMETERS, SYSTEM_ATTRIBUTES
from storage.records import epochs, finished_trials, studies
from storage.records.studies import StudyRecord
from tests.conftest import execute
from tests.search.command import done, search
from tests.search.earlier import EPOCHS, OBJECTIVE, Past, make, planned, random_trials

SPACE = find_objective(OBJECTIVE).objective.space
CONSTRAINT = "constraints:feasible"
OWN = """
    from torch import nn

    from objectives.core.objective import Objective
    from spaces import Fixed, Int, Space


    def build_model(config):
        return nn.Sequential(nn.Flatten(), nn.Linear(64, config.units), nn.ReLU(), nn.Linear(config.units, 10))


    OBJECTIVE = Objective(data="digits", build_model=build_model, epochs=3, trials=4,
                          space=Space(units=Int(8, 64), learning_rate=Fixed(0.01)))
"""


def trials_of(database: Database, study: str) -> list[FrozenTrial]:
    return optuna.load_study(study_name=study, storage=database.optuna).get_trials()


def forked(database: Database, to: str = "new", **flags: Any) -> tuple[StudyRecord, ResolvedStudy]:
    return fork_study(database, StudyRequest(study="old", fork=to, **flags), load())


def attribute(database: Database, trial: FrozenTrial, name: str, value: str) -> None:
    """Give a trial that is over one of Optuna's own attributes."""
    with database.engine.begin() as connection:
        row = {"trial_id": trial._trial_id, "key": name, "value_json": value}
        connection.execute(SYSTEM_ATTRIBUTES.insert().values(row))


def old_trials() -> list[Past]:
    """Twelve random ones, one that diverged, one that failed, one that runs."""
    past = random_trials(SPACE, 12)
    unwell = [TrialState.PRUNED, TrialState.FAIL, TrialState.RUNNING]
    broken = [replace(trial, state=state) for trial, state in zip(past, unwell, strict=False)]
    broken[0] = replace(broken[0], curve=[0.1], attributes={"seed": 7, "reason": "diverged", "best_epoch": 0})
    return [*past[:6], *broken, *past[6:]]


# Overrides of the space below, and the parameters that its trial then has; None where it does not fit.
SPACES: dict[str, tuple[tuple[str, ...], dict[str, Any] | None]] = {
    "the same": ((), {"depth": 2, "optimizer": "adamw", "adamw.rate": 0.1}),
    "another range with the value": (("depth=2:9",), {"depth": 2, "optimizer": "adamw", "adamw.rate": 0.1}),
    "another range without it": (("depth=3:9",), None),
    "fixed at the value": (("depth=2",), {"optimizer": "adamw", "adamw.rate": 0.1}),
    "fixed at another": (("depth=3",), None),
    "the choice alone": (("optimizer=adamw",), {"depth": 2, "adamw.rate": 0.1}),
    "another choice": (("optimizer=sgd",), None),
    "what was fixed varies": (("batch=16:64",), None),
    "what was fixed is another": (("batch=16",), None),
    "what another choice fixed is another": (
        ("sgd.momentum=0.5",),
        {"depth": 2, "optimizer": "adamw", "adamw.rate": 0.1},
    ),
    "what this choice fixed is another": (("adamw.decay=0.5",), None),
}


@pytest.mark.parametrize("change", SPACES)
def test_what_fits_has_the_same_configuration(change: str) -> None:
    assignments, expected = SPACES[change]
    space = Space(
        depth=Int(1, 4),
        batch=Fixed(32, domain=Int(8, 64)),
        optimizer=Categorical(
            {
                "adamw": Space(rate=Float(0.01, 0.5), decay=Fixed(0.1)),
                "sgd": Space(momentum=Fixed(0.9), rate=Float(0.01, 0.5)),
            }
        ),
    )
    stored = {"depth": 2, "optimizer": "adamw", "adamw.rate": 0.1}
    now = override(space, assignments)
    fitted = Compatibility(space, now).parameters(stored)
    assert fitted == expected
    if fitted is not None:
        assert now.replay(fitted) == space.replay(stored)


def test_what_was_removed_or_added_beside_a_trials_parameters_does_not_fit() -> None:
    rate = Float(0.01, 0.5)
    old = Space(rate=rate, clip=Fixed(1.0))
    assert Compatibility(old, Space(rate=rate, clip=Fixed(1.0))).parameters({"rate": 0.1}) == {"rate": 0.1}
    assert Compatibility(old, Space(rate=rate)).parameters({"rate": 0.1}) is None
    assert Compatibility(old, old.replace(more=Fixed(1))).parameters({"rate": 0.1}) is None
    # Another type is another value, though Python calls them equal.
    for value in (1, True):
        assert Compatibility(old, Space(rate=rate, clip=Fixed(value))).parameters({"rate": 0.1}) is None


def test_a_choice_that_does_not_vary_is_the_same_whatever_its_sub_space_is() -> None:
    def space(high: float) -> Space:
        return Space(optimizer=Categorical({"adamw": Space(rate=Float(0.01, high))}))

    assert Compatibility(space(0.5), space(0.9)).parameters({"adamw.rate": 0.1}) == {"adamw.rate": 0.1}
    assert Compatibility(space(0.5), space(0.05)).parameters({"adamw.rate": 0.1}) is None


def test_what_fits_is_carried_over_with_all_that_is_known_of_it(database: Database) -> None:
    old = make(database, planned("old"), "old", old_trials())
    attribute(database, trials_of(database, "old")[6], CONSTRAINT, "1.0")
    attribute(database, trials_of(database, "old")[2], ENQUEUED_PARAMETERS, '{"depth": 1}')
    before = trials_of(database, "old")
    execute(
        database.url.render_as_string(hide_password=False),
        "INSERT INTO depthsearch.confusions SELECT trial_id, number, '[3]', '[[7]]' FROM trials WHERE number % 2 = 0",
    )
    made, plan = forked(database, overrides=("depth=1:4",), trials=5)
    expected = [
        trial
        for trial in before
        if trial.state.is_finished() and trial.state.name != "FAIL" and trial.params["depth"] <= 4
    ]
    assert 3 < len(expected) < 13
    assert any(trial.constraints for trial in expected)
    new = trials_of(database, "new")
    assert [trial.number for trial in new] == list(range(len(expected)))
    for trial, was in zip(new, expected, strict=True):
        assert (trial.state, trial.values, trial.params) == (was.state, was.values, was.params)
        assert trial.intermediate_values == was.intermediate_values
        assert trial.user_attrs == {**was.user_attrs, "forked_from": f"old #{was.number}"}
        assert trial.system_attrs == {
            name: value for name, value in was.system_attrs.items() if name != ENQUEUED_PARAMETERS
        }
        assert trial.constraints == was.constraints
        assert epochs.read_curve(database.engine, trial._trial_id) == epochs.read_curve(database.engine, was._trial_id)
        assert confusions.find(database.engine, trial._trial_id) == confusions.find(database.engine, was._trial_id)
        assert (confusions.find(database.engine, trial._trial_id) is None) == (was.number % 2 == 1)
        assert trial.distributions["depth"] == IntDistribution(1, 4)
    assert trials_of(database, "old") == before
    assert studies.get(database.engine, "old") == old
    assert made.trials == len(expected) + 5
    assert made.spec["experience"] == {}  # the old study's trials would count twice
    assert plan.notes[0] == f"{len(expected)} of 13 finished trials of study 'old' are carried over"
    # And a fork of the fork names the nearest one.
    forked_again = fork_study(database, StudyRequest(study="new", fork="newer", trials=1), load())[0]
    assert forked_again.trials == len(expected) + 1
    assert trials_of(database, "newer")[2].user_attrs["forked_from"] == "new #2"


def test_choices_are_stored_by_their_new_place(database: Database) -> None:
    make(database, planned("old"), "old", random_trials(SPACE, 12))
    forked(database, overrides=("schedule=cosine,constant",))
    for trial in trials_of(database, "new"):
        assert trial.distributions["schedule"] == CategoricalDistribution(("cosine", "constant"))
        [was] = [
            other for other in trials_of(database, "old") if f"old #{other.number}" == trial.user_attrs["forked_from"]
        ]
        assert trial.params == was.params


def test_a_changed_override_takes_the_place_of_the_old_one(database: Database) -> None:
    make(database, planned("old", overrides=("optimizer=adamw", "depth=2:3")), "old", [])
    _, plan = forked(database, overrides=("optimizer=nesterov",))
    assert plan.spec.overrides == ["depth=2:3", "optimizer=nesterov"]


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ({"epochs": EPOCHS + 1}, "epochs: 3 -> 4"),
        ({"seed": 1}, "split_fingerprint"),
        ({"train_examples": 100}, "train_examples: None -> 100"),
    ],
)
def test_trials_of_another_meaning_are_learnt_from_alone(database: Database, flags: Any, said: str) -> None:
    old = make(database, planned("old"), "old", random_trials(SPACE, 12))
    made, plan = forked(database, trials=9, **flags)
    assert made.spec["experience"] == {old.uuid: 12}
    assert made.trials == 9
    assert {trial.state for trial in trials_of(database, "new")} == {TrialState.WAITING}  # to start with
    assert plan.notes[0].startswith("no trial of study 'old' is carried over")
    assert said in plan.notes[0]
    assert plan.notes[0].endswith("only learns from them")
    made, plan = forked(database, "cold", experience="none", **flags)
    assert (made.spec["experience"], trials_of(database, "cold")) == (None, [])
    assert plan.notes[0].endswith("does not learn from them either")


def test_a_fork_into_a_grid_trains_every_configuration_itself(database: Database) -> None:
    make(database, planned("old"), "old", random_trials(SPACE, 12))
    made, plan = forked(database, sampler="grid", points=1, overrides=("optimizer=adamw",))
    assert (made.trials, trials_of(database, "new")) == (3, [])  # three schedules
    assert plan.notes[0].startswith("no trial of study 'old' is carried over, because with --sampler grid or --repeats")


def test_trials_of_another_objective_or_other_data_are_others() -> None:
    spec = planned("old").spec
    for name in ("objective", "dataset", "data_fingerprint", "split_fingerprint"):
        [line] = spec.differences_of_trials(replace(spec, **{name: "other"}))
        assert line.startswith(f"~ {name}: ")
    [line] = spec.differences_of_trials(replace(spec, sources={"donor": "a" * 64}))
    assert line == "~ source 'donor': None -> aaaaaaaaaaaa"
    harmless = {"sampler": "qmc", "pruner": "none", "audit": 1.0, "objective_hash": "x", "space_digest": "y"}
    assert spec.differences_of_trials(replace(spec, **harmless)) == []


def test_a_space_that_no_trial_fits(database: Database) -> None:
    make(database, planned("old"), "old", random_trials(SPACE, 2))
    _, plan = forked(database, overrides=("depth=6", "batch_size=32"))
    assert plan.notes[0].startswith("none of the 2 finished trials of study 'old' fits the new space")


def test_a_changed_file_is_said_and_its_trials_are_carried(database: Database, tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(textwrap.dedent(OWN))
    past = [Past(parameters={"units": units}, curve=[0.5]) for units in (8, 16, 32)]
    make(database, planned("mine", objective=str(path)), "old", past)
    path.write_text(textwrap.dedent(OWN).replace("Int(8, 64)", "Int(10, 99)"))
    made, plan = forked(database, objective=str(path))
    assert [trial.params for trial in trials_of(database, "new")] == [{"units": 16}, {"units": 32}]
    assert (made.trials, len(plan.notes)) == (6, 3)
    assert "the file of objective 'mine' has changed" in plan.notes[1]
    path.write_text(textwrap.dedent(OWN).replace("0.01", "0.02"))
    _, plan = forked(database, "other-rate", objective=str(path))
    assert trials_of(database, "other-rate") == []
    assert "fits the new space" in plan.notes[0]


def test_a_fork_that_breaks_off_leaves_nothing(database: Database) -> None:
    make(database, planned("old"), "old", random_trials(SPACE, 3))
    execute(database.url.render_as_string(hide_password=False), "ALTER TABLE depthsearch.epochs RENAME TO away")
    before = studies.list_names(database.engine)
    with pytest.raises(Exception, match="epochs"):
        forked(database)
    execute(database.url.render_as_string(hide_password=False), "ALTER TABLE depthsearch.away RENAME TO epochs")
    assert studies.list_names(database.engine) == before
    assert optuna.get_all_study_names(database.optuna) == ["old"]
    assert len(database.optuna.get_all_trials(studies.get(database.engine, "old").study_id)) == 3
    forked(database)


def test_a_taken_name_and_a_missing_study(database: Database) -> None:
    make(database, planned("old"), "old", [])
    with pytest.raises(StudyExists):
        forked(database, "old")
    with pytest.raises(UnknownStudy):
        fork_study(database, StudyRequest(study="nothing like it", fork="new"), load())
    with pytest.raises(UsageError):
        StudyRequest(study="old", fork="a/b")
    assert studies.list_names(database.engine) == ["old"]


@pytest.mark.slow
def test_a_fork_runs_goes_on_and_is_scored_by_a_winner_that_was_carried(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    common = ("--workers", "1", "--pruner", "none", "--sampler", "random")
    done("run", "--study", "old", "--objective", OBJECTIVE, "--epochs", "3", "--trials", "4", *common)
    refused = search("run", "--study", "old", "--set", "depth=1:9")
    assert refused.code == 2
    assert "--fork NAME" in refused.err
    # Whatever is tried there, one epoch of tiny steps will not win.
    slow = ("--set", "nesterov.learning_rate=0.0001:0.9", "--set", "adamw.learning_rate=0.00001:0.9")
    run = ("run", "--study", "old", *slow, "--fork", "new", "--trials", "1", "--workers", "1", "--json")
    ended = done(*run)
    assert "note: 4 of 4 finished trials of study 'old' are carried over" in ended.err
    assert (ended.document["study"], ended.document["budget"]) == ("new", {"trials": 5, "left": 0, "epochs": None})
    again = search(*run)
    assert (again.code, "kept here already" in again.err) == (2, True)
    gone = search("run", "--study", "qqq", "--fork", "new2")
    assert gone.code == 3
    done("run", "--study", "new", "--trials", "6", "--workers", "1")
    trials = optuna.load_study(study_name="new", storage=RDBStorage(database_url)).get_trials()
    assert [trial.state for trial in trials] == [TrialState.COMPLETE] * 6
    for trial in trials[4:]:  # leave the carried ones the first places
        execute(
            database_url,
            f"UPDATE trial_values SET value = 0.01 WHERE trial_id = {trial._trial_id}",
        )
    best = max(trials[:4], key=lambda trial: (trial.value or 0.0, -trial.number))
    scored = done("final", "--study", "new", "--json", "--out", tmp_path / "out").document
    assert (scored["trial"], scored["validation_accuracy"]) == (best.number, best.value)
    assert best.user_attrs["forked_from"] == f"old #{best.number}"
    record = studies.get(database.engine, "new")
    assert finished_trials.measure_extent(database.engine, record.study_id).trials == 6


def test_trials_fit_where_a_parameter_without_effect_has_gone_or_an_implied_value_has_come() -> None:
    def build(momentum: Float, **more: Fixed) -> Space:
        return Space(
            schedule=Categorical("cosine", "one_cycle"),
            optimizer=Categorical({"nesterov": Space(momentum=momentum, **more), "sgd": Space()}),
        )

    old = build(Float(0.5, 0.9))
    new = build(Float(0.5, 0.9, unless=Unless("schedule", ("one_cycle",))), decay=Fixed(0.0, implied=True))
    fitting = Compatibility(old, new)
    trial = {"optimizer": "nesterov", "nesterov.momentum": 0.6}
    assert fitting.parameters({"schedule": "cosine", **trial}) == {"schedule": "cosine", **trial}
    assert fitting.parameters({"schedule": "one_cycle", **trial}) == {"schedule": "one_cycle", "optimizer": "nesterov"}
    other = build(Float(0.5, 0.9), decay=Fixed(0.1))
    assert Compatibility(old, other).parameters({"schedule": "cosine", **trial}) is None
