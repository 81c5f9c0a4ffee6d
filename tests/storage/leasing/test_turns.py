"""Turns at a test set: one process at a time, however the last one ended, and behind a connection pooler too."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from storage import url
from storage.connecting.libpq import connect_args
from storage.database import Database, open_database
from storage.errors import LeaseLost
from storage.leasing import turns
from storage.leasing.turns import hold_turn
from storage.records import ledger, results
from storage.records.ledger import Claim
from tests.conftest import execute
from tests.storage import pooler

UUID = "00000000-0000-0000-0000-000000000001"
CLAIM = Claim(weights_sha256="a" * 64, winner={"trial": 4})


@pytest.fixture
def pooled(database_url: str, home: Path) -> Iterator[str]:
    """The URL of the same database by way of PgBouncer in transaction mode."""
    with pooler.running(home, database_url) as address:
        yield address


def holders(database: Database) -> list[tuple[object, ...]]:
    return execute(
        database.url.render_as_string(hide_password=False),
        "SELECT holder FROM depthsearch.turns WHERE expires_at > now()",
    )


def check_one_at_a_time(database: Database) -> None:
    inside: list[int] = []
    most: list[int] = []

    def take() -> None:
        with hold_turn(database.engine, UUID, "digits"):
            inside.append(1)
            most.append(len(inside))
            inside.pop()

    threads = [threading.Thread(target=take) for _ in range(4)]
    with hold_turn(database.engine, UUID, "digits"):
        for thread in threads:
            thread.start()
        threads[0].join(0.5)
        assert most == []  # all wait while somebody has the turn
    for thread in threads:
        thread.join(10)
    assert most == [1, 1, 1, 1]


def test_turns_are_taken_one_after_another(database: Database) -> None:
    check_one_at_a_time(database)


def test_a_turn_lasts_as_long_as_its_process_works(database: Database) -> None:
    with hold_turn(database.engine, UUID, "digits", seconds=0.3) as turn:
        for _ in range(10):  # at any moment, and not just after it was renewed late
            time.sleep(0.1)
            assert len(holders(database)) == 1
        ledger.claim(turn, "s", CLAIM)
    assert holders(database) == []


def test_what_lost_its_turn_claims_and_scores_nothing(database: Database) -> None:
    """It was frozen: nothing renewed its turn, and another process took it."""
    with hold_turn(database.engine, UUID, "digits") as late:
        pass
    with hold_turn(database.engine, UUID, "digits") as turn:
        with pytest.raises(LeaseLost, match="another one has the turn at the test set of 'digits' now"):
            ledger.claim(late, "s", CLAIM)
        assert ledger.find_claim(database.engine, UUID, "digits") is None
        ledger.claim(turn, "s", CLAIM)
        with pytest.raises(LeaseLost):
            ledger.complete(late, {}, test=ledger.HeldOutPart(sha256="t", view="v"), predictions=b"")
        assert results.find_result(database.engine, UUID, "digits") is None


def test_nobody_takes_a_turn_while_what_it_stores_is_written(database: Database) -> None:
    take = text("SET LOCAL lock_timeout = 100; UPDATE depthsearch.turns SET token = token + 1")
    with hold_turn(database.engine, UUID, "digits") as turn, database.engine.begin() as writing:
        turn.verify(writing)
        with pytest.raises(OperationalError, match="lock timeout"), database.engine.begin() as other:
            other.execute(take)


def test_the_turn_of_a_dead_process_of_this_machine_is_taken_at_once(database: Database) -> None:
    ask = "from storage.leasing.workers import new_worker_id; print(new_worker_id())"
    dead = subprocess.run([sys.executable, "-c", ask], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
    execute(
        database.url.render_as_string(hide_password=False),
        f"INSERT INTO depthsearch.turns VALUES ('{UUID}', 'digits', 7, '{dead}', now() + interval '1 h')",
    )
    with hold_turn(database.engine, UUID, "digits") as turn:
        assert turn.token == 8


def test_who_waits_says_for_whom_and_goes_on_when_the_turn_expires(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "QUIET_SECONDS", 0.3)
    execute(
        database.url.render_as_string(hide_password=False),
        "INSERT INTO depthsearch.turns "
        f"VALUES ('{UUID}', 'digits', 7, 'elsewhere/boot/12-34/ab', now() + interval '1 s')",
    )
    told: list[str] = []
    with hold_turn(database.engine, UUID, "digits", tell=told.append) as turn:
        assert turn.token == 8
    [line] = told
    assert line.startswith(
        "note: waiting for another command that scores or copies this study (process 12 on elsewhere)"
    )


@pytest.mark.faults
def test_turns_are_kept_behind_a_transaction_pooler(pooled: str, database_url: str) -> None:
    with open_database(url.parse(pooled)) as database:
        check_one_at_a_time(database)
        with hold_turn(database.engine, UUID, "digits") as turn:
            ledger.claim(turn, "s", CLAIM)
        with hold_turn(database.engine, UUID, "digits"):  # nothing was left behind on a connection of the pool
            pass
        left = "SELECT count(*) FROM pg_locks JOIN pg_database d ON d.oid = database WHERE locktype = 'advisory'"
        assert execute(database_url, f"{left} AND datname = current_database()") == [(0,)]


@pytest.mark.faults
def test_nothing_is_set_on_connections_that_others_use(pooled: str) -> None:
    limit = "idle_in_transaction_session_timeout"
    with open_database(url.parse(pooled)) as database, database.engine.begin() as connection:
        assert connection.exec_driver_sql(f"SHOW {limit}").scalar() == "15s"
    other = psycopg2.connect(**connect_args(url.parse(pooled)))
    with other, other.cursor() as cursor:
        cursor.execute(f"SHOW {limit}")
        assert cursor.fetchone() == ("0",)
    other.close()
