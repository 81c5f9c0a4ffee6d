"""The samplers and pruners by name: what `--sampler` and `--pruner` take."""

from __future__ import annotations

import difflib
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from optuna.exceptions import ExperimentalWarning
from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, NopPruner, SuccessiveHalvingPruner
from optuna.samplers import BaseSampler, QMCSampler, RandomSampler, TPESampler

from search.errors import UsageError
from search.strategies.gp.prior_models import PriorStudy
from search.strategies.pruners.rank import RankPruner
from search.strategies.samplers.curves import CurvesSampler
from search.strategies.samplers.per_trial_seed import PerTrialSeedSampler
from spaces import Space

DEFAULT_SAMPLER = "curves"
DEFAULT_PRUNER = "rank"

REDUCTION = 3
# Optuna's own: the trials that TPE draws at random first, and the completed ones that the median pruner waits for.
TPE_FROM = 10
MEDIAN_FROM = 5


@dataclass(frozen=True, kw_only=True)
class StrategySetting:
    """What a study gives its sampler and its pruner."""

    space: Space
    epochs: int
    """Of a full training, 1 or more."""
    seed: int
    experience: Sequence[PriorStudy] = ()
    """Earlier studies, oldest first."""
    first_step: int = 0
    """The step under which trials report their first epoch."""


@dataclass(frozen=True, kw_only=True)
class SamplerEntry:
    """A sampler by name."""

    build: Callable[[StrategySetting], BaseSampler]
    description: str
    version: int = 1
    """Raised whenever the sampler proposes other trials than before: stored studies are then refused, not changed."""
    before_model: int = 0
    """Trials that it draws at random before it makes use of any."""


@dataclass(frozen=True, kw_only=True)
class PrunerEntry:
    """A pruner by name."""

    build: Callable[[StrategySetting], BasePruner]
    description: str
    reaching: Callable[[int, int], Mapping[int, float]]
    """(trials, epochs) -> about how many trials reach each point of decision, by its number of epochs."""
    version: int = 1
    """Raised whenever the pruner stops other trials than before, as a sampler's."""


def _qmc(seed: int) -> BaseSampler:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        return QMCSampler(seed=seed % 2**32, scramble=True, warn_independent_sampling=False)


def _halving(setting: StrategySetting) -> BasePruner:
    # The first rung is after two epochs; after one, many of the best are still behind.
    return SuccessiveHalvingPruner(min_resource=1 + setting.first_step, reduction_factor=REDUCTION)


def _hyperband(setting: StrategySetting) -> BasePruner:
    return HyperbandPruner(min_resource=1, max_resource=setting.epochs, reduction_factor=REDUCTION)


def _rungs(trials: int, epochs: int) -> dict[int, float]:
    """The rungs are after 2, 4, 10, 28, ... epochs: a third of the trials of each goes on to the next."""
    powers = [REDUCTION**rung for rung in range(20) if REDUCTION**rung + 1 < epochs]
    return {power + 1: trials / power for power in powers}


def _brackets(trials: int, epochs: int) -> dict[int, float]:
    """As for successive halving, with the trials shared out among the brackets."""
    rungs = _rungs(trials, epochs)
    return {epoch: reaching / len(rungs) for epoch, reaching in rungs.items()}


SAMPLERS: dict[str, SamplerEntry] = {
    "curves": SamplerEntry(
        build=lambda s: CurvesSampler(s.space, s.epochs, s.seed, s.experience, first_step=s.first_step),
        description="a Gaussian process over configuration and epoch: learns from every curve and earlier studies",
        before_model=6,
    ),
    "tpe": SamplerEntry(
        build=lambda s: PerTrialSeedSampler(lambda seed: TPESampler(seed=seed), s.seed),
        description="tree-structured Parzen estimator (Bergstra et al. 2011), Optuna's default",
        before_model=TPE_FROM,
    ),
    "random": SamplerEntry(
        build=lambda s: PerTrialSeedSampler(lambda seed: RandomSampler(seed=seed), s.seed),
        description="independent random draws: what to compare with",
    ),
    "qmc": SamplerEntry(
        build=lambda s: _qmc(s.seed),  # all trials share one sequence
        description="a scrambled Sobol sequence: even cover of a small space",
    ),
}

PRUNERS: dict[str, PrunerEntry] = {
    "rank": PrunerEntry(
        build=lambda s: RankPruner(s.space, s.epochs, first_step=s.first_step),
        description="after every epoch e the best 1/(e+1)^1.3 of all trials go on; every third has time first",
        # Decides among all trials, those that it stopped included.
        reaching=lambda trials, epochs: {},
    ),
    "halving": PrunerEntry(
        build=_halving,
        description="asynchronous successive halving, a third goes on (Li et al. 2020)",
        reaching=_rungs,
    ),
    "median": PrunerEntry(
        build=lambda s: MedianPruner(),
        description="below the median of completed trials at the same epoch, Optuna's default; careful, and slow",
        reaching=lambda trials, epochs: {1: trials - MEDIAN_FROM} if epochs > 1 else {},
    ),
    "hyperband": PrunerEntry(
        build=_hyperband,
        description="several brackets of successive halving (Li et al. 2018); for hundreds of trials",
        reaching=_brackets,
    ),
    "none": PrunerEntry(
        build=lambda s: NopPruner(),
        description="every trial runs to its end",
        reaching=lambda trials, epochs: {},
    ),
}

# Fewer decide nothing.
ENOUGH = 3


def check_names(sampler: str, pruner: str) -> None:
    """Raise `UsageError` with close matches for a name that is none."""
    for kind, name, known in (("sampler", sampler, SAMPLERS), ("pruner", pruner, PRUNERS)):
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {close[0]}? " if close else ""
            raise UsageError(f"unknown {kind} {name!r}; {hint}known: {', '.join(known)}")


def find_doubts(sampler: str, pruner: str, *, trials: int, epochs: int) -> list[str]:
    """One sentence for each part of a plan that cannot work: too few trials for a decision or for a model."""
    said = []
    reaching = PRUNERS[pruner].reaching(trials, epochs)
    idle = {epoch: count for epoch, count in reaching.items() if count < ENOUGH}
    if idle:
        epoch, count = min(idle.items())
        said.append(
            f"of {trials} trials about {max(0, round(count))} come to the decision of --pruner {pruner} after "
            f"epoch {epoch}, too few to compare; take more trials, fewer epochs, or --pruner {DEFAULT_PRUNER}"
        )
    before = SAMPLERS[sampler].before_model
    if 0 < trials <= before:
        said.append(
            f"the first {before} trials of --sampler {sampler} are spread over the space before it learns from "
            f"any, and there are only {trials}; take more trials"
        )
    return said
