"""The rates of one epoch as tables, a row for each batch."""

from __future__ import annotations

from dataclasses import dataclass

from objectives.schedules.rates import Rates


@dataclass(frozen=True, kw_only=True)
class EpochRates:
    """What the optimizer gets at each of an epoch's S batches.

    learning_rates: S numbers, the freeze's factor included. momenta: S numbers; None if the schedule leaves the
    momentum alone.
    """

    learning_rates: tuple[float, ...]
    momenta: tuple[float, ...] | None


def tabulate_epoch(rates: Rates, epoch: int, steps: int, factor: float) -> EpochRates:
    """Return the rates of a 0-based epoch of `steps` batches; `factor` multiplies the learning rates.

    A batch has the rates of the moment at which it begins.
    """
    starts = [step / steps for step in range(steps)]
    momenta = tuple(momentum for start in starts if (momentum := rates.momentum(epoch, start)) is not None)
    return EpochRates(
        learning_rates=tuple(rates.at(epoch, start) * factor for start in starts),
        momenta=momenta or None,
    )
