"""Whom commands connect as: an owner without further rights, also of data that an older program made."""

import secrets
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg2
import psycopg2.errors
import pytest
import sqlalchemy

from storage import url
from storage.copying.upgrades import upgrade
from storage.database import open_database
from storage.embedded import binaries, initdb
from storage.embedded.cluster import Cluster, hand_over
from storage.embedded.server import EmbeddedServer
from tests.conftest import at, execute
from tests.search.command import done
from tests.storage.migrations import fixture

WHO = "SELECT usename FROM pg_user WHERE usesuper"
STRANGERS = """
SELECT relname FROM pg_class WHERE oid >= 16384 AND relowner <> 'search'::regrole AND relnamespace <> 99
UNION ALL SELECT typname FROM pg_type WHERE oid >= 16384 AND typowner <> 'search'::regrole AND typnamespace <> 99
UNION ALL SELECT nspname FROM pg_namespace WHERE oid >= 16384 AND nspowner <> 'search'::regrole
UNION ALL SELECT datname FROM pg_database WHERE datname = 'search' AND datdba <> 'search'::regrole
"""


def reader(address: str) -> str:
    return sqlalchemy.make_url(address).set(username="reader").render_as_string(hide_password=False)


def test_no_role_that_can_connect_is_a_superuser(used_home: Path) -> None:
    with EmbeddedServer(used_home) as address:
        assert execute(address, "SELECT session_user::text") == [("search",)]
        assert execute(address, WHO) == [("postgres",)]
        pgpass = (used_home / "postgres" / "pgpass").read_text()
        assert [line.split(":")[3] for line in pgpass.splitlines()] == ["search", "reader"]
        superuser = sqlalchemy.make_url(address).set(username="postgres", password="", query={})
        with pytest.raises(psycopg2.OperationalError, match=r"password"):
            execute(superuser.render_as_string(), WHO)
        for attempt in ("COPY (SELECT 1) TO PROGRAM 'true'", "SELECT pg_read_file('PG_VERSION')", "CREATE ROLE other"):
            with pytest.raises(psycopg2.errors.InsufficientPrivilege):
                execute(address, attempt)


def test_the_reader_reads_all_and_changes_nothing(used_home: Path) -> None:
    with EmbeddedServer(used_home) as address, open_database(url.parse(address)):
        assert execute(reader(address), "SELECT count(*) FROM depthsearch.studies") == [(0,)]
        assert execute(reader(address), "SELECT count(*) FROM trials") == [(0,)]
        assert execute(reader(address), "SHOW default_transaction_read_only") == [("on",)]
        for attempt in ("DELETE FROM trials", "CREATE TABLE other (x int)", "DROP SCHEMA depthsearch CASCADE"):
            with pytest.raises((psycopg2.errors.InsufficientPrivilege, psycopg2.errors.ReadOnlySqlTransaction)):
                execute(reader(address), f"SET default_transaction_read_only = off; {attempt}")


@contextmanager
def made_by_an_older_program(home: Path) -> Iterator[str]:
    """Make and start a server as programs did whose commands connected as initdb's superuser; yield its URL."""
    cluster = Cluster(folder=home / "postgres", account=binaries.find_unprivileged_account())
    initdb.make_folder(cluster)
    password, word = secrets.token_urlsafe(32), cluster.folder / "word"
    cluster.pgpass.write_text(f"127.0.0.1:*:*:search:{password}\n")
    cluster.pgpass.chmod(0o600)
    word.write_text(password)
    cluster.data.mkdir(mode=0o700)
    cluster.log.touch()
    for path in (word, cluster.data, cluster.log):
        hand_over(path, cluster.account)
    programs = cluster.find_install() / "bin"
    options = ["--auth=scram-sha-256", "--username=search", "--no-sync", f"--pwfile={word}", f"--pgdata={cluster.data}"]
    assert binaries.run([programs / "initdb", *options], cluster.account).returncode == 0
    word.unlink()
    port = 20_000 + secrets.randbelow(10_000)
    settings = shlex.join(["--listen_addresses=127.0.0.1", "--unix_socket_directories=", f"--port={port}"])
    pg_ctl = [programs / "pg_ctl", "-D", cluster.data, "-w", "-l", cluster.log]
    assert binaries.run([*pg_ctl, "-o", settings, "start"], cluster.account).returncode == 0
    try:
        address = cluster.build_url(port)
        execute(at(address, "postgres"), "CREATE DATABASE search")
        yield address
    finally:
        binaries.run([*pg_ctl, "-m", "fast", "stop"], cluster.account)


def test_data_of_an_older_program_keep_their_studies_and_lose_the_superuser(home: Path) -> None:
    with made_by_an_older_program(home) as address:
        fixture.load(address)
        execute(address, "CREATE VIEW mine AS SELECT trial_id FROM trials; CREATE SEQUENCE counter")
        assert execute(address, WHO) == [("search",)]

    with EmbeddedServer(home) as address:
        assert execute(address, WHO) == [("postgres",)]
        assert execute(address, STRANGERS) == []
        assert fixture.count_rows(address) == fixture.EXPECTED["rows"]
        assert upgrade(url.parse(address)).steps
        assert execute(reader(address), "SELECT count(*) FROM mine") == execute(address, "SELECT count(*) FROM trials")
    listed = done("list", "--json").document
    assert [study["study"] for study in listed] == [fixture.HALF_DONE, fixture.SCORED]


def test_a_first_start_of_an_older_program_that_was_interrupted_is_completed(home: Path) -> None:
    with made_by_an_older_program(home) as address:
        execute(at(address, "postgres"), "DROP DATABASE search")
    with EmbeddedServer(home) as address:
        assert execute(address, WHO) == [("postgres",)]
        assert execute(address, STRANGERS) == []
