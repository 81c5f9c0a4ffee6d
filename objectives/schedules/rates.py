"""Learning rates over a training run: computed from a schedule, or from the losses of a recorded run."""

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
    """The learning rates of one training run, as the training loop sees them.

    Only a schedule that looks at the loss has a state; any other can start at any epoch.
    """

    def at(self, epoch: int, fraction: float) -> float:
        """Return the learning rate after `fraction` (0 to 1) of the 0-based `epoch`."""

    def momentum(self, epoch: int, fraction: float) -> float | None:
        """Return the momentum at that time, or None if the schedule does not change it."""

    def has_dip(self, epoch: int, start: float, end: float) -> bool:
        """Return whether a dip lies after `start` and no later than `end`, both fractions of the epoch."""

    def observe(self, loss: float) -> None:
        """Take note of an epoch's validation loss; called once per epoch."""

    def state(self) -> dict[str, float]:
        """Return what has been observed, as plain finite numbers for a checkpoint; empty if nothing matters."""

    def restore(self, state: State) -> None:
        """Continue from what `state` returned."""


class StatelessRates:
    """Rates that do not depend on how the training goes."""

    def observe(self, loss: float) -> None:
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


@dataclass(kw_only=True)
class PlateauRates:
    """The schedule that looks at the loss: one reduction after every `patience` epochs without improvement.

    A validation loss is an improvement if it is lower than the best so far by more than the share `threshold` of
    it. The first `skipped` epochs do not count.
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

    def has_dip(self, epoch: int, start: float, end: float) -> bool:
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
class WarmedUpRates:
    """Rates that follow a warm-up: `epochs` epochs of a linear rise from `start` times their first value to it."""

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

    def has_dip(self, epoch: int, start: float, end: float) -> bool:
        return self.rates.has_dip(epoch - self.epochs, start, end)

    def observe(self, loss: float) -> None:
        self.rates.observe(loss)

    def state(self) -> dict[str, float]:
        return self.rates.state()

    def restore(self, state: State) -> None:
        self.rates.restore(state)


@dataclass(frozen=True, kw_only=True)
class ReplayedRates:
    """The rates of a recorded run whose schedule looked at the loss: they see that run's losses again.

    losses: the recorded run's validation losses, at least one for each epoch that is trained now.
    """

    rates: Rates
    losses: Sequence[float]

    def at(self, epoch: int, fraction: float) -> float:
        return self.rates.at(epoch, fraction)

    def momentum(self, epoch: int, fraction: float) -> float | None:
        return self.rates.momentum(epoch, fraction)

    def has_dip(self, epoch: int, start: float, end: float) -> bool:
        return self.rates.has_dip(epoch, start, end)

    def observe(self, loss: float) -> None:
        self.rates.observe(self.losses[int(self.rates.state()["seen"])])

    def state(self) -> dict[str, float]:
        return self.rates.state()

    def restore(self, state: State) -> None:
        self.rates.restore(state)


def build_rates(
    schedule: Choice | str, initial: float, epochs: int, *, warmup_epochs: int = 0, warmup_start: float = 0.1
) -> Rates:
    """Return the learning rates of a schedule from (or up to) `initial`, over `epochs` epochs.

    Over the first `warmup_epochs` the rate rises linearly from `warmup_start` times the schedule's first learning
    rate to that rate; the schedule spans the rest.

    Raises:
        ObjectiveError: unknown schedule or option, a value beyond its limits, no epoch left after the warm-up, or
            more dips than fit.
    """
    entry, options = resolve(SCHEDULES, as_choice(schedule), "schedule")
    if 0 < warmup_epochs >= epochs:
        raise ObjectiveError(
            f"warmup_epochs must be below the epochs, but got warmup_epochs={warmup_epochs}, epochs={epochs}; "
            "lower warmup_epochs or raise the epochs"
        )
    left = epochs - warmup_epochs
    rates = (
        _build_plateau(entry, options, initial, left, skipped=warmup_epochs)
        if entry.needs_metric
        else _build_scheduled(entry, options, initial, left)
    )
    return WarmedUpRates(rates=rates, epochs=warmup_epochs, start=warmup_start) if warmup_epochs else rates


def _build_scheduled(entry: ScheduleEntry, options: dict[str, Any], initial: float, epochs: int) -> Rates:
    return ScheduledRates(
        factor=partial(entry.factor, **options),
        momenta=partial(entry.momentum, **options) if entry.momentum else None,
        dip_times=entry.dips(epochs, **options) if entry.dips else (),
        every_step=entry.interval == "step",
        initial=initial,
        epochs=epochs,
    )


def _build_plateau(
    entry: ScheduleEntry, options: dict[str, Any], initial: float, epochs: int, *, skipped: int
) -> Rates:
    return PlateauRates(
        factor=partial(entry.factor, **options),
        patience=options.get("patience", PATIENCE),
        threshold=options.get("threshold", THRESHOLD),
        skipped=skipped,
        initial=initial,
        epochs=epochs,
    )
