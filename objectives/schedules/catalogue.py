"""The learning-rate schedules: factors that multiply the initial learning rate.

All but `plateau` are pure functions of the time `t`, in epochs, and the total `T`, in epochs. `interval` says
whether the training loop passes whole epochs or fractions of one (`step`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from spaces import Float, Int, Space, standard


@dataclass(frozen=True, kw_only=True)
class ScheduleEntry:
    """One schedule: `factor(t, T, <options>)`, or for `needs_metric` `after(epochs without improvement)`."""

    factor: Callable[..., float]
    space: Space
    description: str
    interval: Literal["epoch", "step"] = "epoch"
    needs_metric: bool = False


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


def plateau(reductions: float, total: float, *, factor: float = 0.3, patience: int = 2) -> float:
    """factor^reductions, where the validation loss has `reductions` times gone `patience` epochs unimproved.

    The count is kept by `objectives.schedules.rates.Plateau`; this is the rest of it.
    """
    return float(factor**reductions)


SCHEDULES: dict[str, ScheduleEntry] = {
    "constant": ScheduleEntry(factor=constant, space=Space(), description="the same learning rate throughout"),
    "exponential": ScheduleEntry(
        factor=exponential,
        space=Space(final_fraction=standard.final_fraction()),
        description="the same factor every epoch, to a last fraction of the first",
    ),
    "step": ScheduleEntry(
        factor=step,
        space=Space(gamma=Float(0.1, 0.5, at_least=1e-6, at_most=1.0), drops=Int(2, 4, at_least=1, at_most=100)),
        description="a few equal drops",
    ),
    "cosine": ScheduleEntry(
        factor=cosine,
        space=Space(),
        interval="step",
        description="half a cosine down to nothing (Loshchilov & Hutter 2017)",
    ),
    "plateau": ScheduleEntry(
        factor=plateau,
        space=Space(
            factor=Float(0.1, 0.5, at_least=1e-6, at_most=1.0), patience=Int(1, 3, at_least=1, at_most=1000)
        ),
        description="a drop after `patience` epochs without a better validation loss",
        needs_metric=True,
    ),
}
