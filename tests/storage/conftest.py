"""A database opened as the service opens it, and a study in it."""

from collections.abc import Iterator
from typing import Any

import optuna
import pytest
from sqlalchemy import Engine, create_engine, text

from storage import url
from storage.database import Database, open_database
from storage.records import studies
from storage.records.studies import StudyRecord

SPEC = {"objective": "made-up"}


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    with open_database(url.parse(database_url)) as database:
        yield database


@pytest.fixture
def record(database: Database) -> StudyRecord:
    """A study with a budget of three trials."""
    return studies.create(database, "s", SPEC, 3)


@pytest.fixture
def study(database: Database) -> optuna.Study:
    """A study that only Optuna knows of."""
    return optuna.create_study(study_name="s", storage=database.optuna, direction="maximize")


@pytest.fixture
def other(database_url: str) -> Iterator[Engine]:
    """Connections of another process."""
    engine = create_engine(database_url)
    yield engine
    engine.dispose()


def ask(engine: Engine, statement: str) -> list[Any]:
    """Return the rows of a statement, in a transaction of its own."""
    with engine.begin() as connection:
        return [tuple(row) for row in connection.execute(text(statement))]
