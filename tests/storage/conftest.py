"""A database opened as the service opens it, a study in it, and a storage as an older program left it."""

from collections.abc import Iterator
from typing import Any

import optuna
import pytest
from sqlalchemy import Engine, create_engine, text

from storage import url
from storage.database import Database, open_database
from storage.records import studies
from storage.records.studies import StudyRecord
from tests.conftest import at, copied, execute
from tests.storage.migrations import fixture

SPEC = {"objective": "made-up"}


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    with open_database(url.parse(database_url)) as database:
        yield database


@pytest.fixture
def record(database: Database) -> StudyRecord:
    """A study with a budget of three trials."""
    return studies.create(database, "s", SPEC, 3)


@pytest.fixture(scope="session")
def version_3(server: str) -> str:
    """The name of a database with a storage of version 3, which others are copied from."""
    name = "template_version_3"
    execute(server, f"CREATE DATABASE {name}")
    fixture.load(at(server, name))
    return name


@pytest.fixture
def old(server: str, version_3: str) -> Iterator[str]:
    """The URL of a storage of version 3."""
    with copied(server, version_3) as address:
        yield address


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
