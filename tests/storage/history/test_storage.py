"""Our storage for Optuna passes Optuna's own tests of storages, on a real Postgres."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from optuna.testing.pytest_storages import StorageTestCase

from storage import url
from storage.database import open_database
from storage.history.storage import HistoryStorage


class TestHistoryStorage(StorageTestCase):
    """Every test of Optuna's, each with a database of its own."""

    @pytest.fixture
    def storage(self, database_url: str) -> Iterator[HistoryStorage]:
        with open_database(url.parse(database_url)) as database:
            yield database.history
