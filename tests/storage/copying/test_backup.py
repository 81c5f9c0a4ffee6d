"""Backups round-trip, refuse to mix with other data, and tell no password."""

import os
import secrets
import stat
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import optuna
import psycopg2.errors
import pytest
import sqlalchemy

from storage.copying.backup import backup, restore
from storage.embedded import binaries
from storage.errors import BadURL, StorageError, Unreachable
from tests.conftest import as_administrator, execute
from tests.storage.connecting.private_server import make_certificate, private_server, reload, serve_certificate

PASSWORD = "hunter2@horse/%"


@pytest.fixture
def study_url(database_url: str) -> str:
    """Return a database with a study of three trials."""
    storage = optuna.storages.RDBStorage(database_url)
    study = optuna.create_study(storage=storage, study_name="digits-mlp", direction="maximize")
    study.optimize(lambda trial: trial.suggest_float("learning_rate", 1e-5, 1, log=True), n_trials=3)
    storage.remove_session()
    storage.engine.dispose()
    return database_url


@pytest.fixture
def password_url(study_url: str) -> Iterator[str]:
    """Return a URL of the same database for a user with a password in it."""
    name = f"ada_{secrets.token_hex(4)}"
    execute(as_administrator(study_url), f"CREATE ROLE {name} LOGIN SUPERUSER PASSWORD '{PASSWORD}'")
    url = sqlalchemy.make_url(study_url).set(username=name, password=PASSWORD, query={})
    yield url.render_as_string(hide_password=False)
    execute(as_administrator(study_url), f"DROP ROLE {name}")


def rows(url: str) -> list[tuple[object, ...]]:
    return execute(url, "SELECT trial_id, param_name, param_value, distribution_json FROM trial_params ORDER BY 1")


def test_a_backup_restores_into_an_empty_database(study_url: str, empty_database_url: str, tmp_path: Path) -> None:
    path = tmp_path / "studies.dump"

    backup(study_url, path)
    restore(empty_database_url, path)

    assert len(rows(study_url)) == 3
    assert rows(empty_database_url) == rows(study_url)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]
    # The restored database continues where the old one was: its sequences were restored, too.
    study = optuna.load_study(study_name="digits-mlp", storage=empty_database_url)
    study.optimize(lambda trial: trial.suggest_float("learning_rate", 1e-5, 1, log=True), n_trials=1)
    assert [trial.number for trial in study.trials] == [0, 1, 2, 3]


def test_a_password_in_the_url_serves_both_ways(password_url: str, empty_database_url: str, tmp_path: Path) -> None:
    backup(password_url, tmp_path / "studies.dump")
    restore(empty_database_url, tmp_path / "studies.dump")

    assert len(rows(empty_database_url)) == 3


