"""Learning rates over a training run: computed from a schedule, or replayed from a recorded run."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

from objectives.base.errors import ObjectiveError
from objectives.base.registry import as_choice, resolve
from objectives.schedules.catalogue import SCHEDULES, ScheduleEntry
from objectives.schedules.factors import PATIENCE, ROUNDING, THRESHOLD
from spaces import Choice

State = Mapping[str, float]


class Rates(Protocol):
    """What the training loop asks: the learning rate now, and here is how the epoch went.

    Only a schedule that looks at the loss has a state; any other goes on from any epoch.
    """

    def at(self, epoch: int, fraction: float) -> float:
        """The learning rate after `fraction` (0 to 1) of the 0-based `epoch`."""

    def momentum(self, epoch: int, fraction: float) -> float | None:
        """The momentum then; None where the schedule leaves it alone."""

    def dips(self, epoch: int, start: float, end: float) -> bool:
        """Whether the learning rate has a dip after `start` and no later than `end`, fractions of the epoch."""

    def observe(self, loss: float) -> None:
        """Take note of an epoch's validation loss, once an epoch."""

    def state(self) -> dict[str, float]:
        """What has been observed, as plain finite numbers for a checkpoint; empty where nothing matters."""

    def restore(self, state: State) -> None:
        """Go on from what `state` returned."""


class Stateless:
    """Rates that do not depend on how the training goes."""

    def observe(self, loss: float) -> None:
        """Nothing depends on it."""

    def state(self) -> dict[str, float]:
        """There is none."""
        return {}

    def restore(self, state: State) -> None:
        """There is none."""


@dataclass(frozen=True, kw_only=True)
class Scheduled(Stateless):
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

    def dips(self, epoch: int, start: float, end: float) -> bool:
        slack = ROUNDING * self.epochs
        return any(epoch + start < time - slack <= epoch + end for time in self.dip_times)

    def _time(self, epoch: int, fraction: float) -> float:
        return epoch + (fraction if self.every_step else 0.0)


@dataclass(kw_only=True)
class Plateau:
    """The schedule that looks: a reduction after `patience` epochs without a lower validation loss.

    Lower is lower by more than the share `threshold` of the best so far; the first `skipped` epochs do not count.
    """

    factor: Callable[[float, float], float]
    patience: int
    threshold: float
    skipped: int
    initial: float
    epochs: int
    seen: int = field(default=0, init=False)
    best: float = field(default=math.inf, init=False)
    waited: int = field(default=0, init=False)
    reductions: int = field(default=0, init=False)

    def at(self, epoch: int, fraction: float) -> float:
        return self.initial * self.factor(self.reductions, self.epochs)

    def momentum(self, epoch: int, fraction: float) -> float | None:
        return None

    def dips(self, epoch: int, start: float, end: float) -> bool:
        return False

    def observe(self, loss: float) -> None:
        self.seen += 1
        if self.seen <= self.skipped:
            return
        if loss < self.best * (1 - self.threshold):
            self.best, self.waited = loss, 0
        else:
            self.waited += 1
        if self.waited >= self.patience:
            self.reductions, self.waited = self.reductions + 1, 0

    def state(self) -> dict[str, float]:
        best = {"best": self.best} if math.isfinite(self.best) else {}
        return {"seen": self.seen, "waited": self.waited, "reductions": self.reductions, **best}

    def restore(self, state: State) -> None:
        self.seen, self.waited, self.reductions = (int(state[name]) for name in ("seen", "waited", "reductions"))
        self.best = state.get("best", math.inf)


@dataclass(frozen=True, kw_only=True)
class WarmedUp:
    """Rates that come after `epochs` epochs of a linear rise, from the share `start` of their first one to it."""

    rates: Rates
    epochs: int
    start: float

    def at(self, epoch: int, fraction: float) -> float:
        if epoch >= self.epochs:
            return self.rates.at(epoch - self.epochs, fraction)
        done = (epoch + fraction) / self.epochs
        return self.rates.at(0, 0.0) * (self.start + (1 - self.start) * done)

    def momentum(self, epoch: int, fraction: float) -> float | None:
        warm = epoch >= self.epochs
        return self.rates.momentum(epoch - self.epochs, fraction) if warm else self.rates.momentum(0, 0.0)

    def dips(self, epoch: int, start: float, end: float) -> bool:
        return self.rates.dips(epoch - self.epochs, start, end)

    def observe(self, loss: float) -> None:
        self.rates.observe(loss)

    def state(self) -> dict[str, float]:
        return self.rates.state()

    def restore(self, state: State) -> None:
        self.rates.restore(state)


@dataclass(frozen=True)
class Replayed(Stateless):
    """A recorded run's learning rates: for each epoch those at its start and end, linear in between.

    That is exact for `plateau`, with a warm-up or without: the one schedule that cannot be computed.
    """

    trace: Sequence[tuple[float, float]]

    def at(self, epoch: int, fraction: float) -> float:
        first, last = self.trace[epoch]
        return first + (last - first) * fraction

    def momentum(self, epoch: int, fraction: float) -> float | None:
        return None

    def dips(self, epoch: int, start: float, end: float) -> bool:
        return False


def rates_for(
    schedule: Choice | str, initial: float, epochs: int, *, warmup_epochs: int = 0, warmup_start: float = 0.1
) -> Rates:
    """The learning rates of a schedule from (or up to) `initial`, over `epochs` epochs.

    The first `warmup_epochs` of them rise linearly from `warmup_start` times the schedule's first learning rate to
    that; the schedule takes the rest.

    Raises:
        ObjectiveError: unknown schedule or option, a value beyond its limits, nothing left after the warm-up, or
            more dips than fit.
    """
    entry, options = resolve(SCHEDULES, as_choice(schedule), "schedule")
    if 0 < warmup_epochs >= epochs:
        raise ObjectiveError(
            f"warmup_epochs must be below the epochs, but got warmup_epochs={warmup_epochs}, epochs={epochs}; "
            "lower the one or raise the other"
        )
    left = epochs - warmup_epochs
    rates = (
        _plateau(entry, options, initial, left, skipped=warmup_epochs)
        if entry.needs_metric
        else _scheduled(entry, options, initial, left)
    )
    return WarmedUp(rates=rates, epochs=warmup_epochs, start=warmup_start) if warmup_epochs else rates


def _scheduled(entry: ScheduleEntry, options: dict[str, Any], initial: float, epochs: int) -> Rates:
    return Scheduled(
        factor=partial(entry.factor, **options),
        momenta=partial(entry.momentum, **options) if entry.momentum else None,
        dip_times=entry.dips(epochs, **options) if entry.dips else (),
        every_step=entry.interval == "step",
        initial=initial,
        epochs=epochs,
    )


def _plateau(entry: ScheduleEntry, options: dict[str, Any], initial: float, epochs: int, *, skipped: int) -> Rates:
    return Plateau(
        factor=partial(entry.factor, **options),
        patience=options.get("patience", PATIENCE),
        threshold=options.get("threshold", THRESHOLD),
        skipped=skipped,
        initial=initial,
        epochs=epochs,
    )
