"""Folders for data and cache, and the real data sets where a machine has them."""

import os
from pathlib import Path

import pytest

from tests.objectives.data import made


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """An empty data folder."""
    folder = tmp_path / "sets"
    folder.mkdir()
    return folder


@pytest.fixture
def cache_dir(tmp_path: Path) -> Path:
    """A cache folder that does not exist yet."""
    return tmp_path / "cache"


@pytest.fixture
def mine_content() -> made.Part:
    """What the data set `mine` holds: twelve colour images of three classes, 7 pixels high and 5 wide."""
    return made.part(3, 4, (7, 5, 3))


@pytest.fixture
def mine(data_dir: Path, mine_content: made.Part) -> Path:
    """A data set of the user's own in class folders a, b and c; gives the data folder."""
    made.write_folders(data_dir / "mine" / "train", mine_content, ["a", "b", "c"])
    return data_dir


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data sets that SEARCH_TEST_DATA names."""
    folder = os.environ.get("SEARCH_TEST_DATA")
    if not folder:
        pytest.skip("SEARCH_TEST_DATA names no folder with real data sets")
    return Path(folder)
