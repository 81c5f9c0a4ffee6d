"""A study is searched with the policy that it was created with, until its user upgrades it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from objectives.data import seal
from search.api.session import create_session
from search.api.studies import upgrade_study
from search.errors import StoredValueRefused, UsageError
from search.settings import load
from search.strategies.registry import PRUNERS, SAMPLERS
from search.study.create import create_or_continue, resume_study
from search.study.fork import fork_study
from search.study.plan import StudyRequest, resolve_stored
from search.study.spec import PolicyPeriod, StudySpec
from search.study.status import StudyView
from search.workers.job import WorkerJob
from search.workers.processes import start_own_process
from search.workers.worker import run_worker
from storage.database import Database
from storage.errors import StudyInUse
from storage.leasing import leases
from storage.records import studies
from storage.records.studies import StudyRecord
from tests.search.earlier import EPOCHS, OBJECTIVE, make, planned, random_trials

REQUEST = StudyRequest(study="old", objective=OBJECTIVE, epochs=EPOCHS, trials=4)


@pytest.fixture
def newer(database: Database, monkeypatch: pytest.MonkeyPatch) -> str:
    """A study that this program has created, and a newer program; the name of the study."""
    create_or_continue(database, REQUEST, load())
    monkeypatch.setitem(SAMPLERS, "curves", replace(SAMPLERS["curves"], version=7))
    return REQUEST.study


def test_the_policy_of_a_new_study_is_stored(database: Database) -> None:
    record, _ = create_or_continue(database, replace(REQUEST, sampler="tpe", pruner="none"), load())
    assert record.spec["policy"] == "tpe/1+none/1"


def test_a_newer_policy_is_refused(database: Database, newer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = r"has the search policy curves/6\+rank/5, and this program has curves/7\+rank/5.*--fork NAME"
    with pytest.raises(UsageError, match=expected):
        create_or_continue(database, REQUEST, load())
    with pytest.raises(UsageError, match=expected):
        resume_study(database, StudyRequest(study=newer), load())
    monkeypatch.setattr(seal, "install", lambda paths: None)  # it cannot be taken off this process again
    job = WorkerJob(
        storage=database.url.render_as_string(hide_password=False),
        study=newer,
        objective=None,
        settings=load(),
        device="cpu",
        threads=1,
    )
    with pytest.raises(UsageError, match=expected):
        run_worker(job, lambda: None, start_own_process)


def test_a_newer_pruner_is_refused_too(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    create_or_continue(database, REQUEST, load())
    monkeypatch.setitem(PRUNERS, "rank", replace(PRUNERS["rank"], version=6))
    with pytest.raises(UsageError, match=r"this program has curves/6\+rank/6"):
        create_or_continue(database, REQUEST, load())


def test_a_policy_that_the_study_does_not_use_may_change(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    create_or_continue(database, REQUEST, load())
    monkeypatch.setitem(SAMPLERS, "tpe", replace(SAMPLERS["tpe"], version=2))
    create_or_continue(database, REQUEST, load())


def test_what_does_not_search_needs_no_policy(database: Database, newer: str) -> None:
    plan = resolve_stored(studies.get(database.engine, newer), StudyRequest(study=newer), load(), searches=False)
    assert plan.found.name == OBJECTIVE


def test_a_fork_has_the_newer_policy(database: Database, newer: str) -> None:
    record, _ = fork_study(database, StudyRequest(study=newer, fork="new"), load())
    assert StudySpec.from_json(record.spec).policy == "curves/7+rank/5"
    resume_study(database, StudyRequest(study="new"), load())


@pytest.fixture
def finished(database: Database, monkeypatch: pytest.MonkeyPatch) -> StudyRecord:
    """A study of four trials, all of them ended, and a newer program."""
    plan = planned("done")
    record = make(database, plan, "done", random_trials(plan.found.objective.space, 4), budget=4)
    monkeypatch.setitem(SAMPLERS, "curves", replace(SAMPLERS["curves"], version=90))
    return record


def test_a_study_whose_budget_is_spent_is_continued_as_usual(database: Database, finished: StudyRecord) -> None:
    request = StudyRequest(study="done", objective=OBJECTIVE, epochs=EPOCHS)
    for asked in (request, replace(request, trials=4)):
        record, _ = create_or_continue(database, asked, load())
        assert (record.spec, record.trials) == (finished.spec, 4)
    refused = pytest.raises(UsageError, match="--fork NAME")
    settings = load(storage=database.url.render_as_string(hide_password=False))
    with refused:
        create_or_continue(database, replace(request, trials=5), load())
    with refused:
        create_or_continue(database, replace(request, budget="9R"), load())
    opened = create_session(request, settings)
    with refused:
        opened.resume(replace(request, trials=5))
    opened.close()
    assert (studies.get(database.engine, "done").trials, StudyView(database, "done").status().budget.left) == (4, 0)


def test_an_upgraded_study_tells_which_policy_chose_which_trials(database: Database, finished: StudyRecord) -> None:
    before = StudySpec.from_json(finished.spec)
    policies = (
        PolicyPeriod(policy=before.policy, first_trial=0),
        PolicyPeriod(policy="curves/90+rank/5", first_trial=4),
    )
    assert StudyView(database, "done").status().policies == policies[:1]
    assert upgrade_study(database, "done") == policies
    assert upgrade_study(database, "done") is None
    after = StudySpec.from_json(studies.get(database.engine, "done").spec)
    assert replace(after, policy=before.policy, policies=()) == before
    assert after.policy == "curves/90+rank/5"
    assert StudyView(database, "done").status().policies == policies
    record, _ = create_or_continue(
        database, StudyRequest(study="done", objective=OBJECTIVE, epochs=EPOCHS, trials=9), load()
    )
    assert record.trials == 9


def test_a_policy_that_chose_nothing_leaves_no_trace(
    database: Database, finished: StudyRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    upgrade_study(database, "done")
    monkeypatch.setitem(SAMPLERS, "curves", replace(SAMPLERS["curves"], version=91))
    upgraded = upgrade_study(database, "done")
    assert upgraded is not None
    assert [one.first_trial for one in upgraded] == [0, 4]
    assert upgraded[-1].policy == "curves/91+rank/5"


def test_no_study_in_use_is_upgraded(database: Database, finished: StudyRecord) -> None:
    trial = database.optuna.get_all_trials(finished.study_id)[0]
    with database.engine.begin() as connection:
        leases.claim(connection, finished.study_id, trial._trial_id, "elsewhere", 300.0)
    with pytest.raises(StudyInUse, match="search stop"):
        upgrade_study(database, "done")
    assert studies.get(database.engine, "done").spec == finished.spec


@pytest.mark.parametrize("stored", ["../x", [1], [{"policy": "a"}], [{"policy": "a", "first_trial": "b"}]])
def test_policies_that_were_changed_in_the_storage_are_refused(planned_spec: dict[str, object], stored: object) -> None:
    with pytest.raises(StoredValueRefused, match="policies are changed in the storage"):
        StudySpec.from_json({**planned_spec, "policies": stored})


@pytest.fixture
def planned_spec(home: object) -> dict[str, object]:
    return planned("any").spec.to_json()
