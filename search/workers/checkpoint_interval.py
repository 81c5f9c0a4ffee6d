"""How often a training's state may be written: so rarely that it costs no more than a share of the time."""

from __future__ import annotations

import time
from collections.abc import Callable

# What the first write is taken to cost, in seconds, before any has been measured.
FIRST_COST = 0.05


class CheckpointInterval:
    """Keeps the time spent on writing below `share` of the time that trials take.

    The cost of the next write is taken to be that of the last one. With a share of 1, every moment is right.
    """

    def __init__(self, share: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._share = share
        self._clock = clock
        self._cost = FIRST_COST
        self._started, self._spent = clock(), 0.0

    def begin(self) -> None:
        """A trial begins; it pays for what the one before spent beyond its share, and inherits no savings."""
        now = self._clock()
        self._spent = max(0.0, self._spent - self._share * (now - self._started))
        self._started = now

    def due(self) -> bool:
        """Whether a write fits in now."""
        elapsed = self._clock() - self._started
        return self._share >= 1 or self._spent + self._cost <= self._share * elapsed

    def paid(self, seconds: float) -> None:
        """A write took so long, be it in vain."""
        self._spent += seconds
        self._cost = seconds
