"""Schedules as pure functions: what the initial learning rate is multiplied by, t epochs into a training of T.

`t` may be any real number from 0 to T where the schedule moves within an epoch. The functions of one schedule
(factor, momentum, times of dips) take the same options.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from objectives.base.errors import ObjectiveError

# Times that differ by less than this share of T are the same: sums of shares of T are rarely whole.
ROUNDING = 1e-9

# Defaults of `plateau`; objectives.schedules.rates.PlateauRates keeps its state.
PATIENCE = 2
THRESHOLD = 1e-4


def constant(t: float, total: float) -> float:
    """1 at every time."""
    return 1.0


def exponential(t: float, total: float, *, final_fraction: float = 0.01) -> float:
    """gamma^t with gamma = final_fraction^(1/T): falls from 1 to `final_fraction` over T epochs."""
    return float(final_fraction ** (t / total))


def step(t: float, total: float, *, gamma: float = 0.3, drops: int = 2) -> float:
    """gamma^floor(t/S) with S = T/(drops+1): `drops` equal drops in T epochs."""
    return float(gamma ** math.floor(t * (drops + 1) / total))


def cosine(t: float, total: float, *, final_fraction: float = 0.0) -> float:
    """final + (1 - final)(1 + cos(pi t/T))/2 (Loshchilov & Hutter 2017, without restarts)."""
    return final_fraction + (1 - final_fraction) * (1 + math.cos(math.pi * t / total)) / 2


def cosine_end(total: float, *, final_fraction: float = 0.0) -> tuple[float, ...]:
    """The one dip of `cosine`, T."""
    return (total,)


def cosine_dips(t: float, total: float, *, dips: int = 2, final_fraction: float = 0.0) -> float:
    """The cosine carried on, down and up, with its half wave T/(2 dips - 1): `dips` dips, the last at T."""
    return cosine(t, total / (2 * dips - 1), final_fraction=final_fraction)


def cosine_dip_times(total: float, *, dips: int = 2, final_fraction: float = 0.0) -> tuple[float, ...]:
    """The dips of `cosine_dips`: every second end of a half wave.

    Raises:
        ObjectiveError: more than one dip in four epochs; a single one is always allowed.
    """
    if dips > max(1.0, total / 4):
        raise ObjectiveError(
            f"schedule 'cosine_dips' has at most one dip in four epochs, but got dips={dips} in {total:g} epochs; "
            f"use dips={max(1, int(total // 4))} at most, or {4 * dips} epochs"
        )
    return tuple(total * (2 * index + 1) / (2 * dips - 1) for index in range(dips))


def cosine_restarts(
    t: float, total: float, *, first_cycle: float = 0.5, t_mult: int = 1, final_fraction: float = 0.0
) -> float:
    """The cosine begun anew after T_0, then T_0 t_mult, ... epochs, T_0 = first_cycle T (SGDR).

    At a restart it is 1, at T the end of a cycle.
    """
    cycles = list(_cycles(total, first_cycle, t_mult))
    start, end = next((cycle for cycle in cycles if t < cycle[1] - ROUNDING * total), cycles[-1])
    return cosine(min(max(t, start), end) - start, end - start, final_fraction=final_fraction)


def cosine_cycle_ends(
    total: float, *, first_cycle: float = 0.5, t_mult: int = 1, final_fraction: float = 0.0
) -> tuple[float, ...]:
    """The dips of `cosine_restarts`: the end of every cycle that ends by T."""
    ends = (end for _, end in _cycles(total, first_cycle, t_mult))
    return tuple(min(end, total) for end in ends if end <= total * (1 + ROUNDING))


def _cycles(total: float, first_cycle: float, t_mult: int) -> Iterator[tuple[float, float]]:
    """Start and end of every cycle that starts before T."""
    start, length = 0.0, first_cycle * total
    while start < total * (1 - ROUNDING):
        yield start, start + length
        start, length = start + length, length * t_mult


def plateau(
    reductions: float, total: float, *, factor: float = 0.3, patience: int = PATIENCE, threshold: float = THRESHOLD
) -> float:
    """factor^reductions, where the validation loss has `reductions` times gone `patience` epochs unimproved."""
    return float(factor**reductions)


def one_cycle(t: float, total: float, *, final_share: float = 0.1, final_fraction: float = 0.01) -> float:
    """Linear from 1/10 to 1 and back again, then on to final_fraction/10 (Smith 2018).

    The last part takes `final_share` of T, up and down half of the rest each.
    """
    half = _half(total, final_share)
    if t <= 2 * half:
        return 1 - 0.9 * abs(t - half) / half
    return 0.1 * (1 - (1 - final_fraction) * (t - 2 * half) / (total - 2 * half))


def one_cycle_momentum(t: float, total: float, *, final_share: float = 0.1, final_fraction: float = 0.01) -> float:
    """Linear from 0.95 to 0.85 and back while the learning rate rises and falls, 0.95 from there on."""
    half = _half(total, final_share)
    return 0.85 + 0.1 * min(abs(t - half) / half, 1.0)


def _half(total: float, final_share: float) -> float:
    return total * (1 - final_share) / 2
