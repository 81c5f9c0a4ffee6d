"""Schedules as pure functions: the factor of the initial learning rate after t of T epochs.

`t` is any real number from 0 to T if the schedule changes within an epoch. The functions of one schedule (factor,
momentum, times of dips) take the same options.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping

from objectives.base.errors import ObjectiveError

# Times that differ by less than this fraction of T are equal: sums of fractions of T are rarely exact.
ROUNDING = 1e-9

# Defaults of `plateau`; objectives.schedules.plateau.PlateauRates keeps its state.
MODE = "loss"
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


def polynomial(t: float, total: float, *, power: float = 1.0, final_fraction: float = 0.0) -> float:
    """Return final + (1 - final)(1 - t/T)^power; a straight line for a power of 1."""
    return final_fraction + (1 - final_fraction) * float((1 - min(t / total, 1.0)) ** power)


def inverse_time(t: float, total: float, *, power: float = 1.0, final_fraction: float = 0.01) -> float:
    """Return 1/(1 + t/s)^power with the s for which it is `final_fraction` at T; "power scheduling" in textbooks."""
    return float((1 + (final_fraction ** (-1 / power) - 1) * t / total) ** -power)


def cyclic(t: float, total: float, *, cycles: int = 2, base_fraction: float = 0.1, shrink: float = 1.0) -> float:
    """Return triangles from `base_fraction` up to a peak and back, `cycles` times in T (Smith 2017).

    The height of the triangle, 1 - base_fraction at first, is multiplied by `shrink` after every cycle.
    """
    cycle, phase = divmod(min(t / total, 1.0) * cycles, 1.0)
    return base_fraction + (1 - base_fraction) * float(shrink**cycle) * (1 - abs(2 * phase - 1))


def cyclic_lows(total: float, *, cycles: int = 2, base_fraction: float = 0.1, shrink: float = 1.0) -> tuple[float, ...]:
    """Return the dips of `cyclic`: the end of every cycle."""
    return tuple(total * (index + 1) / cycles for index in range(cycles))


def cosine_restarts(t: float, total: float, *, cycles: int = 2, t_mult: int = 1, final_fraction: float = 0.0) -> float:
    """Return a cosine that restarts after cycles of T_0, T_0 t_mult, ... epochs (SGDR).

    T_0 = T/(1 + t_mult + ... + t_mult^(cycles-1)), so that the last cycle ends at T. At a restart the factor is 1.
    """
    for start, end in _cycles(total, cycles, t_mult):
        if t < end - ROUNDING * total:
            return cosine(max(t, start) - start, end - start, final_fraction=final_fraction)
    return final_fraction


def cosine_cycle_ends(
    total: float, *, cycles: int = 2, t_mult: int = 1, final_fraction: float = 0.0
) -> tuple[float, ...]:
    """Return the dips of `cosine_restarts`: the end of every cycle."""
    return tuple(end for _, end in _cycles(total, cycles, t_mult))


def _cycles(total: float, cycles: int, t_mult: int) -> Iterator[tuple[float, float]]:
    """Yield the start and end of every cycle; the last end is T itself."""
    lengths = [t_mult**index for index in range(cycles)]
    done, whole = 0, sum(lengths)
    for length in lengths:
        yield total * (done / whole), total * ((done + length) / whole)
        done += length


def plateau(
    reductions: float,
    total: float,
    *,
    factor: float = 0.3,
    patience: int = PATIENCE,
    threshold: float = THRESHOLD,
    mode: str = MODE,
    cooldown: int = 0,
    min_lr: float = 0.0,
) -> float:
    """Return factor^reductions; `reductions` counts the times that too many epochs brought no improvement."""
    return float(factor**reductions)


def one_cycle(
    t: float,
    total: float,
    *,
    final_share: float = 0.1,
    final_fraction: float = 0.01,
    momentum_high: float = 0.95,
    momentum_low: float = 0.85,
) -> float:
    """Return a factor that is linear from 1/10 to 1 and back, then down to final_fraction/10 (Smith 2018).

    The last part takes `final_share` of T; the rise and the fall each take half of the rest.
    """
    half = _half(total, final_share)
    if t <= 2 * half:
        return 1 - 0.9 * abs(t - half) / half
    return 0.1 * (1 - (1 - final_fraction) * (t - 2 * half) / (total - 2 * half))


def one_cycle_momentum(
    t: float,
    total: float,
    *,
    final_share: float = 0.1,
    final_fraction: float = 0.01,
    momentum_high: float = 0.95,
    momentum_low: float = 0.85,
) -> float:
    """Return a momentum that is linear from high to low and back while the rate rises and falls, then high."""
    half = _half(total, final_share)
    return momentum_low + (momentum_high - momentum_low) * min(abs(t - half) / half, 1.0)


def _half(total: float, final_share: float) -> float:
    return total * (1 - final_share) / 2


def chained(
    t: float,
    total: float,
    *,
    first: str = "constant",
    second: str = "cosine",
    switch: float = 0.5,
    second_factor: float = 1.0,
) -> float:
    """Return the first schedule up to `switch` of T, then the second from its beginning, times `second_factor`.

    Each spans its own part of T and has its default options.
    """
    turn = switch * total
    if t < turn - ROUNDING * total:
        return PARTS[first](t, turn)
    return second_factor * PARTS[second](max(t - turn, 0.0), total - turn)


# What `chained` may join: the schedules that are factors of the time alone and fit into any number of epochs.
PARTS: Mapping[str, Callable[[float, float], float]] = {
    "constant": constant,
    "exponential": exponential,
    "step": step,
    "cosine": cosine,
    "cosine_restarts": cosine_restarts,
    "polynomial": polynomial,
    "inverse_time": inverse_time,
    "cyclic": cyclic,
}
