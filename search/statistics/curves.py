"""The best of a learning curve, by one rule: the highest value counts, the earliest of equals, and NaN never does."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def find_best_epoch(values: Mapping[int, float]) -> int | None:
    """Return the first epoch with the highest value; None if no epoch has a value."""
    known = (epoch for epoch, value in values.items() if not math.isnan(value))
    return min(known, key=lambda epoch: (-values[epoch], epoch), default=None)


def best_value(values: Mapping[int, float]) -> float:
    """Return the highest value; minus infinity if no epoch has a value."""
    epoch = find_best_epoch(values)
    return -math.inf if epoch is None else values[epoch]


def running_best(values_E: Array) -> Array:
    """Return the best value up to each epoch, shape (E,); minus infinity before the first value."""
    best: Array = np.maximum.accumulate(np.where(np.isnan(values_E), -np.inf, values_E))
    return best


def count_spared(lengths: Iterable[int], epochs: int) -> int:
    """Return how many epochs curves of these lengths lack of full ones."""
    return sum(max(0, epochs - length) for length in lengths)
