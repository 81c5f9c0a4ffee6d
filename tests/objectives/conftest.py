"""What a worker process does for speed: one thread a worker, and all imports before the first training."""

from collections.abc import Iterator

import pytest
import torch

# What the first digits and the first optimizer import, so that it is frozen together with the rest.
from sklearn import datasets  # noqa: F401
from torch import _dynamo  # noqa: F401


@pytest.fixture(autouse=True, scope="package")
def one_thread() -> Iterator[None]:
    """Compute on one thread: networks as small as these only wait for a second one."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
