"""Watches a study's ledger closely enough to kill the commands that use it at a given moment."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import psycopg2
import sqlalchemy

from storage.database import STUDY_LOCK_KEY
from storage.leasing.workers import is_dead
from tests.search.command import Process, kill_group

LOOK_SECONDS = 0.001

# Held while tables are created or a score is stored.
WAITING = """
    SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = pg_locks.database
    WHERE locktype = 'advisory' AND datname = current_database() AND NOT granted
"""
TURNS = "SELECT holder FROM depthsearch.turns WHERE expires_at > now()"
TAKE = """
    INSERT INTO depthsearch.turns
    SELECT uuid, 'digits', 1, 'elsewhere', now() + interval '1 hour' FROM depthsearch.studies
    ON CONFLICT (study_uuid, dataset)
    DO UPDATE SET token = turns.token + 1, holder = excluded.holder, expires_at = excluded.expires_at RETURNING token
"""
RELEASE = "UPDATE depthsearch.turns SET expires_at = '-infinity' RETURNING token"
ASKING = """
    SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
    AND query LIKE '%depthsearch.turns%'
"""


@dataclass(frozen=True)
class Row:
    """A row of the ledger."""

    weights: str
    claimed_at: object
    look: int | None
    result: Any


class Eye:
    """Polls a study's database over its own connection."""

    def __init__(self, address: str, database: str) -> None:
        self.address = address
        self.database = database
        self._asking: set[int] = set()
        location = sqlalchemy.make_url(address)
        _, options = location.get_dialect()().create_connect_args(location)
        self._connection = psycopg2.connect(**options)
        self._connection.autocommit = True

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def ask(self, statement: str) -> list[tuple[Any, ...]]:
        """Return the rows of a statement."""
        with self._connection.cursor() as cursor:
            cursor.execute(statement)
            return list(cursor.fetchall())

    def rows(self) -> list[Row]:
        """Return the ledger."""
        found = self.ask("SELECT weights_sha256, claimed_at, look, result FROM depthsearch.scores ORDER BY opening")
        return [Row(*row) for row in found]

    def has_turn(self) -> bool:
        """Return whether somebody has the turn at the test set."""
        return not all(is_dead(holder) for (holder,) in self.ask(TURNS))

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Hold the turn for the length of the block."""
        self.ask(TAKE)
        try:
            yield
        finally:
            self.ask(RELEASE)

    def asking(self) -> set[Any]:
        """Return the server processes that have asked for the turn."""
        self._asking |= {pid for (pid,) in self.ask(ASKING)}
        return self._asking

    def is_claimed(self) -> bool:
        """Return whether the test set is claimed, scored or not."""
        return self.rows() != []

    @contextmanager
    def no_score(self) -> Iterator[None]:
        """Block every score from being stored within the block: its process waits, with the test set open."""
        self.ask(f"SELECT pg_advisory_lock({STUDY_LOCK_KEY})")
        try:
            yield
        finally:
            self.ask(f"SELECT pg_advisory_unlock({STUDY_LOCK_KEY})")

    def is_at_the_score(self) -> bool:
        """Return whether a process waits, under `no_score`, with the test set claimed and predicted."""
        return self.is_claimed() and self.ask(WAITING) != [(0,)]


def moment(process: Process, condition: Callable[[], bool], seconds: float = 120) -> bool:
    """Poll for a moment, and return whether it came before the process ended."""
    deadline = time.monotonic() + seconds
    while not condition():
        if process.poll() is not None:
            return False
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(LOOK_SECONDS)
    return True


def killed(process: Process) -> None:
    with suppress(ProcessLookupError):
        kill_group(process)
    process.communicate()
