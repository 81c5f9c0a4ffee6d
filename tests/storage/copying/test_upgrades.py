"""An upgrade is done whole or not at all, once, after a backup, and not while an older program would break."""

from __future__ import annotations

import os
import re
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import psycopg2
import pytest
import sqlalchemy

from storage import url
from storage.connecting.libpq import connect_args
from storage.copying import upgrades
from storage.copying.backup import restore
from storage.copying.upgrades import Upgrade, plan_upgrade, upgrade
from storage.database import open_database
from storage.errors import StorageError, Unreachable, UpgradeRefused
from storage.leasing.workers import new_worker_id
from storage.schema import VERSION
from tests.conftest import as_administrator, at, execute
from tests.storage.migrations import fixture

ROOT = Path(__file__).parents[3]
STEPS = [f"version {number}" for number in range(4, VERSION + 1)]
ELSEWHERE = "elsewhere/boot-1/1-1/aaaaaaaa"
# Upgrades the storage whose URL it gets, and is killed before, or after, it is committed.
KILLED = """
import os, signal, sys
from storage import url
from storage.copying import upgrades
from storage.migrations import runner
migrate = runner.migrate
def migrate_and_die(connection, found):
    migrate(connection, found)
    os.kill(os.getpid(), signal.SIGKILL)
runner.migrate = migrate_and_die
upgrades.upgrade(url.parse(sys.argv[1]))
"""


@contextmanager
def connected(address: str, name: str) -> Iterator[psycopg2.extensions.cursor]:
    """A transaction of a program that calls itself `name`."""
    connection = psycopg2.connect(**connect_args(url.parse(address)), application_name=name)
    with connection.cursor() as cursor:
        yield cursor
    connection.close()


def version(address: str) -> object:
    return execute(address, "SELECT version FROM depthsearch.version")[0][0]


def hold_lease(address: str, worker: str, seconds: float) -> None:
    execute(
        address,
        f"UPDATE depthsearch.leases SET worker = '{worker}', expires_at = now() + interval '{seconds} seconds'",
    )


def check_refused(address: str, reason: str) -> None:
    """The storage cannot be upgraded, now, and is as it was; a plan says so, too."""
    with pytest.raises(UpgradeRefused, match=re.escape(reason)):
        upgrade(url.parse(address))
    assert version(address) == 3
    obstacle = plan_upgrade(url.parse(address)).obstacle
    assert obstacle is not None
    assert reason in obstacle


def test_a_plan_changes_nothing(old: str) -> None:
    tables, rows = fixture.describe_tables(old), fixture.count_rows(old)
    plan = plan_upgrade(url.parse(old))
    assert (plan.before, plan.after, plan.obstacle, plan.backup) == (3, VERSION, None, None)
    assert [step.partition(":")[0] for step in plan.steps] == STEPS
    assert (fixture.describe_tables(old), fixture.count_rows(old)) == (tables, rows)
    assert version(old) == 3


def test_what_is_done_is_what_was_planned(old: str) -> None:
    planned = plan_upgrade(url.parse(old))
    assert upgrade(url.parse(old)) == planned
    assert version(old) == VERSION


def test_a_second_upgrade_does_nothing(old: str, tmp_path: Path) -> None:
    upgrade(url.parse(old))
    assert upgrade(url.parse(old), tmp_path / "backup") == Upgrade(before=VERSION)
    assert list(tmp_path.iterdir()) == []


def test_a_storage_without_tables_has_nothing_to_upgrade(empty_database_url: str) -> None:
    assert plan_upgrade(url.parse(empty_database_url)) == upgrade(url.parse(empty_database_url)) == Upgrade(before=None)
    assert execute(empty_database_url, "SELECT 1 FROM pg_namespace WHERE nspname = 'depthsearch'") == []


def test_one_of_many_upgrades_and_the_others_find_it_done(old: str) -> None:
    with ThreadPoolExecutor(4) as threads:
        done = list(threads.map(upgrade, [url.parse(old)] * 4))
    assert sorted(len(one.steps) for one in done) == [0, 0, 0, len(STEPS)]
    assert version(old) == VERSION


