"""The search policy: which configurations are tried, and which trials are stopped.

A proposal depends on the study's seed, the trial's number and the history, not on which worker asks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler

from search.strategies.gp.prior_study import PriorStudy
from search.strategies.pruners.wrappers import AuditedPruner, CompletionGuarantee
from search.strategies.registry import (
    DEFAULT_AUDIT_SHARE,
    DEFAULT_PRUNER,
    DEFAULT_SAMPLER,
    StrategySetting,
    find_pruner,
    find_sampler,
)
from search.strategies.repeated.strategies import ConfigurationPruner, ConfigurationSampler
from spaces import Space


def default_policy(
    space: Space,
    epochs: int,
    seed: int,
    experience: Sequence[PriorStudy] = (),
    *,
    first_step: int = 0,
) -> tuple[BaseSampler, BasePruner, list[dict[str, Any]]]:
    """Build the default sampler and pruner, and propose the configurations to begin with.

    epochs: of a full training. experience: earlier studies, oldest first. first_step: the step under which trials
    report their first epoch.
    """
    setting = StrategySetting(space=space, epochs=epochs, seed=seed, experience=experience, first_step=first_step)
    sampler, pruner = build_strategies(DEFAULT_SAMPLER, DEFAULT_PRUNER, setting)
    return sampler, pruner, propose_starting_points(sampler)


def build_strategies(
    sampler: str, pruner: str, setting: StrategySetting, audit: float = DEFAULT_AUDIT_SHARE
) -> tuple[BaseSampler, BasePruner]:
    """Build a sampler and a pruner by name; the pruner lets enough trials complete and is audited.

    audit: share of the stopped trials that run on, 0 to 1.

    Raises:
        UsageError: there is no sampler or no pruner of that name.
    """
    sampler_entry, pruner_entry = find_sampler(sampler), find_pruner(pruner)
    setting = replace(setting)  # its reader is this pair's alone: another pair may be asked about another study
    guaranteed = CompletionGuarantee(pruner_entry.build(setting), setting.epochs, setting.configurations)
    built, audited = sampler_entry.build(setting), AuditedPruner(guaranteed, audit, setting.seed)
    if setting.repeats == 1 and not sampler_entry.trains_grid:
        return built, audited
    return ConfigurationSampler(built), ConfigurationPruner(audited)


def describe_policy(sampler: str, pruner: str) -> str:
    """Return the names of a sampler and a pruner with the versions that this program has: `curves/6+rank/5`."""
    return f"{sampler}/{find_sampler(sampler).version}+{pruner}/{find_pruner(pruner).version}"


def propose_starting_points(sampler: BaseSampler) -> list[dict[str, Any]]:
    """Return the parameters of a study's first trials; empty unless the sampler learns from earlier studies."""
    from search.strategies.samplers.curves import CurvesSampler  # takes long, and who has a sampler has imported it

    sampler = sampler.sampler if isinstance(sampler, ConfigurationSampler) else sampler
    return sampler.starting_points if isinstance(sampler, CurvesSampler) else []