def test_the_password_is_on_no_command_line(password_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    said = tmp_path / "arguments"
    (programs / "pg_dump").write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" "env=$PGPASSWORD" > {said}\n')
    (programs / "pg_dump").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    # An address that is not one of the usual loopback names is a server elsewhere: PATH's pg_dump serves it.
    remote = (
        sqlalchemy.make_url(password_url)
        .set(host="127.1", query={"sslmode": "prefer"})
        .render_as_string(hide_password=False)
    )

    backup(remote, tmp_path / "studies.dump")

    *arguments, environment = said.read_text().splitlines()
    assert environment == f"env={PASSWORD}"
    assert "--no-password" in arguments
    assert not any(PASSWORD in argument or "hunter2" in argument for argument in arguments)


def test_a_database_that_holds_something_is_not_restored_into(study_url: str, tmp_path: Path) -> None:
    backup(study_url, tmp_path / "studies.dump")
    before = rows(study_url)

    with pytest.raises(StorageError, match="empty database only"):
        restore(study_url, tmp_path / "studies.dump")

    assert rows(study_url) == before


def test_a_backup_replaces_an_older_one_only_when_it_is_whole(study_url: str, tmp_path: Path) -> None:
    path = tmp_path / "studies.dump"
    path.write_bytes(b"older")
    unreachable = sqlalchemy.make_url(study_url).set(database="nowhere").render_as_string(hide_password=False)

    with pytest.raises(Unreachable, match="nowhere"):
        backup(unreachable, path)
    assert path.read_bytes() == b"older"

    backup(study_url, path)
    assert path.read_bytes().startswith(b"PGDMP")
    assert list(tmp_path.iterdir()) == [path]


def test_a_torn_backup_changes_nothing(study_url: str, empty_database_url: str, tmp_path: Path) -> None:
    path = tmp_path / "studies.dump"
    backup(study_url, path)
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])

    with pytest.raises(StorageError, match="pg_restore failed"):
        restore(empty_database_url, path)

    assert execute(empty_database_url, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == [(0,)]


def dump(url: str, path: Path) -> None:
    """Write a whole database with Postgres's own pg_dump, whatever is in it."""
    location = sqlalchemy.make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    program = binaries.locate() / "bin" / "pg_dump"
    subprocess.run([program, "--format=custom", f"--file={path}", location], check=True)


TRAP = """
CREATE TABLE output (line text);
CREATE FUNCTION run() RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN COPY public.output FROM PROGRAM 'touch {proof}'; RETURN 1; END $$;
CREATE MATERIALIZED VIEW trap AS SELECT public.run() WITH NO DATA;
"""


def test_a_dump_that_starts_a_program_is_refused_and_starts_none(
    study_url: str, empty_database_url: str, home: Path
) -> None:
    home.chmod(0o777)  # so that the server's user could write there
    path, proof = home / "trap.dump", home / "proof"
    execute(study_url, TRAP.format(proof=proof))
    dump(study_url, path)
    with pytest.raises(StorageError, match=r"holds 'FUNCTION public run\(\).*', which no backup of a storage does"):
        restore(empty_database_url, path)
    assert execute(empty_database_url, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == [(0,)]
    # Whatever a dump gets past this check, the role that restores may not start programs.
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        execute(study_url, "REFRESH MATERIALIZED VIEW trap")
    assert not proof.exists()


@pytest.mark.parametrize(
    ("statement", "what"),
    [
        ("CREATE VIEW peek AS SELECT 1", "VIEW public peek"),
        ("CREATE SCHEMA other CREATE TABLE kept (x int)", "a schema other"),
        ("CREATE RULE away AS ON INSERT TO studies DO INSTEAD NOTHING", "RULE public studies away"),
    ],
)
def test_a_dump_with_more_than_tables_is_refused(
    study_url: str, empty_database_url: str, tmp_path: Path, statement: str, what: str
) -> None:
    execute(study_url, statement)
    dump(study_url, tmp_path / "more.dump")
    with pytest.raises(StorageError, match=f"{what}.*, which no backup of a storage does.*pg_restore yourself"):
        restore(empty_database_url, tmp_path / "more.dump")
    assert execute(empty_database_url, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == [(0,)]


def test_a_dump_without_studies_is_refused(empty_database_url: str, tmp_path: Path) -> None:
    execute(empty_database_url, "CREATE TABLE recipes (name text)")
    dump(empty_database_url, tmp_path / "recipes.dump")
    execute(empty_database_url, "DROP TABLE recipes")
    with pytest.raises(StorageError, match=r"recipes\.dump has no study in it; name a file that"):
        restore(empty_database_url, tmp_path / "recipes.dump")


def test_of_a_database_with_other_tables_the_studies_are_restored(
    study_url: str, empty_database_url: str, tmp_path: Path
) -> None:
    execute(study_url, "CREATE TABLE recipes (recipe_id serial PRIMARY KEY, name text UNIQUE)")
    backup(study_url, tmp_path / "shared.dump")
    restore(empty_database_url, tmp_path / "shared.dump")
    tables = "SELECT schemaname, tablename FROM pg_tables WHERE schemaname IN ('public', 'depthsearch') ORDER BY 1, 2"
    found = execute(study_url, tables)
    assert ("public", "recipes") in found
    assert execute(empty_database_url, tables) == [table for table in found if table != ("public", "recipes")]
    assert rows(empty_database_url) == rows(study_url)


@pytest.mark.parametrize("write", [backup, dump])
def test_large_objects_which_every_role_may_make_spoil_no_backup(
    write: Callable[[str, Path], None], study_url: str, empty_database_url: str, tmp_path: Path
) -> None:
    execute(study_url, "SELECT lo_from_bytea(0, 'junk')")
    write(study_url, tmp_path / "studies.dump")
    restore(empty_database_url, tmp_path / "studies.dump")
    assert rows(empty_database_url) == rows(study_url)
    assert execute(empty_database_url, "SELECT count(*) FROM pg_largeobject_metadata") == [(0,)]


def test_what_is_no_backup_is_refused(empty_database_url: str, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("CREATE TABLE notes ()")
    with pytest.raises(StorageError, match="not a backup in pg_dump's custom format"):
        restore(empty_database_url, tmp_path / "notes.txt")
    with pytest.raises(StorageError, match="No such file"):
        restore(empty_database_url, tmp_path / "missing.dump")


def test_a_folder_that_does_not_exist_is_named(study_url: str, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"missing/studies\.dump \(No such file or directory\)"):
        backup(study_url, tmp_path / "missing" / "studies.dump")


def test_other_databases_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadURL, match="SQLite"):
        backup("sqlite:///studies.db", tmp_path / "studies.dump")


def test_a_refused_password_is_not_repeated(password_url: str, tmp_path: Path) -> None:
    wrong = sqlalchemy.make_url(password_url).set(password="swordfish").render_as_string(hide_password=False)
    with pytest.raises(Unreachable) as caught:
        backup(wrong, tmp_path / "studies.dump")
    assert "swordfish" not in str(caught.value)
    assert "password" in str(caught.value)


def test_a_backup_is_as_encrypted_as_the_check_before_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with private_server() as server:
        certificate = make_certificate(server.data.parent, "127.0.0.1")
        serve_certificate(server, certificate)
        execute(server.url, "ALTER SYSTEM SET log_connections = on")
        reload(server)
        location = sqlalchemy.make_url(server.url)
        (tmp_path / "services").write_text(f"[team]\nhost=127.1\nport={location.port}\nuser=team\ndbname=postgres\n")
        monkeypatch.setenv("PGSERVICEFILE", str(tmp_path / "services"))
        secret = server.password_file.read_text().strip().rpartition(":")[2]
        monkeypatch.setenv("PGPASSWORD", secret)
        verified = f"{server.url}?sslmode=verify-full&sslrootcert={certificate}"

        for address in ("postgresql:///?service=team", verified):
            backup(address, tmp_path / "studies.dump")

        logged = (server.data / "log").read_text()
        dumps = [line for line in logged.splitlines() if "application_name=pg_dump" in line]
        assert len(dumps) == 2
        assert all("SSL enabled" in line for line in dumps), dumps
