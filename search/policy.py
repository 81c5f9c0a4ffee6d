"""The search policy: which sampler proposes trials and which pruner stops them. The one place that decides.

Every worker builds the same sampler for a trial from the study's seed and the trial's number, so that what a
trial is proposed depends on the history alone, not on who asks.
"""

from __future__ import annotations

import difflib
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.pruners import (
    BasePruner,
    HyperbandPruner,
    MedianPruner,
    NopPruner,
    SuccessiveHalvingPruner,
)
from optuna.samplers import BaseSampler, QMCSampler, RandomSampler, TPESampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from objectives.training.seeds import derive
from search.errors import UsageError

DEFAULT_SAMPLER = "tpe"
DEFAULT_PRUNER = "halving"


@dataclass(frozen=True, kw_only=True)
class SamplerEntry:
    """A sampler by name: `build(seed)`; `seeded_by_trial` is false where all trials must share one sequence."""

    build: Callable[[int], BaseSampler]
    description: str
    seeded_by_trial: bool = True


@dataclass(frozen=True, kw_only=True)
class PrunerEntry:
    """A pruner by name: `build(epochs)` for trials of so many epochs."""

    build: Callable[[int], BasePruner]
    description: str


def _tpe(seed: int) -> BaseSampler:
    # Trials in flight count as bad ones (constant_liar), so that many workers do not all try the same point.
    return TPESampler(seed=seed, n_startup_trials=12, multivariate=True, constant_liar=True)


def _qmc(seed: int) -> BaseSampler:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        return QMCSampler(seed=seed % 2**32, scramble=True, warn_independent_sampling=False)


def _halving(epochs: int) -> BasePruner:
    # Steps start at 0: the first rung is after two epochs; after one, many of the best are still behind.
    return SuccessiveHalvingPruner(min_resource=1, reduction_factor=3)


SAMPLERS: dict[str, SamplerEntry] = {
    "tpe": SamplerEntry(
        build=_tpe, description="tree-structured Parzen estimator, multivariate (Bergstra et al. 2011)"
    ),
    "random": SamplerEntry(build=lambda seed: RandomSampler(seed=seed), description="independent random draws"),
    "qmc": SamplerEntry(
        build=_qmc,
        description="a scrambled Sobol sequence: even cover of a small space",
        seeded_by_trial=False,
    ),
}

PRUNERS: dict[str, PrunerEntry] = {
    "halving": PrunerEntry(
        build=_halving, description="asynchronous successive halving, a third goes on (Li et al. 2020)"
    ),
    "median": PrunerEntry(
        build=lambda epochs: MedianPruner(n_startup_trials=5, n_warmup_steps=max(1, epochs // 5)),
        description="below the median of completed trials at the same epoch",
    ),
    "hyperband": PrunerEntry(
        build=lambda epochs: HyperbandPruner(min_resource=1, max_resource=epochs, reduction_factor=3),
        description="several brackets of successive halving (Li et al. 2018); for hundreds of trials",
    ),
    "none": PrunerEntry(build=lambda epochs: NopPruner(), description="every trial runs to its end"),
}


def check(sampler: str, pruner: str) -> None:
    """Raise `UsageError` with close matches for a name that is none."""
    for kind, name, known in (("sampler", sampler, SAMPLERS), ("pruner", pruner, PRUNERS)):
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {close[0]}? " if close else ""
            raise UsageError(f"unknown {kind} {name!r}; {hint}known: {', '.join(known)}")


def build(sampler: str, pruner: str, *, epochs: int, seed: int) -> tuple[BaseSampler, BasePruner]:
    """The study's sampler and pruner."""
    check(sampler, pruner)
    entry = SAMPLERS[sampler]
    proposer = TrialSeeded(entry.build, seed) if entry.seeded_by_trial else entry.build(seed)
    return proposer, Sparing(PRUNERS[pruner].build(epochs), epochs)


class TrialSeeded(BaseSampler):
    """Builds the sampler anew for each trial, seeded by the study's seed and the trial's number."""

    def __init__(self, build: Callable[[int], BaseSampler], seed: int) -> None:
        self._build = build
        self._seed = seed
        self._sampler = build(seed % 2**32)

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        self._sampler = self._build(derive(self._seed, "sampler", trial.number) % 2**32)
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
        # By name: a worker that died in the middle of drawing does not change what is still to be drawn.
        sampler = self._build(derive(self._seed, "sampler", trial.number, param_name) % 2**32)
        return sampler.sample_independent(study, trial, param_name, param_distribution)

    def after_trial(
        self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None
    ) -> None:
        self._sampler.after_trial(study, trial, state, values)


class Sparing(BasePruner):
    """Another pruner, overruled in two cases.

    A trial past two thirds of its epochs runs to its end: it is nearly paid for. And the leader of a study that
    has no completed trial yet goes on, because the winner of a study is a completed trial: every study needs one.
    """

    def __init__(self, pruner: BasePruner, epochs: int) -> None:
        self._pruner = pruner
        self._epochs = epochs

    def prune(self, study: Study, trial: FrozenTrial) -> bool:
        # Asked first whatever comes: successive halving writes down which rungs a trial has reached.
        if not self._pruner.prune(study, trial):
            return False
        if 3 * len(trial.intermediate_values) > 2 * self._epochs:
            return False
        trials = study.get_trials(deepcopy=False)
        return any(other.state == TrialState.COMPLETE for other in trials) or not _leads(trial, trials)


def _leads(trial: FrozenTrial, trials: Sequence[FrozenTrial]) -> bool:
    """Whether no other trial that still runs is ahead; one that has ended cannot become the winner."""
    own = best_value(trial.intermediate_values)
    running = (other for other in trials if other.state == TrialState.RUNNING and other.number != trial.number)
    return all(best_value(other.intermediate_values) <= own for other in running)


def best_value(values: Mapping[int, float]) -> float:
    """The highest value of a curve; minus infinity for an empty one."""
    return max((value for value in values.values() if value == value), default=float("-inf"))
