"""Learning rates over a training run: computed from a schedule, or replayed from a recorded run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from objectives.core.registry import build, look_up
from objectives.schedules.catalogue import SCHEDULES, ScheduleEntry
from spaces import Choice


class Rates(Protocol):
    """What the training loop asks: the learning rate now, and here is how the epoch went."""

    def at(self, epoch: int, fraction: float) -> float:
        """The learning rate after `fraction` (0 to 1) of the 0-based `epoch`."""

    def observe(self, loss: float) -> None:
        """Take note of an epoch's validation loss."""


@dataclass(frozen=True, kw_only=True)
class Scheduled:
    """A pure schedule: learning rate = `initial` times the schedule's factor, over `epochs` epochs."""

    entry: ScheduleEntry
    choice: Choice
    initial: float
    epochs: int

    def at(self, epoch: int, fraction: float) -> float:
        time = epoch + (fraction if self.entry.interval == "step" else 0.0)
        return self.initial * build(self.entry.factor, self.choice, "schedule", time, self.epochs)

    def observe(self, loss: float) -> None:
        """A pure schedule does not look."""


@dataclass(kw_only=True)
class Plateau:
    """The schedule that looks: a reduction after `patience` epochs without a lower validation loss."""

    entry: ScheduleEntry
    choice: Choice
    initial: float
    epochs: int
    best: float = field(default=math.inf, init=False)
    waited: int = field(default=0, init=False)
    reductions: int = field(default=0, init=False)

    def at(self, epoch: int, fraction: float) -> float:
        return self.initial * build(self.entry.factor, self.choice, "schedule", self.reductions, self.epochs)

    def observe(self, loss: float) -> None:
        self.waited = 0 if loss < self.best else self.waited + 1
        self.best = min(self.best, loss)
        if self.waited >= int(self.choice.options.get("patience", 2)):
            self.reductions += 1
            self.waited = 0


@dataclass(frozen=True)
class Replayed:
    """A recorded run's learning rates: for each epoch those at its start and end, linear in between.

    Within an epoch every schedule is constant or nearly linear, so that two numbers an epoch are enough to
    train again on another number of examples.
    """

    trace: Sequence[tuple[float, float]]

    def at(self, epoch: int, fraction: float) -> float:
        first, last = self.trace[epoch]
        return first + (last - first) * fraction

    def observe(self, loss: float) -> None:
        """What is recorded does not change."""


def rates_for(schedule: Choice, initial: float, epochs: int) -> Rates:
    """The learning rates of a schedule choice from `initial`, over `epochs` epochs.

    Raises:
        ObjectiveError: unknown schedule or option.
    """
    entry = look_up(SCHEDULES, schedule.name, "schedule")
    kind = Plateau if entry.needs_metric else Scheduled
    rates: Rates = kind(entry=entry, choice=schedule, initial=initial, epochs=epochs)
    rates.at(0, 0.0)  # an unknown option is refused here
    return rates
