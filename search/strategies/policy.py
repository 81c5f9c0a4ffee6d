"""The search policy: which configurations are tried, and which trials are stopped. The one place that decides.

What a trial is proposed depends on the study's seed, the trial's number and the history, not on who asks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler

from search.strategies.gp.prior_models import PriorStudy
from search.strategies.pruners.wrappers import AuditedPruner, WinnerGuarantee
from search.strategies.registry import (
    DEFAULT_PRUNER,
    DEFAULT_SAMPLER,
    PRUNERS,
    SAMPLERS,
    StrategySetting,
    check_names,
)
from search.strategies.samplers.curves import CurvesSampler
from spaces import Space

AUDIT_SHARE = 0.05
"""Share of the stopped trials that run on, unless a study says otherwise."""


def default_policy(
    space: Space,
    epochs: int,
    seed: int,
    experience: Sequence[PriorStudy] = (),
    *,
    first_step: int = 0,
) -> tuple[BaseSampler, BasePruner, list[dict[str, Any]]]:
    """The sampler, the pruner and the configurations to begin with, of a study that asks for nothing else.

    epochs: of a full training. experience: earlier studies, oldest first. first_step: the step under which trials
    report their first epoch.
    """
    setting = StrategySetting(space=space, epochs=epochs, seed=seed, experience=experience, first_step=first_step)
    sampler, pruner = build_strategies(DEFAULT_SAMPLER, DEFAULT_PRUNER, setting)
    return sampler, pruner, propose_starting_points(sampler)


def build_strategies(
    sampler: str, pruner: str, setting: StrategySetting, audit: float = AUDIT_SHARE
) -> tuple[BaseSampler, BasePruner]:
    """A sampler and a pruner by name.

    Raises:
        UsageError: there is none of that name.
    """
    check_names(sampler, pruner)
    spared = WinnerGuarantee(PRUNERS[pruner].build(setting), setting.epochs)
    return SAMPLERS[sampler].build(setting), AuditedPruner(spared, audit, setting.seed)


def describe_policy(sampler: str, pruner: str) -> str:
    """Return the names of a sampler and a pruner with the versions that this program has: `curves/1+rank/1`."""
    return f"{sampler}/{SAMPLERS[sampler].version}+{pruner}/{PRUNERS[pruner].version}"


def propose_starting_points(sampler: BaseSampler) -> list[dict[str, Any]]:
    """The parameters that a study begins with; none where its sampler does not learn from earlier studies."""
    return sampler.starting_points if isinstance(sampler, CurvesSampler) else []
