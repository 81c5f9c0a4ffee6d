"""The samplers and pruners by name, as `--sampler` and `--pruner` take them; the first of each is the default.

An entry is the one place that names a strategy: help, documentation, checks and `run` read it. Builders import Optuna
when they are called, so that reading the registry is cheap.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from search.errors import UsageError
from search.strategies.foresight import (
    REDUCTION,
    Foresee,
    count_in_brackets,
    count_on_rungs,
    foresee_brackets,
    foresee_median,
    foresee_none,
    foresee_rank,
    foresee_rank_unplanned,
    foresee_rungs,
    repeat_foresight,
)
from search.strategies.setting import StrategySetting as StrategySetting

if TYPE_CHECKING:
    from optuna.pruners import BasePruner
    from optuna.samplers import BaseSampler


E = TypeVar("E")

# Optuna's defaults: random trials before TPE fits its densities, completed trials before the median pruner stops any.
TPE_STARTUP_TRIALS = 10
MEDIAN_STARTUP_TRIALS = 5


@dataclass(frozen=True, kw_only=True)
class SamplerEntry:
    """A sampler by name."""

    build: Callable[[StrategySetting], BaseSampler]
    description: str
    version: int = 1
    """Raised whenever the sampler proposes other trials than before; studies of another version are refused."""
    startup_trials: int = 0
    """How many trials it spreads over the space before it learns from any."""
    learns_from_earlier_studies: bool = False
    """Whether its proposals depend on `StrategySetting.experience`."""
    avoids_repeats: bool = False
    """Whether it repeats a configuration only when the space has no other."""
    trains_grid: bool = False
    """Whether it proposes every configuration of a grid once, and no other."""


@dataclass(frozen=True, kw_only=True)
class PrunerEntry:
    """A pruner by name."""

    build: Callable[[StrategySetting], BasePruner]
    description: str
    count_compared: Callable[[int, int], Mapping[int, float]]
    """(trials, epochs) -> about how many trials are compared at each decision, by the epochs trained before it; empty
    if every decision compares all trials."""
    foresee: Foresee
    """(trials, epochs) -> the full trainings and the completed trials that a plan is expected to come to."""
    foresee_unplanned: Foresee | None = None
    """The same if the plan has no number of trials; None if the pruner stops no other trials then."""
    version: int = 1
    """Raised whenever the pruner stops other trials than before; studies of another version are refused."""

    def choose_foresight(self, trials: int | None, repeats: int = 1) -> Foresee:
        """Return the function that foresees a plan.

        trials: of the plan; None if it has no number of them. repeats: of each configuration.
        """
        foresee = self.foresee if trials is not None or self.foresee_unplanned is None else self.foresee_unplanned
        return repeat_foresight(foresee, repeats)


def _curves(setting: StrategySetting) -> BaseSampler:
    from search.strategies.samplers.curves import CurvesSampler

    return CurvesSampler(setting.space, setting.epochs, setting.seed, setting.experience, reader=setting.reader)


def _tpe(setting: StrategySetting) -> BaseSampler:
    from optuna.samplers import TPESampler

    from search.strategies.samplers.per_trial_seed import PerTrialSeedSampler

    return PerTrialSeedSampler(lambda seed: TPESampler(seed=seed), setting.seed)


def _random(setting: StrategySetting) -> BaseSampler:
    from optuna.samplers import RandomSampler

    from search.strategies.samplers.per_trial_seed import PerTrialSeedSampler

    return PerTrialSeedSampler(lambda seed: RandomSampler(seed=seed), setting.seed)


def _qmc(setting: StrategySetting) -> BaseSampler:
    from optuna.exceptions import ExperimentalWarning
    from optuna.samplers import QMCSampler

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        # Not seeded for each trial: all trials share one sequence.
        return QMCSampler(seed=setting.seed % 2**32, scramble=True, warn_independent_sampling=False)


def _grid(setting: StrategySetting) -> BaseSampler:
    from search.strategies.samplers.grid import GridSampler

    return GridSampler(setting.space, setting.points)


def _rank(setting: StrategySetting) -> BasePruner:
    from search.strategies.pruners.rank import RankPruner

    return RankPruner(setting.space, setting.epochs, trials=setting.configurations, reader=setting.reader)


def _halving(setting: StrategySetting) -> BasePruner:
    from optuna.pruners import SuccessiveHalvingPruner

    # The first rung is after two epochs: after one, many of the best configurations are still behind.
    return SuccessiveHalvingPruner(min_resource=1 + setting.first_step, reduction_factor=REDUCTION)


def _median(setting: StrategySetting) -> BasePruner:
    from optuna.pruners import MedianPruner

    return MedianPruner(n_startup_trials=MEDIAN_STARTUP_TRIALS)


def _hyperband(setting: StrategySetting) -> BasePruner:
    from optuna.pruners import HyperbandPruner

    return HyperbandPruner(min_resource=1, max_resource=setting.epochs, reduction_factor=REDUCTION)


def _never(setting: StrategySetting) -> BasePruner:
    from optuna.pruners import NopPruner

    return NopPruner()


SAMPLERS: dict[str, SamplerEntry] = {
    "curves": SamplerEntry(
        build=_curves,
        description="a Gaussian process over configuration and epoch: learns from every curve and earlier studies",
        version=6,
        startup_trials=6,
        learns_from_earlier_studies=True,
        avoids_repeats=True,
    ),
    "tpe": SamplerEntry(
        build=_tpe,
        description="tree-structured Parzen estimator (Bergstra et al. 2011), Optuna's default",
        startup_trials=TPE_STARTUP_TRIALS,
    ),
    "random": SamplerEntry(build=_random, description="independent random draws: a baseline for comparison"),
    "qmc": SamplerEntry(build=_qmc, description="a scrambled Sobol sequence: covers a small space evenly"),
    "grid": SamplerEntry(
        build=_grid,
        description="every configuration once; `--points 5` cuts each range into five values",
        trains_grid=True,
    ),
}

PRUNERS: dict[str, PrunerEntry] = {
    "rank": PrunerEntry(
        build=_rank,
        description="stops a trial that a model of all curves does not expect to end among the best 1/(e+1)^1.3",
        count_compared=lambda trials, epochs: {},  # compares all trials, including those it stopped
        foresee=foresee_rank,
        foresee_unplanned=foresee_rank_unplanned,
        version=5,
    ),
    "halving": PrunerEntry(
        build=_halving,
        description="asynchronous successive halving, a third continues (Li et al. 2020)",
        count_compared=count_on_rungs,
        foresee=foresee_rungs,
    ),
    "median": PrunerEntry(
        build=_median,
        description="stops below the median of completed trials at the same epoch, Optuna's default; cautious, slow",
        count_compared=lambda trials, epochs: {1: trials - MEDIAN_STARTUP_TRIALS} if epochs > 1 else {},
        foresee=lambda trials, epochs: foresee_median(trials, epochs, MEDIAN_STARTUP_TRIALS),
    ),
    "hyperband": PrunerEntry(
        build=_hyperband,
        description="several brackets of successive halving (Li et al. 2018); for hundreds of trials",
        count_compared=count_in_brackets,
        foresee=foresee_brackets,
    ),
    "none": PrunerEntry(
        build=_never,
        description="every trial runs to its last epoch",
        count_compared=lambda trials, epochs: {},
        foresee=foresee_none,
    ),
}

DEFAULT_SAMPLER = next(iter(SAMPLERS))
DEFAULT_PRUNER = next(iter(PRUNERS))
DEFAULT_AUDIT_SHARE = 0.05
"""Share of the stopped trials that run on, unless a study sets another."""


def find_sampler(name: str) -> SamplerEntry:
    """Return the sampler called `name`.

    Raises:
        UsageError: there is none; the message has close matches and the whole list.
    """
    return _find("sampler", name, SAMPLERS)


def find_pruner(name: str) -> PrunerEntry:
    """Return the pruner called `name`.

    Raises:
        UsageError: there is none; the message has close matches and the whole list.
    """
    return _find("pruner", name, PRUNERS)


def _find(kind: str, name: str, known: Mapping[str, E]) -> E:
    if name in known:
        return known[name]
    from spaces.suggestions import suggest_and_list  # importing spaces imports Optuna

    raise UsageError(f"unknown {kind} {name!r}; {suggest_and_list(name, known)}")
