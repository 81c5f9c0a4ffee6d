"""What a worker process does for speed: one thread a worker, and all imports before the first training."""

from collections.abc import Iterator

import pytest
import torch._dynamo  # the first optimizer imports it; imported here, it is frozen with all that collecting imports


@pytest.fixture(autouse=True, scope="package")
def one_thread() -> Iterator[None]:
    """Compute on one thread: networks as small as these only wait for a second one."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
