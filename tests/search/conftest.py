"""Parts that tests of the service share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from search.study import portfolio
from storage import url
from storage.database import Database, open_database
from tests.conftest import copied, use_home
from tests.search.serving import make_study


@pytest.fixture(scope="module")
def study_url(server: str, template: str) -> Iterator[str]:
    """A storage with one study, for a file's tests that leave it as it is."""
    with copied(server, template) as address:
        make_study(address)
        yield address


@pytest.fixture(scope="module")
def address(server: str, template: str) -> Iterator[str]:
    """A storage without studies for a whole file, whose tests build on one another."""
    with copied(server, template) as address:
        yield address


@pytest.fixture
def kept_home(shared_home: Path, address: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One home for a whole file, and `address` as its storage."""
    use_home(monkeypatch, shared_home)
    monkeypatch.setenv("SEARCH_STORAGE", address)
    return shared_home


@pytest.fixture
def database(database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Database]:
    """A storage for a program with which no study ships."""
    monkeypatch.setattr(portfolio, "FOLDER", tmp_path)
    monkeypatch.setenv("SEARCH_STORAGE", database_url)
    with open_database(url.parse(database_url)) as database:
        yield database
