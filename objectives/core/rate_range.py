"""What a learning-rate range test tells (Smith 2017): where the loss falls fastest, and where it rises again.

All of it are pure functions of the losses that a ramp of learning rates gave.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SPANS = 40
"""Into how many spans a ramp is divided: losses are smoothed over one, slopes taken over two."""
BEGUN = 0.1
"""The share of the whole fall that must be behind for the fall to have begun; a slope before it is noise."""
HIGHEST = 4.0
"""Losses above this multiple of the first one count as this much, so that one of them does not hide the others."""
SMALLEST_GAIN = 0.02
"""The share of the first loss that it must fall by at least: less than that is noise."""
BELOW_BLOW_UP = 2.0
BELOW_STEEPEST = 10.0


@dataclass(frozen=True, kw_only=True)
class RateRange:
    """A ramp's losses and what they tell; rates ascend, a loss is that of the next batch after a step at its rate."""

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    """The training loss, penalties included, in nats."""
    smoothed: tuple[float, ...]
    """The losses, smoothed, none above four times the first one."""
    steepest: float | None
    """The rate at which the smoothed loss falls fastest; None if it does not fall."""
    lowest: float | None
    """The rate at which the smoothed loss is lowest; None if it does not fall."""
    blow_up: float | None
    """The rate at which half of what the loss had fallen by is lost again; None if the ramp ends before."""

    @property
    def proposed(self) -> tuple[float, float] | None:
        """A range to search, from a tenth of the steepest rate to the lowest one, and at most half of the blow-up."""
        if self.steepest is None or self.lowest is None:
            return None
        high = min(self.lowest, math.inf if self.blow_up is None else self.blow_up / BELOW_BLOW_UP)
        low = min(self.steepest, high) / BELOW_STEEPEST
        return _round(low), _round(high)


def space_rates(low: float, high: float, steps: int) -> tuple[float, ...]:
    """Return `steps` rates from low to high, each the same multiple of the one before."""
    return tuple(float(rate) for rate in np.geomspace(low, high, steps))


def read_ramp(first: float, rates: Sequence[float], losses: Sequence[float]) -> RateRange:
    """Return what a ramp tells.

    first: the loss before the first step. losses: those after the step at each rate; there may be fewer of them than
    rates, and any may be infinite or NaN.
    """
    rates = tuple(rates[: len(losses)])
    smoothed = smooth(first, losses)
    start = max(float(smoothed[0]), first)
    bottom = int(np.argmin(smoothed))
    gain = start - float(smoothed[bottom])
    falls = bottom > 0 and gain >= SMALLEST_GAIN * start
    risen = np.flatnonzero(smoothed[bottom:] > smoothed[bottom] + (gain / 2 if falls else start))
    return RateRange(
        rates=rates,
        losses=tuple(losses),
        smoothed=tuple(float(loss) for loss in smoothed),
        steepest=rates[_find_steepest(smoothed[: bottom + 1], start - BEGUN * gain)] if falls else None,
        lowest=rates[bottom] if falls else None,
        blow_up=rates[bottom + int(risen[0])] if len(risen) else None,
    )


def smooth(first: float, losses: Sequence[float]) -> NDArray[np.float64]:
    """Return exponential means of the losses from the left and from the right, averaged, so that nothing is late."""
    highest = HIGHEST * first
    clipped = [min(loss, highest) if math.isfinite(loss) else highest for loss in losses]
    weight = 1 / (1 + len(losses) / SPANS)
    return (_average(clipped, weight) + _average(clipped[::-1], weight)[::-1]) / 2


def _average(losses: Sequence[float], weight: float) -> NDArray[np.float64]:
    """Return the exponential means so far, corrected for their start (Kingma & Ba 2015, section 3)."""
    mean, found = 0.0, []
    for count, loss in enumerate(losses, start=1):
        mean += weight * (loss - mean)
        found.append(mean / (1 - (1 - weight) ** count))
    return np.array(found)


def _find_steepest(falling: NDArray[np.float64], begun: float) -> int:
    """Return the step of the steepest fall; rates are equally far apart on their logarithmic scale."""
    span = max(1, len(falling) // SPANS)
    padded = np.pad(falling, span, mode="edge")
    slopes = padded[2 * span :] - padded[: -2 * span]
    return int(np.argmin(np.where(falling <= begun, slopes, np.inf)))


def _round(rate: float) -> float:
    return float(f"{rate:.1e}")
