"""The search policy: which configurations are tried, and which trials are stopped. The one place that decides.

What a trial is proposed depends on the study's seed, the trial's number and the history, not on who asks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler

from search.policy.experience import EarlierStudy
from search.policy.named import (
    DEFAULT_PRUNER,
    DEFAULT_SAMPLER,
    PRUNERS,
    SAMPLERS,
    Setting,
    check,
    doubts,
)
from search.policy.sampler import CurvesSampler
from search.policy.sparing import Audited, Sparing, best_value
from spaces import Space

AUDIT = 0.05
"""Share of the stopped trials that run on, unless a study says otherwise."""


def default_policy(
    space: Space,
    epochs: int,
    seed: int,
    experience: Sequence[EarlierStudy] = (),
    *,
    first_step: int = 0,
) -> tuple[BaseSampler, BasePruner, list[dict[str, Any]]]:
    """The sampler, the pruner and the configurations to begin with, of a study that asks for nothing else.

    epochs: of a full training. experience: earlier studies, oldest first. first_step: the step under which trials
    report their first epoch.
    """
    setting = Setting(space=space, epochs=epochs, seed=seed, experience=experience, first_step=first_step)
    sampler, pruner = build(DEFAULT_SAMPLER, DEFAULT_PRUNER, setting)
    return sampler, pruner, starting_points(sampler)


def build(sampler: str, pruner: str, setting: Setting, audit: float = AUDIT) -> tuple[BaseSampler, BasePruner]:
    """A sampler and a pruner by name.

    Raises:
        UsageError: there is none of that name.
    """
    check(sampler, pruner)
    spared = Sparing(PRUNERS[pruner].build(setting), setting.epochs)
    return SAMPLERS[sampler].build(setting), Audited(spared, audit, setting.seed)


def starting_points(sampler: BaseSampler) -> list[dict[str, Any]]:
    """The parameters that a study begins with; none where its sampler does not learn from earlier studies."""
    return sampler.starting_points if isinstance(sampler, CurvesSampler) else []


__all__ = [
    "AUDIT",
    "DEFAULT_PRUNER",
    "DEFAULT_SAMPLER",
    "PRUNERS",
    "SAMPLERS",
    "Audited",
    "CurvesSampler",
    "EarlierStudy",
    "Setting",
    "Sparing",
    "best_value",
    "build",
    "check",
    "default_policy",
    "doubts",
    "starting_points",
]
