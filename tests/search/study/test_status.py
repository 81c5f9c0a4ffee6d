"""A study's state: the same from summaries of its trials as from whole ones, and few statements for any size."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Engine, event

from search.study.status import StudyView, read_all_statuses
from storage import url
from storage.database import Database, open_database, open_for_statements
from storage.errors import UnknownStudy
from storage.records import studies, study_changes
from tests.conftest import copied
from tests.search.study.made_studies import KINDS, make_study

SEEDS = range(3)


@pytest.fixture(scope="module")
def filled(server: str, template: str) -> Iterator[Database]:
    """Studies of every kind, which the tests leave as they are."""
    with copied(server, template) as address, open_database(url.parse(address)) as database:
        for kind in KINDS:
            for seed in SEEDS:
                make_study(database, f"{kind}-{seed}", kind, seed)
        yield database


@contextmanager
def noting_statements(engine: Engine) -> Iterator[list[Mapping[str, Any]]]:
    """Note the parameters of each statement that the engine sends."""
    sent: list[Mapping[str, Any]] = []

    def note(_: object, __: object, ___: str, parameters: Mapping[str, Any], *____: object) -> None:
        sent.append(parameters)

    event.listen(engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        event.remove(engine, "before_cursor_execute", note)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", SEEDS)
def test_a_status_is_the_same_from_summaries_and_from_whole_trials(filled: Database, kind: str, seed: int) -> None:
    view = StudyView(filled, f"{kind}-{seed}")
    told, whole = view.status(), view.status(view.trials())
    # NaN is no equal of itself
    assert json.dumps(told.to_json()) == json.dumps(whole.to_json())
    assert told.voided
    assert (told.comparison is not None) == (kind in ("repeats", "grid"))


def test_every_study_is_listed_as_its_own_status_has_it(filled: Database) -> None:
    listed = read_all_statuses(filled.engine)
    assert [status.study for status in listed] == [f"{kind}-{seed}" for kind in KINDS for seed in SEEDS]
    for status in listed:
        assert json.dumps(status.to_json()) == json.dumps(StudyView(filled, status.study).status().to_json())


def test_a_list_takes_as_many_statements_for_many_studies_as_for_one(
    filled: Database, server: str, template: str
) -> None:
    with copied(server, template) as address, open_database(url.parse(address)) as database:
        make_study(database, "only", "trials", 0)
        counts = []
        for engine in (database.engine, filled.engine):
            read_all_statuses(engine)  # prepares its statements
            with noting_statements(engine) as sent:
                read_all_statuses(engine)
            counts.append(len(sent))
    assert counts == [7, 7]


def test_a_status_reads_only_the_trials_that_it_shows_whole(filled: Database) -> None:
    view = StudyView(filled, "trials-0")
    with noting_statements(filled.engine) as sent:
        status = view.status()
    assert status.errors
    assert {len(parameters["trials"]) for parameters in sent if "trials" in parameters} == {1 + len(status.errors)}


def test_the_list_needs_one_connection_and_not_optunas_storage(filled: Database) -> None:
    with open_for_statements(filled.url) as engine:
        opened: list[object] = []
        event.listen(engine, "connect", lambda *_: opened.append(_))
        assert read_all_statuses(engine)
    assert opened == []  # the one that has looked at the tables is used again


def test_tables_that_are_missing_are_created_before_a_list(server: str) -> None:
    with copied(server, "template1") as address, open_for_statements(url.parse(address)) as engine:
        assert read_all_statuses(engine) == []


def test_the_status_of_a_study_that_was_deleted_says_so(database: Database) -> None:
    make_study(database, "gone", "trials", 0)
    view = StudyView(database, "gone")
    study_changes.remove(database, "gone")
    with pytest.raises(UnknownStudy, match="'gone'"):
        view.status()
    assert read_all_statuses(database.engine) == []
    assert studies.list_names(database.engine) == []
