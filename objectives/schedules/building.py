"""The learning rates of a schedule over a training run, after a warm-up or as they were in a recorded run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from inspect import signature
from typing import Any

from objectives.base.errors import ObjectiveError
from objectives.base.registry import as_choice, resolve
from objectives.schedules.catalogue import SCHEDULES, ScheduleEntry
from objectives.schedules.plateau import PlateauRates
from objectives.schedules.rates import Rates, ScheduledRates, State
from spaces import Choice


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

    def observe(self, loss: float, accuracy: float) -> None:
        self.rates.observe(loss, accuracy)

    def state(self) -> dict[str, float]:
        return self.rates.state()

    def restore(self, state: State) -> None:
        self.rates.restore(state)


@dataclass(frozen=True, kw_only=True)
class ReplayedRates:
    """The rates of a recorded run whose schedule looked at the metrics: they see that run's metrics again.

    values: what it looked at (losses or accuracies), at least one for each epoch that is trained now.
    """

    rates: Rates
    values: Sequence[float]

    def at(self, epoch: int, fraction: float) -> float:
        return self.rates.at(epoch, fraction)

    def momentum(self, epoch: int, fraction: float) -> float | None:
        return self.rates.momentum(epoch, fraction)

    def has_dip(self, epoch: int, start: float, end: float) -> bool:
        return self.rates.has_dip(epoch, start, end)

    def observe(self, loss: float, accuracy: float) -> None:
        value = self.values[int(self.rates.state()["seen"])]
        self.rates.observe(value, value)

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
    defaults = {name: option.default for name, option in signature(entry.factor).parameters.items()}
    named = {name: options.get(name, defaults[name]) for name in entry.space.domains}
    return PlateauRates(**named, skipped=skipped, initial=initial, epochs=epochs)
