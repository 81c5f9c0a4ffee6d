"""A sampler and a pruner that decide about configurations, where trials share them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from search.strategies.repeated.view import ConfigurationView
from storage.optuna_adapter import get_study_id


class _Viewer:
    """Keeps the view of the study that it is asked about."""

    def __init__(self) -> None:
        self._view: tuple[int, ConfigurationView] | None = None

    def _look(self, study: Study) -> ConfigurationView:
        if self._view is None or self._view[0] != get_study_id(study):
            self._view = get_study_id(study), ConfigurationView(study)
        return self._view[1]


class ConfigurationSampler(_Viewer, BaseSampler):
    """Proposes a configuration for its first trial; the others are given its parameters.

    sampler: learns from configurations, whose values are the means of their trials.
    """

    def __init__(self, sampler: BaseSampler) -> None:
        super().__init__()
        self.sampler = sampler

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        view = self._look(study)
        self.sampler.before_trial(view.study, view.find(trial)[1])

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        view = self._look(study)
        return self.sampler.infer_relative_search_space(view.study, view.find(trial)[1])

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        view = self._look(study)
        group, merged = view.find(trial)
        if group.number != trial.number:
            return {}  # all its parameters are stored
        return self.sampler.sample_relative(view.study, merged, search_space)

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        view = self._look(study)
        return self.sampler.sample_independent(view.study, view.find(trial)[1], param_name, param_distribution)

    def after_trial(self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None) -> None:
        view = self._look(study)
        self.sampler.after_trial(view.study, view.find(trial)[1], state, values)


class ConfigurationPruner(_Viewer, BasePruner):
    """Stops all trials of a configuration by its mean curve.

    pruner: sees configurations, each with the mean of each epoch over the trials that have reported it.
    """

    def __init__(self, pruner: BasePruner) -> None:
        super().__init__()
        self._pruner = pruner

    def prune(self, study: Study, trial: FrozenTrial) -> bool:
        view = self._look(study)
        group, merged = view.find(trial)
        return group.state == TrialState.PRUNED or self._pruner.prune(view.study, merged)
