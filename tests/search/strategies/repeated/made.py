"""Trials that share configurations, made by hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import optuna
from optuna.distributions import FloatDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from search.strategies.repeated.comparison import Comparison, compare_configurations
from search.strategies.repeated.configurations import Repeated, group_trials
from storage.leasing.repeats import describe_repeat

RUNNING, COMPLETE, PRUNED, FAIL = TrialState.RUNNING, TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL


def member(
    configuration: int, repeat: int, curve: Sequence[float] = (), state: TrialState = COMPLETE, repeats: int = 3
) -> FrozenTrial:
    """A trial of a configuration, whose x is a hundredth of its number."""
    return create_trial(
        state=state,
        value=max(curve) if state == COMPLETE else None,
        params={"x": configuration / 100},
        distributions={"x": FloatDistribution(0, 1)},
        user_attrs=describe_repeat(configuration, repeat, repeats),
        intermediate_values=dict(enumerate(curve)),
    )


def study_of(*trials: FrozenTrial, **options: Any) -> optuna.Study:
    """A study with these trials, numbered in this order."""
    study = optuna.create_study(direction="maximize", **options)
    study.add_trials(trials)
    return study


def configuration(number: int, *trials: FrozenTrial) -> Repeated[FrozenTrial]:
    """One configuration."""
    return Repeated(number, trials)


def compare(trials: Sequence[FrozenTrial]) -> Comparison:
    """Compare the configurations of trials."""
    return compare_configurations(group_trials(trials), lambda trial: trial)
