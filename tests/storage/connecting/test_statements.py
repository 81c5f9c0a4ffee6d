"""Statements whose plans the server keeps: prepared once on a connection, and never where a pooler lends it out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from sqlalchemy import Engine, event

from storage import url
from storage.connecting.statements import Statement, execute_at_once
from storage.database import open_database
from tests.storage import pooler

SUM = Statement(
    "SELECT sum(n) AS total, CAST(:word AS text) AS word FROM unnest(CAST(:numbers AS integer[])) AS n WHERE n < :most"
)
PREPARED = Statement("SELECT count(*) AS count FROM pg_prepared_statements", kept=False)


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    with open_database(url.parse(database_url)) as database:
        yield database.engine


def add(engine: Engine, numbers: list[int | None]) -> tuple[int | None, str | None]:
    [row] = execute_at_once(engine, SUM, {"numbers": numbers, "most": 10, "word": None})
    return row.total, row.word


def trace(engine: Engine) -> list[str]:
    """Return a list to which each statement that is sent from now on is added."""
    sent: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda _, __, sql, *___: sent.append(sql.split()[0]))
    return sent


def test_a_statement_is_prepared_once(engine: Engine) -> None:
    sent = trace(engine)
    assert [add(engine, [1, 2, 30]), add(engine, []), add(engine, [None])] == [(3, None), (None, None), (None, None)]
    assert sent == ["PREPARE", "EXECUTE", "EXECUTE", "EXECUTE"]


def test_through_a_pooler_nothing_is_prepared(database_url: str, home: Path) -> None:
    with ExitStack() as stack:
        address = stack.enter_context(pooler.running(home, database_url, size=1))
        engine = stack.enter_context(open_database(url.parse(address))).engine
        assert [add(engine, [1, 2, 30]), add(engine, [None])] == [(3, None), (None, None)]
        assert execute_at_once(engine, PREPARED, {})[0].count == 0


def test_a_pooler_that_nobody_noticed_costs_one_failed_statement(engine: Engine) -> None:
    add(engine, [1])
    execute_at_once(engine, Statement("DEALLOCATE ALL; SELECT 1", kept=False), {})  # as if it were another connection
    sent = trace(engine)
    assert [add(engine, [1, 2]), add(engine, [3])] == [(3, None), (3, None)]
    assert sent == ["EXECUTE", "SELECT", "SELECT"]


def test_statements_together_are_one_transaction(engine: Engine) -> None:
    add_table = Statement("CREATE TABLE made (n integer)", kept=False)
    broken = Statement("SELECT 1 / CAST(:zero AS integer)")
    with pytest.raises(Exception, match="division by zero"):
        execute_at_once(engine, (add_table, broken), {"zero": 0})
    [row] = execute_at_once(engine, Statement("SELECT to_regclass('made') IS NULL AS rolled_back"), {})
    assert row.rolled_back
