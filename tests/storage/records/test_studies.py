"""Study records, the database's settings, and the tables of our own."""

from __future__ import annotations

import optuna
import pytest
from optuna.storages import RDBStorage
from sqlalchemy import text

from storage import database as databases
from storage import url
from storage.connecting import sessions
from storage.database import Database, open_database
from storage.errors import ForeignStudy, StudyExists, UnknownStudy, Unreachable
from storage.records import studies
from storage.records.studies import StudyRecord
from tests.conftest import at
from tests.storage.processes import END_OTHERS


def test_what_was_created_is_read_back(database: Database) -> None:
    spec = {"b": 1, "a": {"z": None, "y": [1.5, "x"]}}
    made = studies.create(database, "my study", spec, 7)
    read = studies.get(database.engine, "my study")
    assert read == made
    assert read.spec == spec
    assert list(read.spec) == ["b", "a"]  # the order of a space is part of it
    assert (read.trials, read.control, read.overdue) == (7, "run", False)


def test_names_are_unique_and_an_unknown_one_comes_with_the_known(database: Database, record: StudyRecord) -> None:
    studies.create(database, "cifar-depth", {}, 1)
    with pytest.raises(StudyExists, match="'s' is kept here already"):
        studies.create(database, "s", {}, 1)
    with pytest.raises(UnknownStudy, match="there is no study 'cifar-dept' in this storage") as caught:
        studies.get(database.engine, "cifar-dept")
    assert (caught.value.name, caught.value.known) == ("cifar-dept", ("s", "cifar-depth"))
    assert studies.list_names(database.engine) == ["s", "cifar-depth"]


def test_a_study_of_another_program_is_left_alone(database: Database, database_url: str) -> None:
    optuna.create_study(study_name="theirs", storage=RDBStorage(database_url))
    with pytest.raises(ForeignStudy, match="not made by this program"):
        studies.get(database.engine, "theirs")
    with pytest.raises(StudyExists):
        studies.create(database, "theirs", {}, 1)
    assert studies.list_names(database.engine) == []


def test_a_study_deleted_with_an_optuna_tool_is_gone_and_its_name_free(
    database: Database, record: StudyRecord, database_url: str
) -> None:
    optuna.delete_study(study_name="s", storage=RDBStorage(database_url))
    with pytest.raises(UnknownStudy):
        studies.get(database.engine, "s")
    assert studies.create(database, "s", {}, 1).uuid != record.uuid


def test_a_deadline_passes_by_the_databases_clock(database: Database, record: StudyRecord) -> None:
    studies.set_deadline(database.engine, record.study_id, 3600)
    assert not studies.get(database.engine, "s").overdue
    studies.set_deadline(database.engine, record.study_id, -1)
    assert studies.get(database.engine, "s").overdue
    studies.set_deadline(database.engine, record.study_id, None)
    assert not studies.get(database.engine, "s").overdue


def test_optunas_own_tables_are_as_optuna_made_them(empty_database_url: str) -> None:
    def columns(address: str) -> list[tuple[object, ...]]:
        storage = RDBStorage(address)
        with storage.engine.connect() as connection:
            rows = connection.execute(
                text(
                    "SELECT table_name, column_name, data_type, is_nullable FROM information_schema.columns "
                    "WHERE table_schema = 'public' ORDER BY 1, 2"
                )
            ).all()
        storage.engine.dispose()
        return [tuple(row) for row in rows]

    before = columns(empty_database_url)
    with open_database(url.parse(empty_database_url)):
        pass
    assert columns(empty_database_url) == before


def test_a_connection_cut_by_the_server_is_replaced(
    database: Database, record: StudyRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "PING_AFTER_SECONDS", 0.0)  # as if it had been idle for a while
    with database.engine.begin() as connection:
        own = connection.scalar(text("SELECT pg_backend_pid()"))
    with open_database(database.url) as other, other.engine.begin() as connection:
        connection.execute(text(END_OTHERS))
    assert studies.get(database.engine, "s").name == "s"
    with database.engine.begin() as connection:
        assert connection.scalar(text("SELECT pg_backend_pid()")) != own


def test_refusals_are_one_sentence_without_the_password(database_url: str) -> None:
    where = url.parse(database_url)
    wrong = where.set(password="s3cret-wrong").difference_update_query(["passfile"])
    with pytest.raises(Unreachable, match="refuses this user or password") as caught:
        databases.connect(wrong)
    assert "s3cret" not in str(caught.value)
    with pytest.raises(Unreachable, match="cannot be reached"):
        databases.connect(where.set(port=1))
    with pytest.raises(Unreachable, match="has no database 'nowhere'"):
        databases.connect(url.parse(at(database_url, "nowhere")))
