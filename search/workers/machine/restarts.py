"""When workers that died are started again, and when a device on which they keep dying is given up."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

DEATHS_THAT_STOP = 5


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How long a worker that has died waits, and how many deaths are too many."""

    seconds: float = 1.0
    """The wait after the second death in a row; none after the first, and twice as long with each further one."""
    longest: float = 60.0
    """The longest wait, in seconds."""
    deaths: int = DEATHS_THAT_STOP
    """This number of deaths per worker of a device, without an epoch trained on it between them, gives it up."""

    def wait_after(self, deaths: int) -> float:
        """Return the seconds to wait after this number of deaths in a row, 1 or more."""
        return 0.0 if deaths < 2 else float(min(self.longest, self.seconds * 2.0 ** min(deaths - 2, 30)))


class Restarts:
    """Keeps count of workers' deaths, by worker and by place: the device, or devices, that it shares with others."""

    def __init__(
        self, places: Sequence[str], patience: Patience | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Begin without a death.

        Args:
            places: Each worker's place.
            patience: How long to wait, and when to give up.
            clock: Seconds that never go back.
        """
        self._places = [*places]
        self._patience = patience or Patience()
        self._clock = clock
        self._deaths: Counter[int] = Counter()
        self._deaths_at: Counter[str] = Counter()
        self._due: dict[int, float] = {}
        self._given_up: dict[str, int] = {}

    @property
    def waiting(self) -> bool:
        """Whether a worker is to be started again."""
        return bool(self._due)

    @property
    def places(self) -> list[str]:
        """The places in use."""
        return [place for place in dict.fromkeys(self._places) if place not in self._given_up]

    @property
    def given_up(self) -> dict[str, int]:
        """The deaths that gave up each of the other places."""
        return dict(self._given_up)

    def add(self, place: str) -> None:
        """Take note of one more worker, the next in number."""
        self._places.append(place)

    def note_epoch(self, worker: int) -> None:
        """Take note that a worker has trained an epoch: it and its place are well."""
        self._deaths[worker] = self._deaths_at[self._places[worker]] = 0

    def note_death(self, worker: int, *, counts: bool = True) -> bool:
        """Let a worker that has died be started again after a wait, unless its place is given up.

        counts: whether the death may be its device's fault; otherwise the worker starts again at once.

        Returns:
            Whether this death gives the place up.
        """
        place = self._places[worker]
        if place in self._given_up:
            return False
        self._due[worker] = self._clock()
        if not counts:
            return False
        self._deaths[worker] += 1
        self._deaths_at[place] += 1
        self._due[worker] += self._patience.wait_after(self._deaths[worker])
        if self._deaths_at[place] < self._patience.deaths * self._places.count(place):
            return False
        self._given_up[place] = self._deaths_at[place]
        self._due = {index: due for index, due in self._due.items() if self._places[index] != place}
        return True

    def take_due(self) -> list[int]:
        """Return the workers whose wait is over; they wait no longer."""
        now = self._clock()
        over = [worker for worker, due in self._due.items() if due <= now]
        for worker in over:
            del self._due[worker]
        return over

    def hurry(self) -> None:
        """Let all that wait start now."""
        self._due = dict.fromkeys(self._due, self._clock())
