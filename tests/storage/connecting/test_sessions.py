"""A connection that would find other tables of Optuna's than ours belong to is refused, and nothing is lost."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import optuna
import pytest
from optuna.storages import RDBStorage
from sqlalchemy.exc import OperationalError

from storage import url
from storage.connecting import sessions
from storage.connecting.retry import is_outage
from storage.connecting.statements import Statement, execute_at_once
from storage.copying.upgrades import plan_upgrade
from storage.database import open_database
from storage.errors import SchemaMismatch, UnknownStudy
from storage.leasing.starting import start_trial
from storage.records import studies
from tests.conftest import as_administrator, execute
from tests.storage import pooler

HERE = "SELECT count(*) FROM pg_tables WHERE schemaname = 'b'"


def led_to(address: str, schema: str) -> str:
    return f"{address}{'&' if '?' in address else '?'}options=-csearch_path%3D{schema}"


@pytest.fixture
def address(empty_database_url: str) -> str:
    """A database whose studies lie in the schema `a`, beside an empty schema `b`."""
    for name in ("a", "b"):
        execute(empty_database_url, f"CREATE SCHEMA {name}")
    with open_database(url.parse(led_to(empty_database_url, "a"))) as database:
        for number in range(2):
            studies.create(database, f"alice-{number}", {}, 1)
    return empty_database_url


def check_kept(address: str) -> None:
    with open_database(url.parse(led_to(address, "a"))) as database:
        assert studies.list_names(database.engine) == ["alice-0", "alice-1"]


def test_another_search_path_is_refused_and_loses_nothing(address: str) -> None:
    for wrong in (led_to(address, "b"), address):
        with pytest.raises(SchemaMismatch, match="belong to Optuna's tables in the schema 'a'") as caught:
            open_database(url.parse(wrong)).__enter__()
        assert "options=-csearch_path%3Da" in str(caught.value)
    assert execute(address, HERE) == [(0,)]  # no tables are made where nobody would look for them
    check_kept(address)
    with open_database(url.parse(led_to(address, "b,a"))) as database:  # finds them, too
        assert len(studies.list_names(database.engine)) == 2


def test_tables_of_optunas_own_in_another_schema_are_not_taken_for_ours(address: str) -> None:
    RDBStorage(led_to(address.replace("postgresql://", "postgresql+psycopg2://", 1), "b")).engine.dispose()
    with pytest.raises(SchemaMismatch, match="would use those of 'b'"), open_database(url.parse(led_to(address, "b"))):
        pass
    with pytest.raises(SchemaMismatch, match="would use those of 'b'"):
        plan_upgrade(url.parse(led_to(address, "b")))
    check_kept(address)


@pytest.fixture
def role(address: str) -> Iterator[str]:
    """The name of a role whose search_path in this database is changed meanwhile."""
    name = str(url.parse(address).username)
    yield name
    execute(address, f"ALTER ROLE {name} IN DATABASE {url.parse(address).database} RESET search_path")


def test_a_role_that_is_led_elsewhere_meanwhile_writes_nothing(address: str, role: str) -> None:
    place = f"ALTER ROLE {role} IN DATABASE {url.parse(address).database} SET search_path ="
    execute(address, f"{place} a")
    with open_database(url.parse(address)) as database:
        assert len(studies.list_names(database.engine)) == 2
        execute(address, f"{place} b")
        database.engine.dispose()  # as after a restart of the server
        with pytest.raises(SchemaMismatch, match="would use those of 'b'"):
            studies.create(database, "bob", {}, 1)
    with pytest.raises(SchemaMismatch), open_database(url.parse(address)):
        pass
    check_kept(address)


def test_studies_whose_optuna_tables_were_dropped_are_not_mixed_with_new_ones(address: str) -> None:
    execute(address, "DROP SCHEMA a CASCADE")
    execute(address, "CREATE SCHEMA a")
    with pytest.raises(SchemaMismatch, match="were dropped here"), open_database(url.parse(led_to(address, "a"))):
        pass


def test_creating_a_study_deletes_no_other_record(empty_database_url: str) -> None:
    """Whatever Optuna's tables hold, the record of a study is deleted only by the study that has its UUID."""
    with open_database(url.parse(empty_database_url)) as database:
        made = studies.create(database, "first", {}, 1)
        optuna.delete_study(study_name="first", storage=database.optuna)
        studies.create(database, "second", {}, 1)
        with pytest.raises(UnknownStudy):
            studies.get(database.engine, "first")
    kept = execute(empty_database_url, "SELECT name, uuid::text FROM depthsearch.studies ORDER BY study_id")
    assert kept[0] == ("first", made.uuid)


@pytest.fixture
def narrow(database_url: str, server: str) -> Iterator[str]:
    """The URL for a user who may have one connection at a time."""
    owner = url.parse(database_url).username
    create = "CREATE ROLE narrow LOGIN PASSWORD 'pw' CONNECTION LIMIT 1 IN ROLE"
    execute(as_administrator(server), f"{create} {owner}")
    yield url.parse(database_url).set(username="narrow", password="pw").render_as_string(hide_password=False)
    execute(as_administrator(server), "DROP ROLE narrow")


def test_a_storage_is_opened_with_one_connection_at_a_time(narrow: str) -> None:
    with open_database(url.parse(narrow)) as database:
        assert studies.list_names(database.engine) == []


def test_a_storage_is_opened_through_a_pooler_of_one_connection(database_url: str, home: Path) -> None:
    with pooler.running(home, database_url, size=1) as pooled, open_database(url.parse(pooled)) as database:
        studies.create(database, "first", {}, 1)
        assert studies.list_names(database.engine) == ["first"]


@pytest.mark.parametrize("idle", [False, True])
def test_a_connection_that_broke_is_replaced_if_nobody_has_just_used_it(
    database_url: str, server: str, monkeypatch: pytest.MonkeyPatch, idle: bool
) -> None:
    monkeypatch.setattr(sessions, "PING_AFTER_SECONDS", 0.0 if idle else 3600.0)
    with open_database(url.parse(database_url)) as database:
        assert studies.list_names(database.engine) == []
        name = url.parse(database_url).database
        execute(
            as_administrator(server), f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
        )
        if not idle:
            with pytest.raises(OperationalError) as caught:  # no round trip is spent on a ping
                studies.list_names(database.engine)
            assert is_outage(caught.value)
        assert studies.list_names(database.engine) == []


@pytest.mark.parametrize("pooled", [False, True])
def test_every_transaction_is_read_committed_whatever_the_default_is(
    database_url: str, server: str, home: Path, pooled: bool
) -> None:
    """Numbers of trials are counted under a lock, which an older snapshot would make useless."""
    name = url.parse(database_url).database
    execute(as_administrator(server), f"ALTER DATABASE {name} SET default_transaction_isolation = 'repeatable read'")
    with ExitStack() as stack:
        address = stack.enter_context(pooler.running(home, database_url, size=1)) if pooled else database_url
        database = stack.enter_context(open_database(url.parse(address)))
        for _ in range(2):
            with database.engine.begin() as connection:
                assert connection.exec_driver_sql("SHOW transaction_isolation").scalar() == "read committed"
        record = studies.create(database, "s", {}, 1)
        assert start_trial(database.engine, record.study_id, "w", 60.0).token == 1
        if not pooled:
            [row] = execute_at_once(database.engine, Statement("SELECT current_setting('transaction_isolation')"), {})
            assert row == ("read committed",)