def test_killed_in_the_middle_nothing_is_half_done(old: str) -> None:
    tables = fixture.describe_tables(old)
    ended = subprocess.run([sys.executable, "-c", KILLED, old], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    assert fixture.describe_tables(old) == tables
    assert version(old) == 3
    assert len(upgrade(url.parse(old)).steps) == len(STEPS)


def test_a_failed_step_leaves_the_storage_as_it_was(old: str) -> None:
    execute(old, "UPDATE depthsearch.studies SET spec = '{}' WHERE name = 'scored'")
    tables = fixture.describe_tables(old)
    with pytest.raises(KeyError):
        upgrade(url.parse(old))
    assert fixture.describe_tables(old) == tables
    assert version(old) == 3


def test_a_worker_that_holds_a_trial_is_named(old: str) -> None:
    hold_lease(old, ELSEWHERE, 60)
    check_refused(old, f"worker {ELSEWHERE} trains study 'half-done' with an older program")


def test_a_worker_that_was_heard_from_is_named(old: str) -> None:
    execute(old, f"UPDATE depthsearch.workers SET worker = '{ELSEWHERE}', beat_at = now()")
    check_refused(old, f"worker {ELSEWHERE} trains study 'half-done'")


def test_an_expired_lease_is_no_obstacle(old: str) -> None:
    hold_lease(old, ELSEWHERE, -1)
    assert len(upgrade(url.parse(old)).steps) == len(STEPS)


def test_a_worker_that_is_known_to_be_dead_is_no_obstacle(old: str) -> None:
    host, space, _, random = new_worker_id().split("/")
    assert host == socket.gethostname()
    hold_lease(old, f"{host}/{space}/{2**22 + 1}-1/{random}", 60)
    assert len(upgrade(url.parse(old)).steps) == len(STEPS)


@pytest.mark.parametrize("name", ["depthsearch", "depthsearch 3"])
def test_a_connected_command_of_an_older_program_is_named(old: str, name: str) -> None:
    with connected(old, name):
        check_refused(old, "a command of an older program is connected to the storage (from 127.0.0.1,")
    assert len(upgrade(url.parse(old)).steps) == len(STEPS)


@pytest.mark.parametrize("name", ["psql", "depthsearcher", f"depthsearch {VERSION}"])
def test_other_programs_may_stay_connected(old: str, name: str) -> None:
    with connected(old, name):
        assert len(upgrade(url.parse(old)).steps) == len(STEPS)


def test_what_reads_a_table_is_waited_for_and_then_told(old: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upgrades, "LOCK_TIMEOUT_SECONDS", 1)
    with connected(old, "pg_dump") as cursor:
        cursor.execute("SELECT count(*) FROM depthsearch.networks")
        with pytest.raises(UpgradeRefused, match="another program works with the tables"):
            upgrade(url.parse(old))
    assert version(old) == 3


def test_a_worker_that_comes_during_the_backup_is_noticed(old: str, tmp_path: Path) -> None:
    def backup(address: str, path: Path) -> None:
        hold_lease(address, ELSEWHERE, 60)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(upgrades, "backup", backup)
        with pytest.raises(UpgradeRefused, match="half-done"):
            upgrade(url.parse(old), tmp_path / "backup")
    assert version(old) == 3


def test_a_backup_has_the_storage_as_it_was(old: str, empty_database_url: str, tmp_path: Path) -> None:
    tables = fixture.describe_tables(old)
    path = tmp_path / "before.dump"
    assert upgrade(url.parse(old), path).backup == path
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    restore(empty_database_url, path)
    assert fixture.describe_tables(empty_database_url) == tables
    assert fixture.count_rows(empty_database_url) == fixture.EXPECTED["rows"]
    assert len(upgrade(url.parse(empty_database_url)).steps) == len(STEPS)


def test_without_the_backup_nothing_is_upgraded(old: str, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="backup cannot be written"):
        upgrade(url.parse(old), tmp_path / "missing" / "before.dump")
    assert version(old) == 3


def test_a_user_who_may_not_change_the_tables_is_told(old: str) -> None:
    name = f"reader_{os.getpid()}"
    execute(as_administrator(old), f"CREATE ROLE {name} LOGIN PASSWORD 'x'")
    try:
        execute(old, f"GRANT USAGE ON SCHEMA depthsearch TO {name}")
        execute(old, f"GRANT ALL ON ALL TABLES IN SCHEMA depthsearch TO {name}")
        location = sqlalchemy.make_url(old).set(username=name, password="x").set(query={})
        with pytest.raises(UpgradeRefused, match="upgrade as the user that owns them"):
            upgrade(location)
        assert version(old) == 3
    finally:
        execute(as_administrator(old), f"DROP OWNED BY {name}")
        execute(as_administrator(old), f"DROP ROLE {name}")


def test_a_storage_that_does_not_answer_is_told(database_url: str) -> None:
    with pytest.raises(Unreachable, match="has no database 'nowhere'"):
        plan_upgrade(url.parse(at(database_url, "nowhere")))


def test_programs_that_connect_meanwhile_wait_and_find_it_done(old: str) -> None:
    def connect() -> int:
        with open_database(url.parse(old)) as database, database.engine.connect() as connection:
            return int(connection.exec_driver_sql("SELECT version FROM depthsearch.version").scalar_one())

    with ThreadPoolExecutor(3) as threads, connected(old, "psql") as cursor:
        cursor.execute("SELECT count(*) FROM depthsearch.epochs")  # holds the upgrade up at its locks
        upgrading = threads.submit(upgrade, url.parse(old))
        waiting = f"SELECT 1 FROM pg_locks WHERE NOT granted AND database = {oid(old)}"
        while not execute(old, waiting):
            assert not upgrading.done()
        found = [threads.submit(connect) for _ in range(2)]
        cursor.connection.rollback()
        assert len(upgrading.result().steps) == len(STEPS)
        assert [one.result() for one in found] == [VERSION, VERSION]


def oid(address: str) -> object:
    return execute(address, "SELECT oid FROM pg_database WHERE datname = current_database()")[0][0]
