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
from spaces import Categorical, Fixed, Float, Int, Space, standard


@dataclass(frozen=True, kw_only=True)
class ScheduleEntry(Technique):
    """One schedule: `factor(t, T, <options>)`, or `factor(reductions, T, <options>)` if it `needs_metric`.

    interval: whether t changes with every `epoch` only, or with every `step`.
    momentum: `momentum(t, T, <options>)`, if the schedule moves the optimizer's momentum as well. It counts in place of
    the optimizer's own momentum or beta1, which is not searched beside it (see objectives.core.cycled_momentum).
    dips: `dips(T, <options>)`, the ascending times, in epochs, at which the learning rate has a minimum.
    """

    kind: ClassVar[str] = "schedule"
    factor: Callable[..., float]
    interval: Literal["epoch", "step"] = "epoch"
    needs_metric: bool = False
    momentum: Callable[..., float] | None = None
    dips: Callable[..., tuple[float, ...]] | None = None


_COSINE_END = Fixed(0.0, domain=Float(0.0, 0.1, at_least=0.0, at_most=1.0))
_POWER = Fixed(1.0, domain=Float(0.5, 2.0, log=True, at_least=0.1, at_most=100.0))
_PARTS = Categorical(*factors.PARTS)

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
            cycles=Int(2, 4, at_least=1, at_most=100),
            t_mult=Int(1, 2, at_least=1, at_most=10),
            final_fraction=_COSINE_END,
        ),
        interval="step",
        description="SGDR: cosines, each `t_mult` times as long as the one before (Loshchilov & Hutter 2017)",
    ),
    "polynomial": ScheduleEntry(
        factor=factors.polynomial,
        space=Space(power=_POWER, final_fraction=_COSINE_END),
        interval="step",
        description="down to about zero along (1 - t/T)^power; a straight line for a power of 1",
    ),
    "inverse_time": ScheduleEntry(
        factor=factors.inverse_time,
        space=Space(power=_POWER, final_fraction=standard.final_fraction()),
        interval="step",
        description="1/(1 + t/s)^power, down to `final_fraction` of the first rate; power scheduling",
    ),
    "cyclic": ScheduleEntry(
        factor=factors.cyclic,
        dips=factors.cyclic_lows,
        space=Space(
            cycles=Int(1, 4, at_least=1, at_most=1000),
            base_fraction=Fixed(0.1, domain=Float(0.01, 0.5, log=True, at_least=0.0, at_most=1.0)),
            shrink=Fixed(1.0, domain=Float(0.5, 1.0, at_least=0.0, at_most=1.0)),
        ),
        interval="step",
        description="triangles from `base_fraction` of the rate up to it and back (Smith 2017)",
    ),
    "plateau": ScheduleEntry(
        factor=factors.plateau,
        space=Space(
            factor=Float(0.1, 0.5, at_least=1e-6, at_most=1.0),
            patience=Int(1, 10, at_least=0, at_most=1000),
            threshold=Fixed(factors.THRESHOLD, domain=Float(0.0, 0.1, at_least=0.0, at_most=standard.BELOW_ONE)),
            mode=Fixed(factors.MODE, domain=Categorical("loss", "accuracy")),
            cooldown=Fixed(0, domain=Int(0, 5, at_least=0, at_most=1000)),
            min_lr=Fixed(0.0, domain=Float(0.0, 1e-4, at_least=0.0, at_most=10.0)),
        ),
        description="a drop after more than `patience` epochs without a better validation loss (or accuracy)",
        conditions=(needs("validation", True),),
        needs_metric=True,
    ),
    "one_cycle": ScheduleEntry(
        factor=factors.one_cycle,
        momentum=factors.one_cycle_momentum,
        space=Space(
            final_share=Fixed(0.1, domain=Float(0.05, 0.3, at_least=0.01, at_most=0.9)),
            final_fraction=Fixed(0.01, domain=Float(1e-4, 1e-2, log=True, at_least=1e-9, at_most=0.01)),
            momentum_high=Fixed(0.95, domain=standard.momentum(0.9, 0.99), implied=True),
            momentum_low=Fixed(0.85, domain=standard.momentum(0.7, 0.9), implied=True),
        ),
        interval="step",
        description="up to the learning rate and back, then far lower; momentum moves the other way (Smith 2018)",
    ),
    "chained": ScheduleEntry(
        factor=factors.chained,
        space=Space(
            first=Fixed("constant", domain=_PARTS),
            second=Fixed("cosine", domain=_PARTS),
            switch=Float(0.2, 0.8, at_least=0.01, at_most=0.99),
            second_factor=Fixed(1.0, domain=Float(0.1, 1.0, log=True, at_least=0.0, at_most=1.0)),
        ),
        interval="step",
        description="one schedule up to the share `switch` of the epochs, then another, with their default options",
    ),
}
