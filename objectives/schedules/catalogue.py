"""The learning-rate schedules; a new one is one entry of SCHEDULES, with its functions in `factors`.

A schedule is a factor of the initial learning rate. All but `plateau` are pure functions of the time `t` and the total
`T`, both in epochs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Literal

from objectives.base.technique import Technique, needs
from objectives.schedules import factors
from spaces import Fixed, Float, Int, Space, standard


@dataclass(frozen=True, kw_only=True)
class ScheduleEntry(Technique):
    """One schedule: `factor(t, T, <options>)`, or `factor(reductions, T, <options>)` if it `needs_metric`.

    interval: whether t changes with every `epoch` only, or with every `step`.
    momentum: `momentum(t, T, <options>)`, if the schedule changes the optimizer's momentum as well.
    dips: `dips(T, <options>)`, the ascending times, in epochs, at which the learning rate has a minimum.
    """

    kind: ClassVar[str] = "schedule"
    factor: Callable[..., float]
    interval: Literal["epoch", "step"] = "epoch"
    needs_metric: bool = False
    momentum: Callable[..., float] | None = None
    dips: Callable[..., tuple[float, ...]] | None = None


_COSINE_END = Fixed(0.0, domain=Float(0.0, 0.1, at_least=0.0, at_most=1.0))

SCHEDULES: dict[str, ScheduleEntry] = {
    "constant": ScheduleEntry(factor=factors.constant, description="the same learning rate throughout"),
    "exponential": ScheduleEntry(
        factor=factors.exponential,
        space=Space(final_fraction=standard.final_fraction()),
        description="the same factor every epoch, down to `final_fraction` of the first rate",
    ),
    "step": ScheduleEntry(
        factor=factors.step,
        space=Space(gamma=Float(0.1, 0.5, at_least=1e-6, at_most=1.0), drops=Int(2, 4, at_least=1, at_most=100)),
        description="a few drops by the same factor",
    ),
    "cosine": ScheduleEntry(
        factor=factors.cosine,
        dips=factors.cosine_end,
        space=Space(final_fraction=_COSINE_END),
        interval="step",
        description="half a cosine wave down to about zero (Loshchilov & Hutter 2017)",
    ),
    "cosine_dips": ScheduleEntry(
        factor=factors.cosine_dips,
        dips=factors.cosine_dip_times,
        space=Space(dips=Int(2, 3, at_least=1, at_most=1000), final_fraction=_COSINE_END),
        interval="step",
        description="a cosine wave with `dips` minima, the last one at the end (Izmailov et al. 2018)",
    ),
    "cosine_restarts": ScheduleEntry(
        factor=factors.cosine_restarts,
        dips=factors.cosine_cycle_ends,
        space=Space(
            first_cycle=Float(0.1, 0.5, at_least=0.01, at_most=1.0),
            t_mult=Int(1, 3, at_least=1, at_most=10),
            final_fraction=_COSINE_END,
        ),
        interval="step",
        description="SGDR: a cosine that restarts after T_0, T_0 t_mult, ... epochs (Loshchilov & Hutter 2017)",
    ),
    "plateau": ScheduleEntry(
        factor=factors.plateau,
        space=Space(
            factor=Float(0.1, 0.5, at_least=1e-6, at_most=1.0),
            patience=Int(1, 3, at_least=1, at_most=1000),
            threshold=Fixed(factors.THRESHOLD, domain=Float(0.0, 0.1, at_least=0.0, at_most=standard.BELOW_ONE)),
        ),
        description="a drop after every `patience` epochs without a better validation loss",
        conditions=(needs("validation", True),),
        needs_metric=True,
    ),
    "one_cycle": ScheduleEntry(
        factor=factors.one_cycle,
        momentum=factors.one_cycle_momentum,
        space=Space(
            final_share=Fixed(0.1, domain=Float(0.05, 0.3, at_least=0.01, at_most=0.9)),
            final_fraction=Fixed(0.01, domain=Float(1e-4, 1e-2, log=True, at_least=1e-9, at_most=0.01)),
        ),
        interval="step",
        description="up to the learning rate and back, then far lower; momentum moves the other way (Smith 2018)",
    ),
}
