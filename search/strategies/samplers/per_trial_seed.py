"""Optuna's samplers, seeded so that a proposal does not depend on the worker that asks for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from objectives.base.seeds import derive_seed


class PerTrialSeedSampler(BaseSampler):
    """Builds a sampler for each trial, seeded from the study's seed and the trial's number."""

    def __init__(self, build: Callable[[int], BaseSampler], seed: int) -> None:
        self._build = build
        self._seed = seed
        self._sampler = build(seed % 2**32)

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        self._sampler = self._build(derive_seed(self._seed, "sampler", trial.number) % 2**32)
        self._sampler.before_trial(study, trial)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return self._sampler.infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        return dict(self._sampler.sample_relative(study, trial, search_space))

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        # Seeded by name, too: if a worker dies between two parameters, the next one draws the same remaining ones.
        sampler = self._build(derive_seed(self._seed, "sampler", trial.number, param_name) % 2**32)
        return sampler.sample_independent(study, trial, param_name, param_distribution)

    def after_trial(self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None) -> None:
        self._sampler.after_trial(study, trial, state, values)
