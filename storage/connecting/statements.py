"""Statements in one round trip, which is their own transaction, and whose plans the server keeps.

To parse and plan one of these takes the server longer than to execute it. Each connection has it prepared once, as SQL
does that, unless a pooler lends the connection to others between two transactions.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from sqlalchemy import Connection, Engine, Row
from sqlalchemy.exc import DBAPIError

# As the first column of a statement that changes something: its commit does not wait for the server's disk. What a
# server that breaks down loses is the last fraction of a second of such commits, never one that another commit follows.
UNHURRIED = "set_config('synchronous_commit', 'off', true)"

POOLED = "pooled"
"""In the `info` of a connection: whether a pooler lends it to others between two transactions."""
_PREPARED = "prepared"
_PARAMETER = re.compile(r"(?<![:\w]):([a-z_]+)")
_CAST = re.compile(r"CAST\(:([a-z_]+) AS ([a-z ]+(?:\[\])?)\)")
_LOST = ("26000", "42P05")
"""SQLSTATE of a prepared statement that is not there, or already: a pooler after all has exchanged the connection."""


@dataclass(frozen=True)
class Statement:
    """SQL with parameters as `:name`; it has no percent sign.

    kept: whether the server keeps its plan, which it makes without knowing any parameter.
    """

    sql: str
    kept: bool = True

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The parameters, each once."""
        return tuple(dict.fromkeys(_PARAMETER.findall(self.sql)))

    @cached_property
    def name(self) -> str:
        """What it is called in the server."""
        return "depthsearch_" + hashlib.sha256(self.sql.encode()).hexdigest()[:24]

    @cached_property
    def plain(self) -> str:
        """The SQL, for the driver to put the parameters in."""
        return _PARAMETER.sub(r"%(\1)s", self.sql)

    @cached_property
    def preparation(self) -> str:
        """The SQL that prepares it."""
        types = ", ".join(self._types.get(name, "unknown") for name in self.names)
        numbered = _PARAMETER.sub(lambda found: f"${self.names.index(found[1]) + 1}", self.sql)
        return f"PREPARE {self.name} ({types}) AS {numbered}" if self.names else f"PREPARE {self.name} AS {numbered}"

    @cached_property
    def call(self) -> str:
        """The SQL that executes it once it is prepared."""
        given = (
            f"CAST(%({name})s AS {self._types[name]})" if name in self._types else f"%({name})s" for name in self.names
        )
        return f"EXECUTE {self.name} ({', '.join(given)})" if self.names else f"EXECUTE {self.name}"

    @cached_property
    def _types(self) -> dict[str, str]:
        # An empty array, or one of nulls, has no type of its own.
        return dict(_CAST.findall(self.sql))


@dataclass(frozen=True, kw_only=True)
class Question:
    """A SELECT without FROM, ORDER BY and the like, which may be asked together with something else."""

    statement: Statement
    parameters: Mapping[str, Any]


Ask = Callable[[Question], Row[Any]]


def execute_at_once(
    engine: Engine, statements: Statement | Sequence[Statement], parameters: Mapping[str, Any]
) -> Sequence[Row[Any]]:
    """Execute statements of which the last returns rows, without BEGIN and COMMIT, which are round trips.

    Returns:
        The rows.
    """
    together = [statements] if isinstance(statements, Statement) else statements
    with engine.connect() as connection:
        driver = connection.connection.dbapi_connection
        assert driver is not None
        driver.autocommit = True
        try:
            try:
                return connection.exec_driver_sql(_compose(connection, together), parameters).all()
            except DBAPIError as error:
                if getattr(error.orig, "pgcode", None) not in _LOST:
                    raise
                connection.info[POOLED] = True
                return connection.exec_driver_sql(_compose(connection, together), parameters).all()
        finally:
            if not driver.closed:
                driver.autocommit = False


def _compose(connection: Connection, statements: Sequence[Statement]) -> str:
    """Return the SQL of the statements; those that the server keeps are prepared where they are not yet."""
    if connection.info.get(POOLED, True):
        return "; ".join(statement.plain for statement in statements)
    prepared: set[str] = connection.info.setdefault(_PREPARED, set())
    for statement in statements:
        if statement.kept and statement.name not in prepared:
            connection.exec_driver_sql(statement.preparation)
            prepared.add(statement.name)
    return "; ".join(statement.call if statement.kept else statement.plain for statement in statements)
