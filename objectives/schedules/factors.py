"""Schedules as pure functions: the factor of the initial learning rate after t of T epochs.

`t` is any real number from 0 to T if the schedule changes within an epoch. The functions of one schedule (factor,
momentum, times of dips) take the same options.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from objectives.base.errors import ObjectiveError

# Times that differ by less than this fraction of T are equal: sums of fractions of T are rarely exact.
ROUNDING = 1e-9

# Defaults of `plateau`; objectives.schedules.rates.PlateauRates keeps its state.
PATIENCE = 2
THRESHOLD = 1e-4


def constant(t: float, total: float) -> float:
    """Return 1 at every time."""
    return 1.0


def exponential(t: float, total: float, *, final_fraction: float = 0.01) -> float:
    """Return gamma^t with gamma = final_fraction^(1/T): it falls from 1 to `final_fraction` over T epochs."""
    return float(final_fraction ** (t / total))


def step(t: float, total: float, *, gamma: float = 0.3, drops: int = 2) -> float:
    """Return gamma^floor(t/S) with S = T/(drops+1): `drops` drops by the same factor in T epochs."""
    return float(gamma ** math.floor(t * (drops + 1) / total))


def cosine(t: float, total: float, *, final_fraction: float = 0.0) -> float:
    """Return final + (1 - final)(1 + cos(pi t/T))/2 (Loshchilov & Hutter 2017, without restarts)."""
    return final_fraction + (1 - final_fraction) * (1 + math.cos(math.pi * t / total)) / 2


def cosine_end(total: float, *, final_fraction: float = 0.0) -> tuple[float, ...]:
    """Return the only dip of `cosine`, T."""
    return (total,)


def cosine_dips(t: float, total: float, *, dips: int = 2, final_fraction: float = 0.0) -> float:
    """Return a cosine wave whose half period is T/(2 dips - 1): it has `dips` dips, the last one at T."""
    return cosine(t, total / (2 * dips - 1), final_fraction=final_fraction)


def cosine_dip_times(total: float, *, dips: int = 2, final_fraction: float = 0.0) -> tuple[float, ...]:
    """Return the dips of `cosine_dips`: every second end of a half wave.

    Raises:
        ObjectiveError: there is more than one dip per four epochs; a single one is always allowed.
    """
    if dips > max(1.0, total / 4):
        raise ObjectiveError(
            f"schedule 'cosine_dips' needs four epochs per dip, but got dips={dips} in {total:g} epochs; "
            f"use dips={max(1, int(total // 4))} at most, or {4 * dips} epochs"
        )
    return tuple(total * (2 * index + 1) / (2 * dips - 1) for index in range(dips))


def cosine_restarts(
    t: float, total: float, *, first_cycle: float = 0.5, t_mult: int = 1, final_fraction: float = 0.0
) -> float:
    """Return a cosine that restarts after cycles of T_0, T_0 t_mult, ... epochs, T_0 = first_cycle T (SGDR).

    At a restart the factor is 1; at T it has the value of a cycle's end.
    """
    cycles = list(_cycles(total, first_cycle, t_mult))
    start, end = next((cycle for cycle in cycles if t < cycle[1] - ROUNDING * total), cycles[-1])
    return cosine(min(max(t, start), end) - start, end - start, final_fraction=final_fraction)


def cosine_cycle_ends(
    total: float, *, first_cycle: float = 0.5, t_mult: int = 1, final_fraction: float = 0.0
) -> tuple[float, ...]:
    """Return the dips of `cosine_restarts`: the end of every cycle that ends by T."""
    ends = (end for _, end in _cycles(total, first_cycle, t_mult))
    return tuple(min(end, total) for end in ends if end <= total * (1 + ROUNDING))


def _cycles(total: float, first_cycle: float, t_mult: int) -> Iterator[tuple[float, float]]:
    """Yield the start and end of every cycle that starts before T."""
    start, length = 0.0, first_cycle * total
    while start < total * (1 - ROUNDING):
        yield start, start + length
        start, length = start + length, length * t_mult


def plateau(
    reductions: float, total: float, *, factor: float = 0.3, patience: int = PATIENCE, threshold: float = THRESHOLD
) -> float:
    """Return factor^reductions; `reductions` counts the times that `patience` epochs brought no improvement."""
    return float(factor**reductions)


def one_cycle(t: float, total: float, *, final_share: float = 0.1, final_fraction: float = 0.01) -> float:
    """Return a factor that is linear from 1/10 to 1 and back, then down to final_fraction/10 (Smith 2018).

    The last part takes `final_share` of T; the rise and the fall each take half of the rest.
    """
    half = _half(total, final_share)
    if t <= 2 * half:
        return 1 - 0.9 * abs(t - half) / half
    return 0.1 * (1 - (1 - final_fraction) * (t - 2 * half) / (total - 2 * half))


def one_cycle_momentum(t: float, total: float, *, final_share: float = 0.1, final_fraction: float = 0.01) -> float:
    """Return a momentum that is linear from 0.95 to 0.85 and back while the rate rises and falls, then 0.95."""
    half = _half(total, final_share)
    return 0.85 + 0.1 * min(abs(t - half) / half, 1.0)


def _half(total: float, final_share: float) -> float:
    return total * (1 - final_share) / 2
