"""Learning rates over a training run, as the training loop sees them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from objectives.schedules.factors import ROUNDING

State = Mapping[str, float]


class Rates(Protocol):
    """The learning rates of one training run, as the training loop sees them.

    Only a schedule that looks at the validation metrics has a state; any other can start at any epoch.
    """

    def at(self, epoch: int, fraction: float) -> float:
        """Return the learning rate after `fraction` (0 to 1) of the 0-based `epoch`."""

    def momentum(self, epoch: int, fraction: float) -> float | None:
        """Return the momentum at that time, or None if the schedule does not change it."""

    def has_dip(self, epoch: int, start: float, end: float) -> bool:
        """Return whether a dip lies after `start` and no later than `end`, both fractions of the epoch."""

    def observe(self, loss: float, accuracy: float) -> None:
        """Take note of an epoch's validation loss and accuracy; called once per epoch."""

    def state(self) -> dict[str, float]:
        """Return what has been observed, as plain finite numbers for a checkpoint; empty if nothing matters."""

    def restore(self, state: State) -> None:
        """Continue from what `state` returned."""


class StatelessRates:
    """Rates that do not depend on how the training goes."""

    def observe(self, loss: float, accuracy: float) -> None:
        """Do nothing."""

    def state(self) -> dict[str, float]:
        """Return an empty state."""
        return {}

    def restore(self, state: State) -> None:
        """Do nothing."""


@dataclass(frozen=True, kw_only=True)
class ScheduledRates(StatelessRates):
    """A pure schedule: learning rate = `initial` times the schedule's factor, over `epochs` epochs."""

    factor: Callable[[float, float], float]
    momenta: Callable[[float, float], float] | None = None
    dip_times: tuple[float, ...] = ()
    every_step: bool = False
    initial: float
    epochs: int

    def at(self, epoch: int, fraction: float) -> float:
        return self.initial * self.factor(self._time(epoch, fraction), self.epochs)

    def momentum(self, epoch: int, fraction: float) -> float | None:
        return None if self.momenta is None else self.momenta(self._time(epoch, fraction), self.epochs)

    def has_dip(self, epoch: int, start: float, end: float) -> bool:
        slack = ROUNDING * self.epochs
        return any(epoch + start < time - slack <= epoch + end for time in self.dip_times)

    def _time(self, epoch: int, fraction: float) -> float:
        return epoch + (fraction if self.every_step else 0.0)
