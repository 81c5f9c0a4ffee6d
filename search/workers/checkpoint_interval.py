"""How often a training's state is written: rarely enough to cost no more than a share of the time."""

from __future__ import annotations

import time
from collections.abc import Callable

FIRST_COST_SECONDS = 0.05
"""The estimated cost of the first write, before any has been measured."""


class CheckpointInterval:
    """Keeps the time spent on writing below `share`, from 0 to 1, of the time that trials take.

    The next write is expected to cost as much as the last one. With a share of 1, a write is always due.
    """

    def __init__(self, share: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._share = share
        self._clock = clock
        self._cost_seconds = FIRST_COST_SECONDS
        self._started, self._spent = clock(), 0.0

    def begin(self) -> None:
        """Start a trial; it pays for what the trial before it overspent, and inherits no savings."""
        now = self._clock()
        self._spent = max(0.0, self._spent - self._share * (now - self._started))
        self._started = now

    def is_due(self) -> bool:
        """Return whether a write fits into the share now."""
        elapsed = self._clock() - self._started
        return self._share >= 1 or self._spent + self._cost_seconds <= self._share * elapsed

    def add_cost(self, seconds: float) -> None:
        """Count a write that took this long, even if it failed."""
        self._spent += seconds
        self._cost_seconds = seconds
