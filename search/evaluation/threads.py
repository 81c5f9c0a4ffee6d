"""The number of threads that a trial was trained with, which its retraining repeats."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from optuna.trial import FrozenTrial

THREADS = "threads"
"""The trial's attribute."""


def read_threads(trial: FrozenTrial) -> int | None:
    """Return how many threads the trial was trained with; None if it does not tell."""
    threads: int | None = trial.user_attrs.get(THREADS)
    return threads


@contextmanager
def use_threads_of(trial: FrozenTrial) -> Iterator[None]:
    """Use as many threads as the trial did: with more or fewer, sums are added in another order.

    More would not be faster either: a network of this size, beside other work, waits for the slowest thread.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(read_threads(trial) or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)
