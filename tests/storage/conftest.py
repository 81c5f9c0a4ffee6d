"""A database opened as the service opens it, and a study in it."""

from collections.abc import Iterator

import pytest

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
