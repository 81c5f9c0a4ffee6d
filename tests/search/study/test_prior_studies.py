"""Which earlier studies a new one learns from, and that every worker learns from the same trials of them."""

from __future__ import annotations

import logging
import math
from dataclasses import replace
from functools import cache

import optuna
import pytest
from optuna.storages import RDBStorage
from optuna.trial import TrialState
from sqlalchemy import update

from objectives.discovery import find_objective
from search.errors import UsageError
from search.settings import load
from search.strategies.gp.prior_models import FEWEST_TRIALS, MOST_STUDIES, PriorStudy
from search.strategies.policy import propose_starting_points
from search.strategies.registry import SAMPLERS, StrategySetting
from search.study import create, prior_studies
from search.study.plan import ResolvedStudy, StudyRequest, resolve_stored
from search.study.spec import StudySpec
from spaces import Float, Int, Space
from storage.database import Database, open_database
from storage.records import finished_trials, studies
from storage.records.studies import StudyRecord, create_atomically
from storage.schema import epochs as curves
from tests.search.command import done, search
from tests.search.earlier import EPOCHS, OBJECTIVE, Past, add, make, planned, random_trials

SPACE = find_objective(OBJECTIVE).objective.space


@cache
def some_plan() -> ResolvedStudy:
    """The same for all: only what is written about it matters."""
    return planned("any")


def earlier(database: Database, name: str = "old", count: int = 12, seed: int = 0) -> StudyRecord:
    return make(database, some_plan(), name, random_trials(SPACE, count, seed=seed))


def more(database: Database, name: str, past: list[Past]) -> None:
    """Trials that end later than all that the study has."""
    study = optuna.load_study(study_name=name, storage=database.optuna)
    with database.engine.begin() as connection:
        for trial in past:
            add(studies.StudyDraft(study=study, connection=connection), SPACE, trial)


def spec(taught: object) -> StudySpec:
    return replace(some_plan().spec, experience=taught)


def test_every_finished_trial_with_a_curve_is_read_as_it_was(database: Database) -> None:
    past = random_trials(SPACE, 12)
    record = make(database, some_plan(), "old", past)
    taught = prior_studies.choose_prior_studies(database.engine, SPACE, None)
    assert taught == {record.uuid: 12}
    [study] = prior_studies.load_prior_studies(database.engine, spec(taught))
    assert study.name == "old"
    assert [(dict(parameters), list(curve)) for parameters, curve in study.trials] == [
        (trial.parameters, trial.curve) for trial in past
    ]
    # As Optuna itself would give them: of the same types, too.
    trials = optuna.load_study(study_name="old", storage=database.optuna).get_trials()
    for (parameters, _), trial in zip(study.trials, trials, strict=True):
        assert {name: (type(value), value) for name, value in parameters.items()} == {
            name: (type(value), value) for name, value in trial.params.items()
        }


def test_trials_that_broke_or_failed_or_have_no_whole_curve_are_left_out(database: Database) -> None:
    past = random_trials(SPACE, 10)
    lame = [
        replace(past[0], state=TrialState.PRUNED, attributes={"reason": "diverged"}),
        replace(past[0], state=TrialState.PRUNED, attributes={"reason": "out of memory"}),
        replace(past[0], state=TrialState.FAIL),
        replace(past[0], state=TrialState.PRUNED, curve=[]),
    ]
    stopped = replace(past[1], state=TrialState.PRUNED, attributes={"reason": "pruner"})
    record = make(database, some_plan(), "old", [*lame, *past, stopped])
    assert prior_studies.choose_prior_studies(database.engine, SPACE, None) == {record.uuid: 11}
    with database.engine.begin() as connection:  # of the last one: its first report came at the second epoch
        last = max(connection.scalars(curves.select().with_only_columns(curves.c.trial_id)))
        connection.execute(update(curves).where(curves.c.trial_id == last).values(epoch=curves.c.epoch + 1))
    assert prior_studies.choose_prior_studies(database.engine, SPACE, None) == {record.uuid: 10}


def test_what_finishes_later_changes_nothing(database: Database) -> None:
    past = random_trials(SPACE, 14)
    running = replace(past[0], state=TrialState.RUNNING, curve=[0.5])
    record = make(database, some_plan(), "old", [*past[:10], running, *past[10:]])
    # Those that ended after the running one's last epoch could come behind it or before it, once it ends.
    taught = prior_studies.choose_prior_studies(database.engine, SPACE, None)
    assert taught == {record.uuid: 10}
    before = prior_studies.load_prior_studies(database.engine, spec(taught))
    more(database, "old", random_trials(SPACE, 3, seed=5))
    trial = optuna.load_study(study_name="old", storage=database.optuna).get_trials()[10]
    database.optuna.set_trial_state_values(trial._trial_id, TrialState.PRUNED)
    assert prior_studies.load_prior_studies(database.engine, spec(taught)) == before
    assert prior_studies.choose_prior_studies(database.engine, SPACE, None) == {record.uuid: 18}


