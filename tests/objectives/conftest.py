"""What a worker process does for speed: one thread a worker, and collections that pass over what is imported."""

import gc
from collections.abc import Iterator

import pytest
import torch


@pytest.fixture(autouse=True, scope="package")
def one_thread() -> Iterator[None]:
    """Compute on one thread: networks as small as these only wait for a second one."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True, scope="package")
def frozen() -> Iterator[None]:
    """Every training collects garbage first, which takes half a second with a test's imports in it."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()
