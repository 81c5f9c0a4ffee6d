"""Parts that tests of the service share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from search.study import portfolio
from storage import url
from storage.database import Database, open_database


@pytest.fixture
def database(database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Database]:
    """A storage for a program with which no study ships."""
    monkeypatch.setattr(portfolio, "FOLDER", tmp_path)
    monkeypatch.setenv("SEARCH_STORAGE", database_url)
    with open_database(url.parse(database_url)) as database:
        yield database