def test_the_latest_studies_with_enough_trials_and_half_of_the_parameters_teach(database: Database) -> None:
    few = earlier(database, "few", FEWEST_TRIALS - 1)
    old = earlier(database, "old", FEWEST_TRIALS)
    new = earlier(database, "new", FEWEST_TRIALS)
    assert list(prior_studies.choose_prior_studies(database.engine, SPACE, "all") or {}) == [
        old.uuid,
        new.uuid,
    ]  # the latest is last
    foreign = Space(depth=Int(1, 3), other=Float(0, 1), third=Float(0, 1))
    assert prior_studies.choose_prior_studies(database.engine, foreign, None) == {}
    half = Space(depth=Int(1, 3), other=Float(0, 1))
    assert list(prior_studies.choose_prior_studies(database.engine, half, None) or {}) == [old.uuid, new.uuid]
    assert prior_studies.choose_prior_studies(database.engine, SPACE, "none") is None
    # By name, fewer will do.
    assert list(prior_studies.choose_prior_studies(database.engine, foreign, "new, few") or {}) == [
        few.uuid,
        new.uuid,
    ]


def test_no_more_than_the_latest_twelve(database: Database) -> None:
    made = [earlier(database, f"s{number}", FEWEST_TRIALS, seed=number) for number in range(MOST_STUDIES + 2)]
    chosen = prior_studies.choose_prior_studies(database.engine, SPACE, None)
    assert list(chosen or {}) == [record.uuid for record in made[2:]]
    with pytest.raises(UsageError, match=f"at most {MOST_STUDIES} studies"):
        prior_studies.choose_prior_studies(database.engine, SPACE, ",".join(record.name for record in made))


def test_a_study_that_is_gone_is_not_used_and_said_to_be(database: Database, caplog: pytest.LogCaptureFixture) -> None:
    earlier(database, "old")
    kept = earlier(database, "kept")
    taught = prior_studies.choose_prior_studies(database.engine, SPACE, None)
    optuna.delete_study(study_name="old", storage=database.optuna)
    earlier(database, "old", seed=3)  # of the same name, and yet another one
    with caplog.at_level(logging.WARNING):
        assert [study.name for study in prior_studies.load_prior_studies(database.engine, spec(taught))] == ["kept"]
        assert caplog.records == []
        assert prior_studies.list_names(database.engine, spec(taught)) == ["kept"]
    assert [record.getMessage()[:26] for record in caplog.records] == ["1 of the earlier studies t"]
    assert kept.uuid in (taught or {})


def test_only_samplers_that_learn_from_earlier_studies_name_them(database: Database) -> None:
    earlier(database)
    learned = spec(prior_studies.choose_prior_studies(database.engine, SPACE, None))
    named = {name: prior_studies.list_names(database.engine, replace(learned, sampler=name)) for name in SAMPLERS}
    assert named == {name: ["old"] if entry.learns_from_earlier_studies else [] for name, entry in SAMPLERS.items()}
    assert named["curves"] == ["old"]
    assert named["tpe"] == named["random"] == named["qmc"] == []


def test_a_setting_knows_the_trials_of_its_plan(database: Database) -> None:
    record, plan = create.create_or_continue(database, StudyRequest(study="digits-depth", trials=7), load())
    assert prior_studies.build_setting(database.engine, plan, record.trials).trials == 7
    assert prior_studies.build_setting(database.engine, plan, None).trials is None


@pytest.mark.parametrize("name", SAMPLERS)
def test_the_entry_of_a_sampler_says_whether_it_learns_from_earlier_studies(database: Database, name: str) -> None:
    earlier(database)
    taught = prior_studies.choose_prior_studies(database.engine, SPACE, None)
    experience = prior_studies.load_prior_studies(database.engine, spec(taught))

    def propose(known: list[PriorStudy]) -> list[dict[str, object]]:
        sampler = SAMPLERS[name].build(StrategySetting(space=SPACE, epochs=EPOCHS, seed=3, experience=known, points=2))
        trial = optuna.create_study(direction="maximize", sampler=sampler).ask()
        SPACE.sample(trial)
        return [*propose_starting_points(sampler), trial.params]

    assert (propose(experience) != propose([])) == SAMPLERS[name].learns_from_earlier_studies


def test_going_on_compares_experience_only_where_it_is_asked_for(database: Database) -> None:
    def go_on(study: str, asked: str | None) -> None:
        record = studies.get(database.engine, study)
        prior_studies.check_unchanged(database.engine, record, asked)
        assert resolve_stored(record, StudyRequest(study=study), load()).spec.experience == record.spec["experience"]

    earlier(database, "old")
    taught = prior_studies.choose_prior_studies(database.engine, SPACE, None)
    for name, value in (("warm", taught), ("cold", None), ("first", {})):
        studies.create(database, name, replace(some_plan().spec, experience=value).to_json(), 5)
    earlier(database, "later")
    for study, asked in (("warm", "all"), ("warm", "old"), ("cold", "none"), ("first", "all"), ("first", "none")):
        go_on(study, asked)
        go_on(study, None)
    for study, asked, said in (
        ("warm", "none", "~ experience: old -> none"),
        ("warm", "later", "~ experience: old -> later"),
        ("cold", "all", "~ experience: none -> all"),
        ("first", "old", "~ experience: none -> old"),
    ):
        with pytest.raises(UsageError, match=said):
            go_on(study, asked)


