"""What a connected server refuses is one sentence that names the missing right, or what is the matter."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from search.errors.messages import user_message
from storage.connecting import retry
from storage.connecting.refusals import explain_refusal
from storage.database import Database, connect, open_database
from storage.errors import ReadOnlyStorage, Unreachable
from storage.records import studies
from storage.records.studies import StudyRecord
from storage.url import parse
from tests.conftest import as_administrator, execute
from tests.storage.connecting.private_server import at

SCHEMAS = "public, depthsearch"


@pytest.fixture
def reader(database_url: str) -> Iterator[str]:
    """Return the URL for a user who may read everything, and no more."""
    name, password = f"reader_{secrets.token_hex(4)}", secrets.token_hex(8)
    administrator = as_administrator(database_url)
    execute(administrator, f"CREATE ROLE {name} LOGIN PASSWORD '{password}'")
    execute(database_url, f"GRANT USAGE ON SCHEMA {SCHEMAS} TO {name}")
    execute(database_url, f"GRANT SELECT ON ALL TABLES IN SCHEMA {SCHEMAS} TO {name}")
    address = at(database_url, username=name, password=password)
    yield parse(address).difference_update_query(["passfile"]).render_as_string(hide_password=False)
    execute(administrator, f"DROP OWNED BY {name}")
    execute(administrator, f"DROP ROLE {name}")


def refused(call: Any) -> str:
    with pytest.raises(Exception) as caught:  # noqa: PT011 - the point is what is said of whatever is raised
        call()
    said = user_message(caught.value)
    assert "looks like a bug" not in said
    assert len(said.splitlines()) == 1
    return said


def test_a_reader_reads_and_is_told_which_right_writing_needs(reader: str) -> None:
    name = parse(reader).username
    with open_database(parse(reader)) as database:
        assert studies.list_names(database.engine) == []
        said = refused(lambda: studies.create(database, "s", {}, 1))
        assert f"the database user '{name}' may not INSERT studies there (permission denied for table studies)" in said
        assert f"let an owner of the database GRANT INSERT ON TABLE studies TO {name}" in said
        with database.engine.connect() as connection:
            lock = text("SELECT 1 FROM studies FOR UPDATE")
            assert "may not UPDATE studies" in refused(lambda: connection.execute(lock))
            connection.rollback()
            parts = text("WITH a AS (UPDATE depthsearch.workers SET leaves = 'now' RETURNING 1) SELECT * FROM a")
            assert "may not UPDATE depthsearch.workers there" in refused(lambda: connection.execute(parts))


def test_a_user_who_may_not_read_is_told_which_right_it_needs(reader: str, database_url: str) -> None:
    execute(database_url, f"REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {parse(reader).username}")
    with pytest.raises(Unreachable, match="may not SELECT version_info there"):
        connect(parse(reader))


def test_a_user_who_may_not_make_tables_is_told_who_may(reader: str, empty_database_url: str) -> None:
    address = parse(reader).set(database=parse(empty_database_url).database)
    with pytest.raises(Unreachable, match=r"may not CREATE in public there .* run the same command once, or GRANT"):
        connect(address)


def carry_out_remedy(database: Database, said: str) -> None:
    [remedy] = re.findall("run `(.*)`", said)
    with database.engine.connect() as connection:
        free = connection.execution_options(isolation_level="AUTOCOMMIT")
        for statement in remedy.split("; "):
            free.exec_driver_sql(statement)
    database.engine.dispose()


def test_a_read_only_storage_is_called_so(database_url: str) -> None:
    name = parse(database_url).database
    execute(database_url, f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    with open_database(parse(database_url)) as database:
        carry_out_remedy(database, refused(lambda: studies.create(database, "s", {}, 1)))
        assert studies.create(database, "s", {}, 1).name == "s"


def test_a_worker_waits_for_a_storage_that_has_become_read_only(
    database_url: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = parse(database_url).database
    execute(database_url, f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    with open_database(parse(database_url)) as database:
        monkeypatch.setattr(retry, "RETRY_SECONDS", 30)
        attempts = []

        def create() -> StudyRecord:
            attempts.append("")
            try:
                return studies.create(database, "s", {}, 1)
            except Exception as error:
                carry_out_remedy(database, user_message(error))
                raise

        assert retry.with_retries(create).name == "s"
    assert len(attempts) == 2
    assert caplog.messages == ["the storage takes no writes; trying again for up to 30 s"]


def test_an_empty_read_only_storage_is_called_so(empty_database_url: str) -> None:
    name = parse(empty_database_url).database
    execute(empty_database_url, f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    with pytest.raises(ReadOnlyStorage, match=f"the storage is read-only: the database '{name}' may only be read"):
        connect(parse(empty_database_url))


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("SET statement_timeout = 1; SELECT pg_sleep(5)", "ended a statement"),
        ("SELECT 1/0", None),
    ],
)
def test_only_what_the_table_knows_is_explained(statement: str, said: str | None, database_url: str) -> None:
    with open_database(parse(database_url)) as database, database.engine.connect() as connection:
        with pytest.raises(SQLAlchemyError) as caught:
            connection.execute(text(statement))
        assert (said is None) == (explain_refusal(caught.value) is None)
        assert (said or "looks like a bug") in user_message(caught.value)


def test_a_server_that_answers_is_not_said_to_be_silent(database_url: str, reader: str) -> None:
    with open_database(parse(reader)) as database:
        database.engine.dispose()
        execute(as_administrator(database_url), f"ALTER ROLE {parse(reader).username} NOLOGIN")
        said = refused(lambda: studies.list_names(database.engine))
    assert "lets the role" in said
    assert "not log in" in said
