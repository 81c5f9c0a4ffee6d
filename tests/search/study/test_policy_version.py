"""A study is searched with the policy that it was created with, or not at all."""

from __future__ import annotations

from dataclasses import replace

import pytest

from objectives.data import seal
from search.errors import UsageError
from search.settings import load
from search.strategies.registry import PRUNERS, SAMPLERS
from search.study.create import create_or_continue, resume_study
from search.study.fork import fork_study
from search.study.plan import StudyRequest, resolve_stored
from search.study.spec import StudySpec
from search.workers.job import WorkerJob
from search.workers.worker import run_worker
from storage.database import Database
from storage.records import studies
from tests.search.earlier import EPOCHS, OBJECTIVE

REQUEST = StudyRequest(study="old", objective=OBJECTIVE, epochs=EPOCHS, trials=4)


@pytest.fixture
def newer(database: Database, monkeypatch: pytest.MonkeyPatch) -> str:
    """A study that this program has created, and a newer program; the name of the study."""
    create_or_continue(database, REQUEST, load())
    monkeypatch.setitem(SAMPLERS, "curves", replace(SAMPLERS["curves"], version=4))
    return REQUEST.study


def test_the_policy_of_a_new_study_is_stored(database: Database) -> None:
    record, _ = create_or_continue(database, replace(REQUEST, sampler="tpe", pruner="none"), load())
    assert record.spec["policy"] == "tpe/1+none/1"


def test_a_newer_policy_is_refused(database: Database, newer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = r"created with the search policy curves/3\+rank/3, and this program has curves/4\+rank/3.*--fork NAME"
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
        run_worker(job)


def test_a_newer_pruner_is_refused_too(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    create_or_continue(database, REQUEST, load())
    monkeypatch.setitem(PRUNERS, "rank", replace(PRUNERS["rank"], version=4))
    with pytest.raises(UsageError, match=r"this program has curves/3\+rank/4"):
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
    assert StudySpec.from_json(record.spec).policy == "curves/4+rank/3"
    resume_study(database, StudyRequest(study="new"), load())