def test_studies_of_an_earlier_version_learn_from_nothing(database: Database) -> None:
    stored = some_plan().spec.to_json()
    del stored["experience"], stored["audit"]
    read = StudySpec.from_json(stored)
    assert (read.experience, read.audit) == (None, 0.0)
    assert prior_studies.load_prior_studies(database.engine, read) == []


@pytest.mark.parametrize("audit", [-0.01, 1.01, math.nan])
def test_an_audit_that_is_no_share_is_refused(audit: float) -> None:
    with pytest.raises(UsageError, match="share from 0 to 1"):
        StudyRequest(study="s", audit=audit)


def test_the_audit_is_part_of_what_a_study_was_created_with() -> None:
    assert planned("s").spec.audit == 0.05
    assert planned("s", audit=0.0).spec.audit == 0.0
    with pytest.raises(UsageError, match=r"~ audit: 0.05 -> 0.5"):
        planned("s").spec.check_same("s", planned("s", audit=0.5).spec)


def test_a_study_that_learns_begins_with_what_others_found_best(database: Database) -> None:
    earlier(database)
    made, plan = create.create_or_continue(
        database, StudyRequest(study="new", objective=OBJECTIVE, trials=6, epochs=EPOCHS), load()
    )
    waiting = optuna.load_study(study_name="new", storage=database.optuna).get_trials()
    assert [trial.state for trial in waiting] == [TrialState.WAITING] * 2  # a third of the budget
    for trial in waiting:
        SPACE.replay(trial.system_attrs["fixed_params"])
    assert (made.trials, [text[:16] for text in plan.notes]) == (6, ["--sampler curves"])  # a warning
    _, again = create.create_or_continue(database, StudyRequest(study="new", trials=7), load())
    assert (again.notes, again.spec) == ((), replace(plan.spec, versions=again.spec.versions))


def test_a_study_that_cannot_be_filled_is_not_made(database: Database) -> None:
    def fill() -> None:
        with create_atomically(database, "s", {}, 1) as draft:
            draft.study.enqueue_trial({"depth": 1})
            with open_database(database.url) as other:  # nobody sees it before it is done
                assert studies.list_names(other.engine) == []
                assert optuna.get_all_study_names(other.optuna) == []
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fill()
    assert optuna.get_all_study_names(database.optuna) == []
    assert studies.create(database, "s", {}, 1).name == "s"


def test_what_cannot_be_learnt_from_is_a_usage_error(database: Database) -> None:
    earlier(database, "old-depth", 1)
    studies.create(database, "empty", some_plan().spec.to_json(), 5)
    for names, said in (("old-dept", "did you mean old-depth"), ("old-depth,empty", "no finished trial")):
        with pytest.raises(UsageError, match=said):
            prior_studies.choose_prior_studies(database.engine, SPACE, names)
    refused = search("run", "--study", OBJECTIVE, "--epochs", "1", "--trials", "1", "--experience", "zzz")
    assert refused.code == 2, refused.err
    assert "no 'zzz'" in refused.err
    assert len(refused.lines) == 1, refused.err
    assert studies.list_names(database.engine) == ["old-depth", "empty"]


@pytest.mark.slow
def test_two_workers_train_the_starts_first_and_end_with_the_budget(database: Database, database_url: str) -> None:
    earlier(database)
    flags = ("--objective", OBJECTIVE, "--epochs", "2", "--trials", "9", "--workers", "2", "--pruner", "none")
    steady = ("--set", "optimizer=adamw")  # one of 200 configurations of the whole space diverges
    ended = done("run", "--study", "new", *flags, *steady, "--experience", "old", "--json")
    assert "learning from 1 earlier study: old" in ended.err
    trials = optuna.load_study(study_name="new", storage=RDBStorage(database_url)).get_trials()
    assert [trial.state.is_finished() for trial in trials] == [True] * 9
    assert ended.document["states"] == {"complete": 9, "pruned": 0, "running": 0, "waiting": 0, "fail": 0}
    starts = [trial for trial in trials if "fixed_params" in trial.system_attrs]
    assert [trial.number for trial in starts] == [0, 1, 2]
    for trial in starts:
        assert trial.params == trial.system_attrs["fixed_params"]
    began = sorted(trials, key=lambda trial: trial.datetime_start or 0)
    assert sorted(trial.number for trial in began[:3]) == [0, 1, 2]
    [study] = prior_studies.load_prior_studies(
        database.engine, StudySpec.from_json(studies.get(database.engine, "new").spec)
    )
    assert len(study.trials) == 12
    assert finished_trials.measure_extent(database.engine, studies.get(database.engine, "new").study_id).trials == 9
