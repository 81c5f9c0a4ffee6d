"""One statement in one round trip, which is its own transaction."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine, Row, TextClause

# As the first column of a statement that changes something: its commit does not wait for the server's disk. What a
# server that breaks down loses is the last fraction of a second of such commits, never one that another commit follows.
UNHURRIED = "set_config('synchronous_commit', 'off', true)"


@dataclass(frozen=True, kw_only=True)
class Question:
    """A SELECT without FROM, ORDER BY and the like, which may be asked together with something else."""

    sql: str
    parameters: Mapping[str, Any]


Ask = Callable[[Question], Row[Any]]


def execute_at_once(engine: Engine, statement: TextClause, parameters: Mapping[str, Any]) -> Sequence[Row[Any]]:
    """Execute a statement that returns rows, without a transaction around it: BEGIN and COMMIT are round trips."""
    with engine.connect() as connection:
        driver = connection.connection.dbapi_connection
        assert driver is not None
        driver.autocommit = True
        try:
            return connection.execute(statement, parameters).all()
        finally:
            if not driver.closed:
                driver.autocommit = False
