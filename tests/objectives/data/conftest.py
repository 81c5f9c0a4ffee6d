"""Folders for data and cache, and the real data sets where a machine has them."""

import os
from pathlib import Path

import pytest
import torch

from objectives.data.batches.examples import TrainValidation, load
from objectives.data.cache import prepare
from objectives.data.files.prepared import Prepared
from objectives.data.splits.split import Split, split_examples
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


@pytest.fixture(params=[(7, 5, 3), (6, 6, 1)], ids=str)
def prepared(request: pytest.FixtureRequest, data_dir: Path, cache_dir: Path) -> Prepared:
    """Forty examples of two classes, of one and of three channels."""
    made.write_folders(data_dir / "mine" / "train", made.part(2, 20, request.param), ["a", "b"])
    return prepare("mine", data_dir, cache_dir)


@pytest.fixture
def parts(prepared: Prepared) -> Split:
    """Thirty of them to train on, ten to validate."""
    return split_examples(prepared.labels(), 0.25, 0)


@pytest.fixture(params=["cpu", "cuda"])
def device(request: pytest.FixtureRequest) -> str:
    """Each kind of device that this machine has."""
    name: str = request.param
    if name == "cuda" and not torch.cuda.is_available():
        pytest.skip("no GPU")
    return name


@pytest.fixture
def loaded(device: str, prepared: Prepared, parts: Split) -> TrainValidation:
    """The parts on each device."""
    return load(prepared, parts, device)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data sets that SEARCH_TEST_DATA names."""
    folder = os.environ.get("SEARCH_TEST_DATA")
    if not folder:
        pytest.skip("SEARCH_TEST_DATA names no folder with real data sets")
    return Path(folder)
