"""The best of a learning curve: one rule, for a curve of a few epochs and for arrays."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.statistics.curves import best_value, find_best_epoch, running_best

NAN = float("nan")


@pytest.mark.parametrize(
    ("values", "epoch", "value"),
    [
        ({}, None, -math.inf),
        ({0: NAN}, None, -math.inf),
        ({0: 0.1, 1: 0.3, 2: 0.2}, 1, 0.3),
        ({3: 0.3, 1: 0.3, 2: 0.1}, 1, 0.3),
        ({0: NAN, 1: 0.1, 2: NAN, 3: 0.2, 4: NAN}, 3, 0.2),
        ({0: -math.inf}, 0, -math.inf),
    ],
)
def test_the_first_epoch_of_the_highest_value_is_the_best(
    values: dict[int, float], epoch: int | None, value: float
) -> None:
    assert find_best_epoch(values) == epoch
    assert best_value(values) == value


def test_the_best_so_far_skips_epochs_without_a_value() -> None:
    assert running_best(np.array([NAN, 0.2, NAN, 0.1, 0.5])).tolist() == [-math.inf, 0.2, 0.2, 0.2, 0.5]
    assert running_best(np.zeros(0)).shape == (0,)


@given(values=st.lists(st.one_of(st.floats(0, 1), st.just(NAN)), min_size=1, max_size=9))
def test_arrays_and_single_curves_agree(values: list[float]) -> None:
    best = running_best(np.array(values))
    for epoch in range(len(values)):
        assert best[epoch] == best_value(dict(enumerate(values[: epoch + 1])))
