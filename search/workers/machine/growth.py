"""How many workers a GPU gets: more of them as long as each adds enough to the epochs a second."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

LEAST_GAIN = 0.1
"""What each added worker must add to the rate, as a share of the first one's."""
LEAST_SECONDS = 3.0
"""The shortest time over which a rate is measured."""
EPOCHS_A_WORKER = 3
"""The fewest epochs of each worker, on average, that a rate is measured over."""


@dataclass(kw_only=True)
class Growth:
    """Doubles the number of workers while that pays.

    limit: the largest number on each device. workers: the number that run on each. devices: their number.
    """

    limit: int
    workers: int
    devices: int = 1
    _warm_at: int | None = field(default=None, init=False)
    _started: tuple[float, int] | None = field(default=None, init=False)
    _first: float = field(default=0.0, init=False)
    _last: tuple[float, int] | None = field(default=None, init=False)

    @property
    def ended(self) -> bool:
        """Whether no workers will be added any more."""
        return self.workers >= self.limit

    @property
    def total(self) -> int:
        """The number of workers that run on all devices."""
        return self.workers * self.devices

    def observe(self, now: float, epochs: int, count_fitting: Callable[[int], int]) -> int:
        """Take note of the epochs trained by `now` (seconds); return how many workers to add to each device.

        A rate counts from the moment at which each worker has trained one epoch, on average: starting takes time.
        count_fitting: called with a device's number of workers before some are added; returns how many fit into memory.
        """
        if self._warm_at is None:
            self._warm_at = epochs + self.total
        if self._started is None:
            self._started = (now, epochs) if epochs >= self._warm_at else None
            return 0
        seconds, trained = now - self._started[0], epochs - self._started[1]
        if seconds < LEAST_SECONDS or trained < EPOCHS_A_WORKER * self.total or self.ended:
            return 0
        if not self._pays(trained / seconds):
            self.limit = self.workers
            return 0
        self.limit = min(self.limit, count_fitting(self.workers))
        added = max(0, min(self.workers, self.limit - self.workers))
        self.workers += added
        self._warm_at = self._started = None
        return added

    def _pays(self, rate: float) -> bool:
        """Return whether the workers that were added last brought enough."""
        self._first = self._first or rate / self.total
        before, self._last = self._last, (rate, self.total)
        return before is None or rate - before[0] >= LEAST_GAIN * self._first * (self.total - before[1])
